#include "server/streaming/session_output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace crisp::streaming {
namespace {
// What a terminal may hold beyond what FIONREAD tells of it.
constexpr int64_t kTerminalBuffer_bytes = 64 << 10;
}  // namespace

OutputPump::OutputPump(Io* io, int fd, SocketWatch* watch, Channels* channels, Channel channel,
                       std::function<void()> on_end)
    : io_(io),
      fd_(fd),
      watch_(watch),
      channels_(channels),
      channel_(channel),
      on_end_(std::move(on_end)),
      timer_(io) {}

void OutputPump::Start() { Wait(); }

void OutputPump::Wait() {
  state_ = State::kWaiting;
  if (draining_) {
    timer_.Start(kQuiet, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->state_ == State::kWaiting) self->End();
    });
  }
  watch_->AwaitRead([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->state_ == State::kWaiting) self->Read();
  });
}

// Readiness says nothing here: a terminal without its other side is ready all the time.
void OutputPump::ReadAgain() {
  state_ = State::kWaiting;
  timer_.Start(again_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->state_ == State::kWaiting) self->Read();
  });
  again_ = std::min(2 * again_, kAgainLimit);
}

bool OutputPump::Drained() const {
  return draining_ && drain_bytes_ <= 0 && MonoNow() >= drain_limit_;
}

void OutputPump::Read() {
  state_ = State::kReading;
  if (draining_) timer_.Cancel();
  if (Drained()) return End();
  const size_t size = std::min(channels_->SendLimit(), kBlock_bytes);
  Block block = TakeBlock(io_, size);
  ssize_t n;
  do {
    n = ::read(fd_, block.get(), size);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return Wait();
  if (n < 0 && errno == EIO && !draining_) return ReadAgain();  // nobody holds the terminal
  if (n <= 0) return End();
  again_ = kAgain;
  drain_bytes_ -= n;
  state_ = State::kSending;
  const std::string_view data(block.get(), static_cast<size_t>(n));
  channels_->Send(channel_, data,
                  [weak = weak_from_this(), block = std::move(block)](const Status& status) {
                    if (const auto self = weak.lock()) self->OnSent(status);
                  });
}

void OutputPump::OnSent(const Status& status) {
  if (state_ != State::kSending) return;
  // The client is gone; the session hears of that, too.
  if (!status.ok()) return Stop();
  Read();
}

void OutputPump::Drain() {
  if (draining_ || state_ == State::kEnded || state_ == State::kStopped) return;
  int pending = 0;
  if (::ioctl(fd_, FIONREAD, &pending) != 0) pending = 0;
  draining_ = true;
  drain_bytes_ = pending;
  if (::isatty(fd_) == 1) drain_bytes_ = std::max(drain_bytes_, kTerminalBuffer_bytes);
  drain_limit_ = MonoNow() + kLimit;
  // Most often the end is in the pipe already.
  if (state_ == State::kWaiting) Read();
}

void OutputPump::End() {
  state_ = State::kEnded;
  timer_.Cancel();
  if (const auto call = std::exchange(on_end_, nullptr)) call();
}

}  // namespace crisp::streaming
