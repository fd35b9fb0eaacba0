#include "server/streaming/session_input.h"

#include <unistd.h>

#include <utility>

namespace crisp::streaming {

Result<size_t> WriteSome(int fd, std::string_view data) {
  for (;;) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n >= 0) return static_cast<size_t>(n);
    if (errno == EAGAIN) return size_t{0};
    if (errno != EINTR) return Errno("write");
  }
}

void InputQueue::Open(InputSink* sink, SocketWatch* watch) {
  sink_ = sink;
  watch_ = watch;
  Write();
}

size_t InputQueue::Add(std::string_view data) {
  if (discarding_ || ended_ || channels_ == nullptr) return data.size();
  size_t written = 0;
  // The way of most input: nothing is kept, and the sink takes it.
  if (sink_ != nullptr && kept() == 0 && !waiting_) {
    const auto taken = sink_->WriteInput(data);
    if (!taken.ok()) {
      Discard();
      return data.size();
    }
    written = *taken;
    if (written == data.size()) return written;
  }
  const std::string_view rest = data.substr(written, limit_bytes_ - kept());
  queue_.append(rest);
  if (sink_ != nullptr) WaitWritable();
  if (kept() >= limit_bytes_ && !std::exchange(paused_, true)) channels_->PauseInput();
  return written + rest.size();
}

void InputQueue::End() {
  if (std::exchange(ended_, true)) return;
  if (!waiting_) Write();
}

void InputQueue::Write() {
  if (discarding_ || sink_ == nullptr || channels_ == nullptr) return;
  while (kept() > 0) {
    const auto taken = sink_->WriteInput(std::string_view(queue_).substr(written_));
    if (!taken.ok()) return Discard();
    if (*taken == 0) break;
    written_ += *taken;
  }
  if (kept() == 0) {
    std::string().swap(queue_);
    written_ = 0;
  } else if (written_ >= limit_bytes_) {
    queue_.erase(0, written_);
    written_ = 0;
  }
  if (kept() < limit_bytes_ / 2 && std::exchange(paused_, false)) channels_->ResumeInput();
  if (kept() > 0) return WaitWritable();
  if (ended_ && !end_told_) {
    end_told_ = sink_->EndInput();
    if (!end_told_) WaitWritable();
  }
}

void InputQueue::WaitWritable() {
  if (std::exchange(waiting_, true)) return;
  watch_->AwaitWrite([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->waiting_ = false;
    self->Write();
  });
}

void InputQueue::Discard() {
  discarding_ = true;
  std::string().swap(queue_);
  written_ = 0;
  if (channels_ != nullptr && std::exchange(paused_, false)) channels_->ResumeInput();
}

void InputQueue::Stop() {
  Discard();
  channels_ = nullptr;
}

}  // namespace crisp::streaming
