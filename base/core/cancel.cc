#include "base/core/cancel.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace crisp {

bool CancelToken::cancelled() const { return state_ && state_->cancelled.load(); }

MonoTime CancelToken::deadline() const { return state_ ? state_->deadline : NoDeadline(); }

int CancelToken::fd() const { return state_ ? state_->event.get() : -1; }

Status CancelToken::Check() const {
  if (!state_) return OkStatus();
  if (state_->deadline <= MonoNow()) return DeadlineExceeded("the client's deadline has passed");
  if (state_->cancelled.load()) return Cancelled("the client cancelled the call");
  return OkStatus();
}

CancelSource::CancelSource(MonoTime deadline) {
  token_.state_ = std::make_shared<CancelToken::State>();
  token_.state_->deadline = deadline;
  // Without an eventfd (EMFILE) waits notice cancellation at their deadline only.
  token_.state_->event = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void CancelSource::Cancel() {
  if (token_.state_->cancelled.exchange(true)) return;
  const uint64_t one = 1;
  if (token_.state_->event) {
    [[maybe_unused]] const ssize_t n = ::write(token_.state_->event.get(), &one, sizeof(one));
  }
}

}  // namespace crisp
