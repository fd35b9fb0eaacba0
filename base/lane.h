// Lane: a bounded pool of threads for one kind of work.
//
// What:    jobs wait in order; threads are made on demand up to `max_threads` and leave after ten
//          idle seconds, so that a quiet daemon has none.
// Contract: a job never waits for a container's process to end or for another job of its lane (that
//          is what continuations on the EpollLoop are for), so the lane always moves.
// Threads:  Submit from anywhere. The destructor runs what is queued and joins.
// Errors:   Submit fails with kResourceExhausted when `max_queued` jobs wait, and kUnavailable
// after
//           Shutdown.
#ifndef CRISP_BASE_LANE_H_
#define CRISP_BASE_LANE_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "base/core/result.h"
#include "base/telemetry.h"

namespace crisp {

class Lane {
 public:
  using Job = std::function<void()>;

  Lane(std::string name, size_t max_threads, size_t max_queued, Telemetry* telemetry);
  ~Lane();

  Status Submit(Job job);
  // No new jobs; waits for those that were taken.
  void Shutdown();

 private:
  struct Worker {
    std::thread thread;
    bool done = false;
  };
  void Work(Worker* self);
  void JoinDoneLocked();

  const std::string name_;
  const size_t max_threads_;
  const size_t max_queued_;
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
