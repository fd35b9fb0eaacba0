// Step tables: a long operation as data, with an undo for each step.
//
// What:    RunPodSandbox and CreateContainer are tables of named steps. RunSteps executes them in
//          order; at the first failure UndoSteps runs the undo of the failed step and of ALL steps
//          before it, newest first, whatever each undo returns.
// Contract: an undo takes nothing but what is in the database row (the context made from it) and is
//          idempotent, so that recovery after a crash is running the same undo table. The undo of
//          the step that failed runs too: it may have done half of its work.
// Faults:  each step hits the failpoints "<table>.<step>.before", ".after" and ".undo".
// After a failure: the first error is returned; StepFailure::undo says what could not be undone.
#ifndef CRISP_BASE_STEPS_H_
#define CRISP_BASE_STEPS_H_

#include <span>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/failpoint.h"
#include "base/log.h"

namespace crisp {

template <typename Context>
struct Step {
  std::string_view name;
  Status (*run)(Context&);
  Status (*undo)(Context&);  // null: the step leaves nothing behind
};

template <typename Context>
struct StepTable {
  std::string_view name;
  std::span<const Step<Context>> steps;
};

struct StepFailure {
  Status cause;  // OK: all steps ran
  Status undo;   // OK: nothing is left behind
};

// "network: cause; routes: cause" of several failed undos; OK stays OK.
Status JoinUndoErrors(const Status& so_far, std::string_view step, Status next);

// Undoes the steps [first, end), newest first.
template <typename Context>
Status UndoSteps(const StepTable<Context>& table, Context& context, size_t first, size_t end) {
  Status failed;
  for (size_t i = end; i-- > first;) {
    const Step<Context>& step = table.steps[i];
    if (step.undo == nullptr) continue;
    Status undone = failpoint::Hit(Cat(table.name, '.', step.name, ".undo"));
    if (undone.ok()) undone = step.undo(context);
    if (!undone.ok()) failed = JoinUndoErrors(failed, step.name, std::move(undone));
  }
  return failed;
}

template <typename Context>
StepFailure RunSteps(const StepTable<Context>& table, Context& context) {
  for (size_t i = 0; i < table.steps.size(); ++i) {
    const Step<Context>& step = table.steps[i];
    Status status = failpoint::Hit(Cat(table.name, '.', step.name, ".before"));
    if (status.ok()) status = step.run(context);
    if (status.ok()) status = failpoint::Hit(Cat(table.name, '.', step.name, ".after"));
    if (!status.ok()) {
      return {std::move(status).Wrap(step.name), UndoSteps(table, context, 0, i + 1)};
    }
  }
  return {};
}

}  // namespace crisp

#endif  // CRISP_BASE_STEPS_H_
