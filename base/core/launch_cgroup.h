// LaunchCgroup: a cgroup in which programs are started, instead of being moved to it afterwards.
//
// What:    moving a process to another cgroup takes the kernel's cgroup_threadgroup_rwsem for
//          writing, which waits for an RCU grace period: 5 to 20 ms for each program, more than
//          many of them run. A child that is born in its group costs nothing, and has no moment in
//          which what it forks stays outside.
//          v1: a thread of this process lives in the group (on v1 each thread has groups of its
//          own) and starts the programs; children inherit the groups of the thread that forks.
//          v2: threads cannot; clone3(2) puts the child there (fork_into_cgroup.h).
// Contract: Linux admin-guide/cgroup-v1/cgroups.rst 2.2 ("tasks").
// Stuck:    a program on a file system that hangs is never started, and whoever starts it waits, as
//           everywhere. On v1 the others do not: after `stuck_after` another thread goes into the
//           group for them, up to 16 in all.
// Threads:  Spawn from any thread; the starts in one v1 group follow each other (about 1 ms each).
// Errors:   Open: what the kernel says about "tasks". Spawn: as ChildProcess::Spawn.
// While it is open on v1, this process is listed in the group's cgroup.procs and the group cannot
// be removed: destroy it first, and never KillAll() its group meanwhile.
#ifndef CRISP_BASE_CORE_LAUNCH_CGROUP_H_
#define CRISP_BASE_CORE_LAUNCH_CGROUP_H_

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/core/child_process.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

class LaunchCgroup final : public SpawnPlace {
 public:
  // `dirs`: the group's directory on every hierarchy (CgroupDir::OpenDirs).
  static Result<std::unique_ptr<LaunchCgroup>> Open(std::vector<UniqueFd> dirs, bool v2,
                                                    Duration stuck_after = std::chrono::seconds(5));
  LaunchCgroup(const LaunchCgroup&) = delete;
  LaunchCgroup& operator=(const LaunchCgroup&) = delete;
  // Waits for starts under way; the group is free of this process afterwards.
  ~LaunchCgroup() override;

  Result<ChildProcess> Spawn(const SpawnOptions& options) override;

  // Pays the grace period in advance, for a program that is about to move processes between cgroups
  // (an OCI runtime's create): takes the lock by moves that change nothing, after which the next
  // ones find it in its fast state for two grace periods, and calls in that time make it longer.
  // Blocks for one, or not at all in that time; nothing depends on it, so errors are no one's
  // business. v1 only: does nothing elsewhere.
  void WarmUpMoves();

 private:
  struct Job {
    const std::function<void()>& work;
    bool done = false;
  };
  struct Worker {
    std::thread thread;
    std::optional<Status> entered;       // how it came into the group; empty: not yet
    std::optional<MonoTime> busy_since;  // while it runs a job
    bool left = false;
  };

  LaunchCgroup(std::vector<UniqueFd> dirs, bool v2, Duration stuck_after)
      : dirs_(std::move(dirs)), threaded_(!v2), stuck_after_(stuck_after) {}
  Status Enter() const;
  void Work(Worker* self);
  // Returns when it is in the group; the lock is free meanwhile.
  Status StartWorker(std::unique_lock<std::mutex>* lock);
  void ReplaceIfStuck(std::unique_lock<std::mutex>* lock);
  void RunOnThread(const std::function<void()>& work);

  const std::vector<UniqueFd> dirs_;
  const bool threaded_;  // v1
  const Duration stuck_after_;
  std::atomic<pid_t> thread_id_{0};  // of the newest worker
  std::atomic<bool> warming_{false};

  std::mutex mutex_;  // guards what follows; never held while a job runs
  std::condition_variable changed_;
  std::deque<Job*> jobs_;
  std::list<Worker> workers_;  // the last takes the jobs; those before it are stuck, or have left
  bool ending_ = false;
};

}  // namespace crisp

#endif  // CRISP_BASE_CORE_LAUNCH_CGROUP_H_
