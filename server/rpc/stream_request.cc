#include "server/rpc/stream_request.h"

namespace crisp::rpc {

Status CheckStreamArguments(const StreamArguments& arguments) {
  if (arguments.container_id.empty()) return InvalidArgument("container_id is empty");
  if (arguments.tty && arguments.stderr_wanted) {
    return InvalidArgument("tty and stderr: a terminal has one output, ask for stdout only");
  }
  if (!arguments.stdin_wanted && !arguments.stdout_wanted && !arguments.stderr_wanted) {
    return InvalidArgument("none of stdin, stdout and stderr is asked for");
  }
  return OkStatus();
}

Status CheckStreamingIsOn(const Backend& backend) {
  if (backend.streaming != nullptr) return OkStatus();
  return FailedPrecondition("streaming is off on this node: streaming.address is empty");
}

}  // namespace crisp::rpc
