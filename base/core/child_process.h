// ChildProcess: the only place where crisp starts programs.
//
// Contract: a vfork, so cost does not grow with the daemon's memory (but for children that are born
//           in a v2 group: clone3); signal mask and dispositions are reset; the child gets exactly
//           the descriptors listed in `fds` (everything else is closed, closefrom included); it
//           runs under `deadline`.
// Threads:  Spawn may be called from any thread; one ChildProcess has one owner.
// Errors:   kFailedPrecondition with errno ENOENT for a missing program (kNotFound would say to a
//           client that its container or image is missing), kDeadlineExceeded when the deadline
//           killed it, kCancelled when the token did.
// After a failed Run the child is dead and reaped. A ChildProcess that is destroyed while running
// is killed and reaped unless Detach() was called.
#ifndef CRISP_BASE_CORE_CHILD_PROCESS_H_
#define CRISP_BASE_CORE_CHILD_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/core/cancel.h"
#include "base/core/clock.h"
#include "base/core/reaper.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

class SpawnPlace;

// Of a child's environment that is ours to the letter.
inline constexpr char kDefaultPath[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct SpawnOptions {
  std::vector<std::string> argv;  // argv[0]: absolute path, or looked up in PATH
  // NAME=VALUE; unset: this process's environment.
  std::optional<std::vector<std::string>> env;
  // (descriptor here, number in the child); 0, 1, 2 that are not listed are /dev/null.
  std::vector<std::pair<int, int>> fds;
  std::string working_directory;  // empty: as here
  // setsid. Ending such a child (KillAndReap, a deadline of Run) ends its whole process group.
  bool new_session = false;
  // Directories of cgroups: the child is moved into each right after the start. What it forked
  // before that stays where it was: give programs that start slowly. Each move may cost the
  // kernel's RCU grace period (milliseconds, see launch_cgroup.h).
  std::vector<int> cgroup_dirs;
  // v2: directory of the group in which the child is born; -1: this process's. Where the kernel
  // cannot do that, the child is moved.
  int cgroup_dir = -1;
  // Where the child begins its life instead of here (LaunchCgroup): never moved, and so cheap.
  SpawnPlace* place = nullptr;
  // proc_pid_oom_score_adj(5), from the child's first moment on; unset: SetChildOomScore's.
  std::optional<int> oom_score_adj;
  // Set in a process that runs a Reaper: statuses come from it instead of wait calls.
  Reaper* reaper = nullptr;
};

// The soft RLIMIT_NOFILE of every child from now on, at most the hard one; 0: as here. Of the whole
// process, as the limit itself is: for a program that raises its own, because programs with
// select(2) or a loop over all descriptors cannot live with a high one.
void SetChildDescriptorLimit(uint64_t soft);
// The oom_score_adj of every child from now on that is given none, where it can be had; unset: as
// here. For a program that is protected itself.
void SetChildOomScore(std::optional<int> score);

class ChildProcess {
 public:
  ChildProcess() = default;
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  static Result<ChildProcess> Spawn(const SpawnOptions& options);

  pid_t pid() const { return pid_; }
  // Readable when the child is dead. -1 after Detach().
  int pidfd() const { return pidfd_.get(); }
  // Waits until the child is dead, the deadline (or the token's own) passes (kDeadlineExceeded) or
  // the token is cancelled; in the two latter cases the child still runs.
  Result<ExitStatus> Wait(MonoTime deadline, const CancelToken& cancel = {});
  // The status when the child is dead; empty while it runs. Does not block.
  std::optional<ExitStatus> Poll();
  Status Signal(int signal);
  // SIGKILL (to its process group when it has a session of its own), then waits for the end.
  void KillAndReap();
  // Gives up ownership: the child runs on, and the Reaper (if any) collects it.
  void Detach();

 private:
  pid_t pid_ = -1;
  bool leads_group_ = false;
  MonoTime started_at_;
  UniqueFd pidfd_;
  Reaper* reaper_ = nullptr;
};

// Starts children somewhere else than in the cgroups of the caller. Must outlive its last Spawn.
class SpawnPlace {
 public:
  virtual ~SpawnPlace() = default;
  // As ChildProcess::Spawn, which calls it for options.place. Any thread.
  virtual Result<ChildProcess> Spawn(const SpawnOptions& options) = 0;
};

struct RunOptions : SpawnOptions {
  std::string stdin_data;
  MonoTime deadline = NoDeadline();
  CancelToken cancel;
  size_t stdout_limit_bytes = 16u << 20;  // more is an error (kResourceExhausted)
  size_t stderr_limit_bytes = 64u << 10;  // the rest is dropped
};
struct RunOutput {
  ExitStatus status;
  std::string stdout_data;
  std::string stderr_data;
};
// Spawns, feeds stdin, collects stdout and stderr and waits. A non-zero exit is not an error here.
// Descriptors 0, 1 and 2 must not be in options.fds. Returns when the child is dead, even if a
// grandchild still holds the pipes (what is readable by then is collected).
Result<RunOutput> Run(const RunOptions& options);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_CHILD_PROCESS_H_
