// ExecSync: one command in a running container, its output collected (cri-contract section 11).
//
//   exec lane: runtime exec --detach ──> loop: pipes, pidfd, timer ──> exit seen
//   (one runtime process)                 │        pipes closed, or drain limit ──> done: result
//                                         └─ timeout or client gone ──> exec's tree killed ──> done
//
// What:     no monitor, no waiting thread: the process is this subreaper's child, its pipes are
//           read on the loop. Launch, record and kill are ExecProcess's.
// Limits:   stdout and stderr together stay below the client's 16 MiB message, and all commands
//           while they run below 64 MiB (each has its first 64 KiB); the rest is dropped. An answer
//           that is being sent is not counted any more.
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

// What the outputs of all commands hold together. Loop thread; outlives them.
struct ExecOutputs {
  size_t bytes = 0;
};

// `timeout`: from the process' start; zero: none (the token's deadline still counts).
void RunExecSync(Environment* env, ExecOutputs* outputs, const ContainerPtr& container,
                 std::vector<std::string> command, Duration timeout, const CancelToken& cancel,
                 std::function<void(Result<ExecResult>)> done);

}  // namespace crisp::pod

#endif  // CRISP_POD_EXEC_SYNC_H_
