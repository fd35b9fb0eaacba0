// Poller: the monitor's one epoll descriptor.
//
// What:    base/core's EpollLoop without what a program of one thread and a quarter megabyte does
//          not need (locks, timers, posted functions).
// Threads: one.
// Contract: after Remove() a handler is not called for events that were already collected.
#ifndef CRISP_CONMON_POLLER_H_
#define CRISP_CONMON_POLLER_H_

#include <sys/epoll.h>

#include <cstdint>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp::conmon {

class Poller {
 public:
  class Handler {
   public:
    virtual void OnEvents(uint32_t events) = 0;

   protected:
    ~Handler() = default;
  };

  Status Open();
  Status Add(int fd, uint32_t events, Handler* handler);
  void Modify(int fd, uint32_t events, Handler* handler);
  void Remove(int fd, Handler* handler);
  // Waits up to `timeout_ms` (-1: for ever) and calls the handlers. The number of events.
  int Wait(int timeout_ms);

 private:
  static constexpr int kBatch = 16;
  UniqueFd epoll_;
  epoll_event events_[kBatch] = {};
  int count_ = 0;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_POLLER_H_
