#include "base/lane.h"

#include <pthread.h>

#include <system_error>

#include "base/log.h"

namespace crisp {
namespace {
constexpr auto kIdle = std::chrono::seconds(10);
}

Lane::Lane(std::string name, size_t max_threads, size_t max_queued, Telemetry* telemetry)
    : name_(std::move(name)),
      max_threads_(max_threads),
      max_queued_(max_queued),
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
  if (idle_ < queue_.size() && workers_.size() < max_threads_) {
    Worker& worker = workers_.emplace_back();
    try {
      worker.thread = std::thread([this, &worker] { Work(&worker); });
    } catch (const std::system_error& error) {
      workers_.pop_back();
      if (workers_.empty()) {
        queue_.pop_back();
        return ResourceExhausted("lane ", name_, ": start thread: ", error.what());
      }
    }
  }
  changed_.notify_one();
  return OkStatus();
}

void Lane::Work(Worker* self) {
  ::pthread_setname_np(::pthread_self(), Cat("lane-", name_).substr(0, 15).c_str());
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    const bool woken =
        changed_.wait_for(lock, kIdle, [this] { return shutdown_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty() && (shutdown_ || !woken)) break;
    if (queue_.empty()) continue;
    Queued next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    wait_.Observe(MonoNow() - next.since);
    next.job();
    next.job = nullptr;  // what it captured ends here, not under the lock
    lock.lock();
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
