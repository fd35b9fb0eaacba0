// Lane: a bounded pool of threads for one kind of work.
//
// What:    jobs wait in order; threads are made on demand, `max_threads` jobs run at a time, and
//          threads leave after ten idle seconds, so that a quiet daemon has none.
// Stuck:   a job that has run for `stuck_after` no longer counts, up to eight times `max_threads`
//          threads in all: what hangs in a file system or a plugin does not keep others waiting.
// Contract: a job never waits for a container's process to end or for another job of its lane (that
//          is what continuations on the EpollLoop are for). Pulls do wait for pulls, in lanes that
//          have threads enough (image/README.md).
// Threads:  Submit from anywhere. The destructor runs what is queued and joins.
// Errors:  Submit fails with kResourceExhausted when `max_queued` jobs wait, and kUnavailable after
//          Shutdown.
#ifndef CRISP_BASE_LANE_H_
#define CRISP_BASE_LANE_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/telemetry.h"

namespace crisp {

class Lane {
 public:
  using Job = std::function<void()>;

  Lane(std::string name, size_t max_threads, size_t max_queued, Telemetry* telemetry,
       Duration stuck_after = Duration::max());
  ~Lane();

  Status Submit(Job job);
  // No new jobs; waits for those that were taken.
  void Shutdown();

 private:
  struct Worker {
    std::thread thread;
    std::optional<MonoTime> stuck_at;  // while it runs a job: when that no longer counts
    bool done = false;
  };
  void Work(Worker* self);
  // Waits for a job that may run now; false: time to leave.
  bool AwaitJob(std::unique_lock<std::mutex>* lock);
  Status StartWorkerLocked();
  size_t CountLocked(MonoTime now) const;  // jobs that run and count
  MonoTime NextStuckLocked(MonoTime now) const;
  void JoinDoneLocked();

  const std::string name_;
  const size_t max_threads_;
  const size_t max_queued_;
  const Duration stuck_after_;
  Histogram& wait_;

  struct Queued {
    Job job;
    MonoTime since;
  };
  std::mutex mutex_;  // guards what follows; never held while a job runs
  std::condition_variable changed_;
  std::deque<Queued> queue_;
  std::list<Worker> workers_;
  size_t idle_ = 0;
  bool shutdown_ = false;
};

}  // namespace crisp

#endif  // CRISP_BASE_LANE_H_
