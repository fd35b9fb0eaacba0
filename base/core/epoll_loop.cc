#include "base/core/epoll_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>

namespace crisp {
namespace {
constexpr uint64_t kWakeId = 0;
}

Result<std::unique_ptr<EpollLoop>> EpollLoop::Create() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Errno("epoll_create1");
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return Errno("eventfd");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeId;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) return Errno("epoll_ctl");
  return std::unique_ptr<EpollLoop>(new EpollLoop(std::move(epoll), std::move(wake)));
}

EpollLoop::~EpollLoop() { DropCallbacks(); }

// Outside the lock, and not within the containers: what a callback captured may call us.
void EpollLoop::DropCallbacks() {
  for (;;) {
    std::unordered_map<WatchId, WatchEntry> watches;
    std::vector<Callback> posted;
    std::map<std::pair<MonoTime, TimerId>, Callback> timers;
    std::lock_guard lock(mutex_);
    watches.swap(watches_);
    posted.swap(posted_);
    timers.swap(timers_);
    timer_times_.clear();
    if (watches.empty() && posted.empty() && timers.empty()) return;
  }
}

bool EpollLoop::InLoopThread() const { return thread_.load() == std::this_thread::get_id(); }

void EpollLoop::Stop() {
  stop_.store(true);
  Wake();
}

void EpollLoop::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof(one));
}

Result<EpollLoop::WatchId> EpollLoop::Watch(int fd, uint32_t events, FdCallback callback) {
  std::lock_guard lock(mutex_);
  const WatchId id = next_id_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return Errno("epoll_ctl add");
  watches_[id] = WatchEntry{fd, std::make_shared<FdCallback>(std::move(callback))};
  return id;
}

Status EpollLoop::Modify(WatchId id, uint32_t events) {
  std::lock_guard lock(mutex_);
  const auto it = watches_.find(id);
  if (it == watches_.end()) return NotFound("watch ", id);
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, it->second.fd, &event) != 0) {
    return Errno("epoll_ctl modify");
  }
  return OkStatus();
}

void EpollLoop::Unwatch(WatchId id) {
  WatchEntry removed;  // destroyed after the lock: what the callback captured may call us
  std::lock_guard lock(mutex_);
  const auto it = watches_.find(id);
  if (it == watches_.end()) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, it->second.fd, nullptr);
  removed = std::move(it->second);
  watches_.erase(it);
}

void EpollLoop::Post(Callback callback) {
  {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(callback));
  }
  Wake();
}

EpollLoop::TimerId EpollLoop::RunAt(MonoTime when, Callback callback) {
  TimerId id;
  bool earliest;
  {
    std::lock_guard lock(mutex_);
    id = next_id_++;
    const auto it = timers_.emplace(std::pair(when, id), std::move(callback)).first;
    timer_times_[id] = when;
    earliest = it == timers_.begin();
  }
  if (earliest && !InLoopThread()) Wake();
  return id;
}

bool EpollLoop::Cancel(TimerId id) {
  Callback removed;  // as in Unwatch
  std::lock_guard lock(mutex_);
  const auto it = timer_times_.find(id);
  if (it == timer_times_.end()) return false;
  removed = std::move(timers_.extract({it->second, id}).mapped());
  timer_times_.erase(it);
  return true;
}

int EpollLoop::NextTimeoutMs() {
  std::lock_guard lock(mutex_);
  if (!posted_.empty()) return 0;
  return timers_.empty() ? -1 : PollTimeoutMs(timers_.begin()->first.first);
}

void EpollLoop::RunPosted() {
  std::vector<Callback> batch;
  {
    std::lock_guard lock(mutex_);
    batch.swap(posted_);
  }
  for (Callback& callback : batch) callback();
}

void EpollLoop::RunDueTimers() {
  const MonoTime now = MonoNow();
  for (;;) {
    Callback callback;
    {
      std::lock_guard lock(mutex_);
      if (timers_.empty() || timers_.begin()->first.first > now) return;
      auto node = timers_.extract(timers_.begin());
      timer_times_.erase(node.key().second);
      callback = std::move(node.mapped());
    }
    callback();
  }
}

void EpollLoop::Dispatch(uint64_t id, uint32_t events) {
  if (id == kWakeId) {
    uint64_t count;
    [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &count, sizeof(count));
    return;
  }
  std::shared_ptr<FdCallback> callback;
  {
    std::lock_guard lock(mutex_);
    const auto it = watches_.find(id);
    if (it == watches_.end()) return;  // removed by an earlier callback of this round
    callback = it->second.callback;
  }
  (*callback)(events);
}

void EpollLoop::Run() {
  thread_.store(std::this_thread::get_id());
  std::array<epoll_event, 64> events;
  while (!stop_.load()) {
    const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), NextTimeoutMs());
    for (int i = 0; i < n; ++i) Dispatch(events[i].data.u64, events[i].events);
    RunDueTimers();
    RunPosted();
  }
  thread_.store(std::thread::id{});
}

}  // namespace crisp
