// AttachConnection: one client's connection to the stdio of a running container.
//
// What:     a connection to the container's monitor that has sent kAttach. Output arrives from the
//           moment of attaching; input of all clients goes to the container's stdin.
// Contract: conmon/protocol.h (kAttach), streaming.md section 6.6.
// Threads:  one at a time, any. Nothing here blocks but Open.
// Memory:   Receive gives a view into a buffer of this object.
// After a failure the connection is useless and is to be destroyed; the container runs on.
#ifndef CRISP_OCI_ATTACH_CONNECTION_H_
#define CRISP_OCI_ATTACH_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp::oci {

class AttachConnection {
 public:
  struct Streams {
    bool stdin_open = false;
    bool stdout_open = false;
    bool stderr_open = false;
  };
  enum class Event { kNothing, kStdout, kStderr, kExit };
  struct Received {
    Event event = Event::kNothing;  // kNothing: wait until fd() is readable
    std::string_view data;          // valid until the next Receive
  };

  // Connects to state_dir/monitor.sock and attaches. kNotFound: the monitor is gone.
  // kDeadlineExceeded: it does not answer, or has not taken a connection for long.
  static Result<std::unique_ptr<AttachConnection>> Open(const std::string& state_dir,
                                                        Streams streams, MonoTime deadline);

  // Over a socket on which the monitor has taken the attach.
  explicit AttachConnection(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  // kDataLoss: what the monitor sent is no message. kUnavailable: it dropped this client (too slow)
  // or died. Reads a few messages at most, so that a flood of them does not hold the caller.
  Result<Received> Receive();
  // How much of `data` was taken; 0: wait until fd() is writable.
  Result<size_t> SendStdin(std::string_view data);
  // This client's input has ended; what that means to the container's stdin is the monitor's.
  // False: wait until fd() is writable and say it again. Likewise Resize.
  Result<bool> EndStdin();
  Result<bool> Resize(uint16_t columns, uint16_t rows);

 private:
  UniqueFd fd_;
  std::string buffer_;
};

}  // namespace crisp::oci

#endif  // CRISP_OCI_ATTACH_CONNECTION_H_
