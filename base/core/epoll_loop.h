// EpollLoop: one thread that waits for descriptors, timers and posted functions.
//
// Contract: callbacks run on the loop's thread, one at a time, and never block: what may block goes
//           to a lane. A watch may be removed from within any callback; its function is not called
//           after Unwatch() returned on the loop thread.
// Threads:  Post, RunAt, Cancel, Watch, Unwatch and Stop may be called from any thread.
// Units:    MonoTime.
// Errors:   Watch fails with the errno of epoll_ctl(2); then nothing is registered.
#ifndef CRISP_BASE_CORE_EPOLL_LOOP_H_
#define CRISP_BASE_CORE_EPOLL_LOOP_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

class EpollLoop {
 public:
  using Callback = std::function<void()>;
  using FdCallback = std::function<void(uint32_t events)>;
  using WatchId = uint64_t;
  using TimerId = uint64_t;

  static Result<std::unique_ptr<EpollLoop>> Create();
  ~EpollLoop();

  // Runs until Stop(); the calling thread becomes the loop thread.
  void Run();
  void Stop();
  bool InLoopThread() const;
  // After Run: lets go of every callback and of what those hold, while that may still use other
  // objects. The end of the loop does the same.
  void DropCallbacks();

  // Level-triggered unless EPOLLET is in `events`. The descriptor stays the caller's and must
  // stay open until Unwatch().
  Result<WatchId> Watch(int fd, uint32_t events, FdCallback callback);
  Status Modify(WatchId id, uint32_t events);
  void Unwatch(WatchId id);

  // Runs `callback` on the loop thread as soon as possible, in order of posting.
  void Post(Callback callback);
  TimerId RunAt(MonoTime when, Callback callback);
  // False when the timer has already run or is running.
  bool Cancel(TimerId id);

 private:
  EpollLoop(UniqueFd epoll, UniqueFd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
  struct WatchEntry {
    int fd = -1;
    std::shared_ptr<FdCallback> callback;
  };
  void Wake();
  int NextTimeoutMs();
  void RunPosted();
  void RunDueTimers();
  void Dispatch(uint64_t id, uint32_t events);

  UniqueFd epoll_;
  UniqueFd wake_;
  std::atomic<bool> stop_{false};
  std::atomic<std::thread::id> thread_{};

  std::mutex mutex_;  // guards what follows
  uint64_t next_id_ = 1;
  std::unordered_map<WatchId, WatchEntry> watches_;
  std::vector<Callback> posted_;
  std::map<std::pair<MonoTime, TimerId>, Callback> timers_;
  std::unordered_map<TimerId, MonoTime> timer_times_;
};

}  // namespace crisp

#endif  // CRISP_BASE_CORE_EPOLL_LOOP_H_
