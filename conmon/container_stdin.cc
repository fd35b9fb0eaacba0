#include "conmon/container_stdin.h"

#include <unistd.h>

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
  pending_.assign(TryWrite(data));
  if (blocked()) return Wait();
  if (closing_) fd_.Reset();
}

// Watched only while something is pending: a pipe without readers would wake us for ever.
void ContainerStdin::Wait() {
  if (!poller_->Add(fd_.get(), EPOLLOUT, this).ok()) {
    std::string().swap(pending_);
    fd_.Reset();
  }
}

void ContainerStdin::Close() {
  closing_ = true;
  if (!blocked()) fd_.Reset();
}

void ContainerStdin::Restore(std::string pending, bool closing) {
  pending_ = std::move(pending);
  closing_ = closing;
  if (blocked()) Wait();
}

void ContainerStdin::OnEvents(uint32_t) {
  pending_ = std::string(TryWrite(pending_));
  if (blocked()) return;
  poller_->Remove(fd_.get(), this);
  if (closing_) fd_.Reset();
  owner_->OnStdinDrained();
}

}  // namespace crisp::conmon
