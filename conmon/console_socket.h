// ConsoleSocket: where the OCI runtime sends the master side of the container's terminal.
//
// Contract: runc docs/terminals.md ("--console-socket"): the runtime connects to a SOCK_STREAM unix
//           socket and sends one message with the descriptor (SCM_RIGHTS).
// Threads:  one.
// The socket file is removed by the destructor.
#ifndef CRISP_CONMON_CONSOLE_SOCKET_H_
#define CRISP_CONMON_CONSOLE_SOCKET_H_

#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp::conmon {

class ConsoleSocket {
 public:
  ConsoleSocket() = default;
  ConsoleSocket(const ConsoleSocket&) = delete;
  ConsoleSocket& operator=(const ConsoleSocket&) = delete;
  ~ConsoleSocket();

  Status Listen(int state_dir_fd, const std::string& state_dir);
  // For --console-socket.
  const std::string& path() const { return path_; }
  // The pty master. Call it when the runtime has ended: all is in the socket by then.
  Result<UniqueFd> Receive(MonoTime deadline);

 private:
  int state_dir_fd_ = -1;
  std::string path_;
  UniqueFd listener_;
};

// A listening unix socket `name` in the directory, mode 0600; an old file of that name is replaced.
// The directory's path may be longer than sockaddr_un holds.
Result<UniqueFd> ListenUnix(int dir_fd, std::string_view name, int type);

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_CONSOLE_SOCKET_H_
