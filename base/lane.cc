#include "base/lane.h"

#include <pthread.h>

#include <algorithm>
#include <system_error>

#include "base/log.h"

namespace crisp {
namespace {
constexpr auto kIdle = std::chrono::seconds(10);
constexpr size_t kStuckFactor = 8;
}  // namespace

Lane::Lane(std::string name, size_t max_threads, size_t max_queued, Telemetry* telemetry,
           Duration stuck_after)
    : name_(std::move(name)),
      max_threads_(max_threads),
      max_queued_(max_queued),
      stuck_after_(stuck_after),
      wait_(telemetry->GetHistogram("crisp_lane_wait_seconds", "Time that jobs waited for a thread",
                                    {{"lane", name_}})) {}

Lane::~Lane() { Shutdown(); }

Status Lane::Submit(Job job) {
  std::lock_guard lock(mutex_);
  if (shutdown_) return Unavailable("lane ", name_, ": the daemon is stopping");
  if (queue_.size() >= max_queued_) {
    return ResourceExhausted("lane ", name_, ": ", queue_.size(), " calls are waiting already");
  }
  JoinDoneLocked();
  queue_.push_back({std::move(job), MonoNow()});
  Status started = StartWorkerLocked();
  if (!started.ok() && workers_.empty()) {
    queue_.pop_back();
    return started;
  }
  changed_.notify_one();
  return OkStatus();
}

size_t Lane::CountLocked(MonoTime now) const {
  return static_cast<size_t>(
      std::count_if(workers_.begin(), workers_.end(),
                    [now](const Worker& worker) { return worker.stuck_at > now; }));
}

MonoTime Lane::NextStuckLocked(MonoTime now) const {
  MonoTime next = MonoTime::max();
  for (const Worker& worker : workers_) {
    if (worker.stuck_at > now) next = std::min(next, *worker.stuck_at);
  }
  return next;
}

// As many as may run, and where jobs can get stuck one more: it waits for that.
Status Lane::StartWorkerLocked() {
  if (idle_ >= queue_.size()) return OkStatus();
  size_t limit = max_threads_;
  if (stuck_after_ != Duration::max()) {
    const auto running = static_cast<size_t>(
        std::count_if(workers_.begin(), workers_.end(),
                      [](const Worker& worker) { return worker.stuck_at.has_value(); }));
    limit += running - CountLocked(MonoNow()) + 1;
    limit = std::min(limit, max_threads_ * kStuckFactor);
  }
  if (workers_.size() >= limit) return OkStatus();
  Worker& worker = workers_.emplace_back();
  try {
    worker.thread = std::thread([this, &worker] { Work(&worker); });
  } catch (const std::system_error& error) {
    workers_.pop_back();
    return ResourceExhausted("lane ", name_, ": start thread: ", error.what());
  }
  return OkStatus();
}

bool Lane::AwaitJob(std::unique_lock<std::mutex>* lock) {
  const MonoTime leave = MonoNow() + kIdle;
  for (;;) {
    const MonoTime now = MonoNow();
    if (queue_.empty()) {
      if (shutdown_ || now >= leave) return false;
      changed_.wait_until(*lock, leave);
    } else if (CountLocked(now) < max_threads_) {
      return true;
    } else {
      changed_.wait_until(*lock, NextStuckLocked(now));
    }
  }
}

void Lane::Work(Worker* self) {
  ::pthread_setname_np(::pthread_self(), Cat("lane-", name_).substr(0, 15).c_str());
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    const bool more = AwaitJob(&lock);
    --idle_;
    if (!more) break;
    Queued next = std::move(queue_.front());
    queue_.pop_front();
    const MonoTime now = MonoNow();
    self->stuck_at = stuck_after_ == Duration::max() ? MonoTime::max() : now + stuck_after_;
    if (!queue_.empty()) (void)StartWorkerLocked();  // without it the next waits for one of us
    lock.unlock();
    wait_.Observe(now - next.since);
    next.job();
    next.job = nullptr;  // what it captured ends here, not under the lock
    lock.lock();
    self->stuck_at.reset();
  }
  self->done = true;
  changed_.notify_all();
}

void Lane::JoinDoneLocked() {
  for (auto it = workers_.begin(); it != workers_.end();) {
    if (!it->done) {
      ++it;
      continue;
    }
    it->thread.join();  // it set `done` as its last act under the mutex: this does not wait
    it = workers_.erase(it);
  }
}

void Lane::Shutdown() {
  std::unique_lock lock(mutex_);
  shutdown_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] {
    for (const Worker& worker : workers_) {
      if (!worker.done) return false;
    }
    return true;
  });
  JoinDoneLocked();
}

}  // namespace crisp
