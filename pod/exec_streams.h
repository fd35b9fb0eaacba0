// ExecStreams: a command that runs in a container, and the descriptors of its stdio.
//
// What:     what Exec gives to a streaming session. The command was started by one run of the OCI
//           runtime; there is no helper process.
// Contract: cri-contract section 11, streaming.md sections 6.4 and 6.5.
// Threads:  the descriptors are non-blocking and the session's own. OnExit may be called from any
//           thread, its callback comes on the pod room's loop and must not block.
// Record:   as ExecSync: <container state>/execs/<n>/, so that a new daemon ends what is left.
#ifndef CRISP_POD_EXEC_STREAMS_H_
#define CRISP_POD_EXEC_STREAMS_H_

#include <cstdint>
#include <functional>

#include "base/core/unique_fd.h"

namespace crisp::pod {

struct TerminalSize {  // 0: unknown
  uint16_t columns = 0;
  uint16_t rows = 0;
};

class ExecStreams {
 public:
  // A session that ends before the command: its stdin is closed, the command runs on (streaming.md
  // section 6.5) and is reaped. Outputs that are open here are read and dropped until their end, so
  // that neither the command nor a background child of it meets a broken pipe.
  virtual ~ExecStreams() = default;

  // Called once, when the first process of the command has ended: 0..255, 128 + signal. Soon, when
  // it has ended already. Not called after the object is gone; must not destroy the object.
  virtual void OnExit(std::function<void(int exit_code)> callback) = 0;

  UniqueFd stdin_fd;   // invalid unless asked for; closing it is EOF
  UniqueFd stdout_fd;  // invalid unless asked for
  UniqueFd stderr_fd;  // invalid unless asked for, or with a terminal
  UniqueFd terminal;   // with tty: the pty's master, in place of the three
};

}  // namespace crisp::pod

#endif  // CRISP_POD_EXEC_STREAMS_H_
