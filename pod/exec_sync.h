// ExecSync: one command in a running container, its output collected (cri-contract section 11).
//
//   exec lane: runtime exec --detach ──> loop: pipes, pidfd, timer ──> exit seen
//   (one runtime process)                 │        pipes closed, or drain limit ──> done: result
//                                         └─ timeout or client gone ──> exec's tree killed ──> done
//
// What:     no monitor, no waiting thread: the process is this subreaper's child, its pipes are
//           read on the loop. Launch, record and kill are ExecProcess's.
// Limits:   stdout and stderr together stay below the client's 16 MiB message; the rest is dropped.
// Threads:  Run from anywhere; `done` is called once, on the loop or the exec lane.
#ifndef CRISP_POD_EXEC_SYNC_H_
#define CRISP_POD_EXEC_SYNC_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pod/environment.h"

namespace crisp::pod {

struct ExecResult {
  std::string stdout_data;
  std::string stderr_data;
  int exit_code = 0;
};

// `timeout`: from the process' start; zero: none (the token's deadline still counts).
void RunExecSync(Environment* env, const ContainerPtr& container, std::vector<std::string> command,
                 Duration timeout, const CancelToken& cancel,
                 std::function<void(Result<ExecResult>)> done);

}  // namespace crisp::pod

#endif  // CRISP_POD_EXEC_SYNC_H_
