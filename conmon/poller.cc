#include "conmon/poller.h"

namespace crisp::conmon {

Status Poller::Open() {
  epoll_.Reset(::epoll_create1(EPOLL_CLOEXEC));
  return epoll_ ? OkStatus() : Errno("epoll_create1");
}

Status Poller::Add(int fd, uint32_t events, Handler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return Errno("epoll_ctl add");
  return OkStatus();
}

void Poller::Modify(int fd, uint32_t events, Handler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Poller::Remove(int fd, Handler* handler) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  for (int i = 0; i < count_; ++i) {
    if (events_[i].data.ptr == handler) events_[i].data.ptr = nullptr;
  }
}

int Poller::Wait(int timeout_ms) {
  const int n = ::epoll_wait(epoll_.get(), events_, kBatch, timeout_ms);
  if (n <= 0) return 0;
  count_ = n;
  for (int i = 0; i < n; ++i) {
    if (events_[i].data.ptr == nullptr) continue;
    static_cast<Handler*>(events_[i].data.ptr)->OnEvents(events_[i].events);
  }
  count_ = 0;
  return n;
}

}  // namespace crisp::conmon
