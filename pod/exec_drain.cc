#include "pod/exec_drain.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <memory>

namespace crisp::pod {
namespace {

constexpr int kReads = 16;  // a pipe's content
constexpr auto kRest = std::chrono::milliseconds(10);

class Drain : public std::enable_shared_from_this<Drain> {
 public:
  Drain(EpollLoop* loop, UniqueFd fd) : loop_(loop), fd_(std::move(fd)) {}

  void Wait() {
    auto watch = loop_->Watch(fd_.get(), EPOLLIN,
                              [self = shared_from_this()](uint32_t) { self->OnReadable(); });
    if (watch.ok()) watch_ = *watch;
  }

 private:
  void OnReadable() {
    const auto self = shared_from_this();
    loop_->Unwatch(std::exchange(watch_, 0));
    std::array<char, 65536> dropped;
    for (int i = 0; i < kReads; ++i) {
      const ssize_t n = ::read(fd_.get(), dropped.data(), dropped.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) break;
      if (n <= 0) return;  // EIO: the last process closed the terminal
    }
    loop_->RunAt(MonoNow() + kRest, [self] { self->Wait(); });
  }

  EpollLoop* const loop_;
  const UniqueFd fd_;
  EpollLoop::WatchId watch_ = 0;
};

}  // namespace

void DrainOutput(EpollLoop* loop, UniqueFd fd) {
  if (!fd) return;
  auto drain = std::make_shared<Drain>(loop, std::move(fd));
  loop->Post([drain] { drain->Wait(); });
}

}  // namespace crisp::pod
