#include "base/failpoint.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/core/clock.h"

namespace crisp {
namespace {

class FailpointTest : public testing::Test {
 protected:
  void TearDown() override { failpoint::DisarmAll(); }
};

Status Guarded() {
  CRISP_FAILPOINT("a.b");
  return OkStatus();
}

TEST_F(FailpointTest, NothingArmedNothingHappens) { EXPECT_TRUE(Guarded().ok()); }

TEST_F(FailpointTest, ErrorsWithMessages) {
  ASSERT_TRUE(failpoint::Arm("a.b=error:disk 3*4 full;other=error").ok());
  EXPECT_EQ(Guarded().message(), "failpoint a.b: disk 3*4 full");
  EXPECT_EQ(Guarded().code(), Code::kInternal);
  EXPECT_TRUE(failpoint::Hit("unknown").ok());
  ASSERT_TRUE(failpoint::Arm("a.b=off").ok());
  EXPECT_TRUE(Guarded().ok());
  EXPECT_FALSE(failpoint::Hit("other").ok());
}

TEST_F(FailpointTest, CountsLimit) {
  ASSERT_TRUE(failpoint::Arm("a.b=2*error").ok());
  EXPECT_FALSE(Guarded().ok());
  EXPECT_FALSE(Guarded().ok());
  EXPECT_TRUE(Guarded().ok());
}

TEST_F(FailpointTest, Sleep) {
  ASSERT_TRUE(failpoint::Arm("a.b=sleep:30").ok());
  const MonoTime start = MonoNow();
  EXPECT_TRUE(Guarded().ok());
  EXPECT_GE(MonoNow() - start, std::chrono::milliseconds(30));
}

TEST_F(FailpointTest, Kill) {
  ASSERT_TRUE(failpoint::Arm("a.b=kill").ok());
  const pid_t pid = ::fork();
  if (pid == 0) {
    (void)Guarded();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST_F(FailpointTest, AWrongPartChangesNothing) {
  for (const char* wrong : {"x", "=error", "x=", "x=explode", "x=sleep", "x=sleep:-1", "x=y*error",
                            "a.b=error;x=nonsense"}) {
    const Status status = failpoint::Arm(wrong);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << wrong;
  }
  EXPECT_TRUE(Guarded().ok());
  EXPECT_TRUE(failpoint::Arm(";;").ok());
}

}  // namespace
}  // namespace crisp
