// ExecProcess: one command started in a running container, whoever wants its output.
//
// What:     the run of the OCI runtime (exec --detach, with a console socket for a terminal), the
//           record on disk, the sub-cgroup, the exit. ExecSync and streamed execs stand on it.
// Record:   <container state>/execs/<n>/ holds process.json and pid while it runs, so that a new
//           daemon ends what its predecessor left (KillLeftExecs).
// Threads:  Launch, Kill and RemoveRecord block for milliseconds and belong on the exec lane; the
//           exit is watched and taken on the loop. One at a time.
// After a failed Launch nothing runs and no record is left.
#ifndef CRISP_POD_EXEC_PROCESS_H_
#define CRISP_POD_EXEC_PROCESS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pod/environment.h"
#include "pod/exec_tree.h"

namespace crisp::pod {

struct ExecPlan {
  std::vector<std::string> command;
  // What is not asked for is /dev/null. With a terminal the three have no meaning.
  bool stdin_open = false;
  bool stdout_open = false;
  bool stderr_open = false;
  bool terminal = false;
  TerminalSize size;
  CancelToken cancel;  // ends the runtime's run, and with it what it has started
  Duration start_limit = Duration::max();  // of the runtime's run, within its own deadline
};

class ExecProcess {
 public:
  static Result<std::unique_ptr<ExecProcess>> Launch(Environment* env, ContainerPtr container,
                                                     const ExecPlan& plan);

  const ContainerPtr& container() const { return container_; }

  // Our ends, non-blocking; to be taken.
  UniqueFd stdin_fd;
  UniqueFd stdout_fd;
  UniqueFd stderr_fd;
  UniqueFd terminal;

  // Calls once, on the loop, when the first process has ended: 0..255, 128 + signal. At once when
  // it has ended already. On the loop.
  void WatchExit(std::function<void(int exit_code)> on_exit);
  void StopWatching();

  // Kills the whole tree and collects the first process. kDeadlineExceeded: what sleeps
  // uninterruptibly is still there after `patience`, and dies when it wakes.
  Status Kill(Duration patience);
  // The directory, and the sub-cgroup unless a background child lives in it; also those of earlier
  // execs that are empty by now.
  void RemoveRecord();

 private:
  ExecProcess(Environment* env, ContainerPtr container);
  std::string Directory() const;
  Status WriteProcess(const ExecPlan& plan, oci::ExecRequest* request) const;
  Status MakeSubCgroup(oci::ExecRequest* request);
  Status Run(const ExecPlan& plan);
  void KillHalfStarted();
  void DropRemadeCgroup() const;
  void OnExit(const std::function<void(int exit_code)>& on_exit);

  Environment* const env_;
  const ContainerPtr container_;
  const std::string name_;
  ExecTree tree_;
  MonoTime started_at_;
  UniqueFd pidfd_;
  EpollLoop::WatchId exit_watch_ = 0;
};

// Recovery: kills the execs that are on record for this container and removes the records. Waits
// for the end of each for a second, and for none beyond `until`.
void KillLeftExecs(const Environment& env, const Container& container, MonoTime until);

}  // namespace crisp::pod

#endif  // CRISP_POD_EXEC_PROCESS_H_
