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
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/core/child_process.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

class LaunchCgroup final : public SpawnPlace {
 public:
  // `dirs`: the group's directory on every hierarchy (CgroupDir::OpenDirs).
  static Result<std::unique_ptr<LaunchCgroup>> Open(std::vector<UniqueFd> dirs, bool v2);
  LaunchCgroup(const LaunchCgroup&) = delete;
  LaunchCgroup& operator=(const LaunchCgroup&) = delete;
  // Waits for starts under way; the group is free of this process afterwards.
  ~LaunchCgroup() override;

  Result<ChildProcess> Spawn(const SpawnOptions& options) override;

  // Pays the grace period in advance, for a program that is about to move processes between cgroups
  // (an OCI runtime's create): takes the lock by a move that changes nothing, after which the next
  // moves find it in its fast state for a grace period or more. Blocks for that time; nothing
  // depends on it, so errors are no one's business. v1 only: does nothing elsewhere.
  void WarmUpMoves();

 private:
  explicit LaunchCgroup(std::vector<UniqueFd> dirs) : dirs_(std::move(dirs)) {}
  Status StartThread();
  Status Enter() const;
  void Work();
  void RunOnThread(std::function<void()> job);

  const std::vector<UniqueFd> dirs_;
  std::thread thread_;  // v1 only
  pid_t thread_id_ = 0;
  std::atomic<bool> warming_{false};

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool ending_ = false;
};

}  // namespace crisp

#endif  // CRISP_BASE_CORE_LAUNCH_CGROUP_H_
