// RuntimeCreate: one run of the OCI runtime's `create`.
//
// Contract: OCI runtime-spec "create" and the runc command line: <argv> --log FILE --log-format
// json
//           create --bundle B --pid-file P [--console-socket S] ID. The container's stdio is the
//           runtime's stdio. What the runtime itself writes there before it has ended is diagnosis,
//           never the container's output: the container's process does not run before `start`.
// Threads:  one.
// After a failure or Abort(): no child of this process is left, nor any file of create.
#ifndef CRISP_CONMON_RUNTIME_CREATE_H_
#define CRISP_CONMON_RUNTIME_CREATE_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/core/console_socket.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "conmon/options.h"

namespace crisp::conmon {

// The runtime's ends of the container's stdio; an empty one is /dev/null.
struct ChildStdio {
  UniqueFd in;
  UniqueFd out;
  UniqueFd err;
};

struct CreatedContainer {
  pid_t pid = 0;
  uint64_t start_time = 0;
  UniqueFd terminal;  // the pty master; empty without one
};

class RuntimeCreate {
 public:
  RuntimeCreate(const Options* options, int state_dir_fd)
      : options_(options), state_dir_fd_(state_dir_fd) {}
  RuntimeCreate(const RuntimeCreate&) = delete;
  RuntimeCreate& operator=(const RuntimeCreate&) = delete;
  ~RuntimeCreate() { RemoveFiles(); }

  Status Start(const ChildStdio& stdio);
  pid_t pid() const { return pid_; }
  // Reads what the runtime wrote to a pipe and keeps the end of it. False at its end.
  bool CollectDiagnosis(int fd);
  // The runtime ended with `wait_status`: the container, or why there is none.
  Result<CreatedContainer> Finish(int wait_status);
  // Kills the runtime and everything that it started, and waits for it (bounded).
  void Abort();

 private:
  std::string FailureText() const;
  void RemoveFiles() const;

  const Options* options_;
  int state_dir_fd_;
  std::unique_ptr<ConsoleSocket> console_;
  std::string diagnosis_;
  pid_t pid_ = -1;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_RUNTIME_CREATE_H_
