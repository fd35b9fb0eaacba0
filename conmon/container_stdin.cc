#include "conmon/container_stdin.h"

#include <unistd.h>

#include <utility>

namespace crisp::conmon {

std::string_view ContainerStdin::TryWrite(std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd_.get(), data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return data;
    if (n < 0) {  // EPIPE: nobody in the container can read it any more
      closing_ = true;
      return {};
    }
    data.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

void ContainerStdin::Write(std::string_view data) {
  if (!open()) return;
  if (blocked()) {
    pending_ += data;
    return;
  }
  pending_.assign(TryWrite(data));
  if (blocked()) return Watch();
  if (closing_) fd_.Reset();
}

void ContainerStdin::Watch() {
  if (!blocked() || watched_) return;
  watched_ = poller_->Add(fd_.get(), EPOLLOUT, this).ok();
  if (watched_) return;
  std::string().swap(pending_);
  fd_.Reset();
  owner_->OnStdinDrained();
}

void ContainerStdin::Unwatch() {
  if (std::exchange(watched_, false)) poller_->Remove(fd_.get(), this);
}

void ContainerStdin::Close() {
  closing_ = true;
  if (!blocked()) fd_.Reset();
}

void ContainerStdin::Restore(std::string pending, bool closing) {
  pending_ = std::move(pending);
  closing_ = closing;
  Watch();
}

void ContainerStdin::OnEvents(uint32_t events) {
  pending_ = std::string(TryWrite(pending_));
  if (blocked() && (events & EPOLLHUP) == 0) return;
  Unwatch();
  // The master of a terminal that nobody holds hangs up all the time.
  if (blocked()) return owner_->OnStdinDeserted();
  if (closing_) fd_.Reset();
  owner_->OnStdinDrained();
}

}  // namespace crisp::conmon
