#include "base/steps.h"

namespace crisp {

Status JoinUndoErrors(const Status& so_far, std::string_view step, Status next) {
  log::Warning("undo failed", {{"step", step}, {"error", next}});
  next = std::move(next).Wrap("undo ", step);
  if (so_far.ok()) return next;
  return Status(so_far.code(), Cat(so_far.message(), "; ", next.message()), so_far.sys_errno());
}

}  // namespace crisp
