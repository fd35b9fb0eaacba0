// ConsoleSocket: where an OCI runtime sends the master side of a terminal that it has made.
//
// Contract: runc docs/terminals.md ("--console-socket"): the runtime connects to a SOCK_STREAM unix
//           socket and sends one message with the descriptor (SCM_RIGHTS).
// Threads:  one.
// The socket file is removed by the destructor.
#ifndef CRISP_BASE_CORE_CONSOLE_SOCKET_H_
#define CRISP_BASE_CORE_CONSOLE_SOCKET_H_

#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

class ConsoleSocket {
 public:
  ConsoleSocket() = default;
  ConsoleSocket(const ConsoleSocket&) = delete;
  ConsoleSocket& operator=(const ConsoleSocket&) = delete;
  ~ConsoleSocket();

  // In `dir`, of which `dir_fd` is a descriptor that stays open while this object lives.
  Status Listen(int dir_fd, const std::string& dir, std::string_view name);
  // For --console-socket.
  const std::string& path() const { return path_; }
  // The pty master. Call it when the runtime has ended: all is in the socket by then.
  Result<UniqueFd> Receive(MonoTime deadline);

 private:
  int dir_fd_ = -1;
  std::string name_;
  std::string path_;
  UniqueFd listener_;
};

// A listening unix socket `name` in the directory, mode 0600; an old file of that name is replaced.
// The directory's path may be longer than sockaddr_un holds. The process' umask is not touched.
Result<UniqueFd> ListenUnix(int dir_fd, std::string_view name, int type);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_CONSOLE_SOCKET_H_
