#include "base/steps.h"

#include <gtest/gtest.h>

namespace crisp {
namespace {

struct Context {
  std::vector<std::string> trace;
  std::string fail_run;
  std::vector<std::string> fail_undo;
};

Status Act(Context& context, const std::string& name) {
  context.trace.push_back(name);
  return context.fail_run == name ? Unavailable(name, " broke") : OkStatus();
}
Status Undo(Context& context, const std::string& name) {
  context.trace.push_back("-" + name);
  for (const auto& failing : context.fail_undo) {
    if (failing == name) return Status(Code::kFailedPrecondition, name + " stays", EBUSY);
  }
  return OkStatus();
}

constexpr Step<Context> kSteps[] = {
    {"one", [](Context& c) { return Act(c, "one"); }, [](Context& c) { return Undo(c, "one"); }},
    {"two", [](Context& c) { return Act(c, "two"); }, nullptr},
    {"three", [](Context& c) { return Act(c, "three"); },
     [](Context& c) { return Undo(c, "three"); }},
    {"four", [](Context& c) { return Act(c, "four"); },
     [](Context& c) { return Undo(c, "four"); }}};
constexpr StepTable<Context> kTable{"test.table", kSteps};

using Trace = std::vector<std::string>;

class StepsTest : public testing::Test {
 protected:
  void TearDown() override { failpoint::DisarmAll(); }
  Context context_;
};

TEST_F(StepsTest, AllRunInOrder) {
  const StepFailure failure = RunSteps(kTable, context_);
  EXPECT_TRUE(failure.cause.ok());
  EXPECT_TRUE(failure.undo.ok());
  EXPECT_EQ(context_.trace, (Trace{"one", "two", "three", "four"}));
}

TEST_F(StepsTest, TheFailedStepAndAllBeforeItAreUndoneNewestFirst) {
  context_.fail_run = "three";
  const StepFailure failure = RunSteps(kTable, context_);
  EXPECT_EQ(failure.cause.code(), Code::kUnavailable);
  EXPECT_EQ(failure.cause.message(), "three: three broke");
  EXPECT_TRUE(failure.undo.ok());
  EXPECT_EQ(context_.trace, (Trace{"one", "two", "three", "-three", "-one"}));
}

TEST_F(StepsTest, AFailedUndoDoesNotStopTheOthers) {
  context_.fail_run = "four";
  context_.fail_undo = {"four", "three"};
  const StepFailure failure = RunSteps(kTable, context_);
  EXPECT_EQ(context_.trace, (Trace{"one", "two", "three", "four", "-four", "-three", "-one"}));
  EXPECT_EQ(failure.undo.code(), Code::kFailedPrecondition);
  EXPECT_EQ(failure.undo.sys_errno(), EBUSY);
  EXPECT_EQ(failure.undo.message(), "undo four: four stays; undo three: three stays");
}

TEST_F(StepsTest, UndoAloneRunsTheFirstSteps) {
  EXPECT_TRUE(UndoSteps(kTable, context_, 0, 2).ok());
  EXPECT_EQ(context_.trace, (Trace{"-one"}));
  EXPECT_TRUE(UndoSteps(kTable, context_, 2, 2).ok());
}

TEST_F(StepsTest, Failpoints) {
  ASSERT_TRUE(failpoint::Arm("test.table.three.before=1*error").ok());
  EXPECT_FALSE(RunSteps(kTable, context_).cause.ok());
  EXPECT_EQ(context_.trace, (Trace{"one", "two", "-three", "-one"}));
  context_.trace.clear();
  ASSERT_TRUE(failpoint::Arm("test.table.one.after=1*error;test.table.one.undo=1*error").ok());
  const StepFailure failure = RunSteps(kTable, context_);
  EXPECT_FALSE(failure.undo.ok());
  EXPECT_EQ(context_.trace, (Trace{"one"}));
}

}  // namespace
}  // namespace crisp
