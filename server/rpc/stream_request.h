// What Exec, Attach and PortForward check before they hand out a URL.
#ifndef CRISP_SERVER_RPC_STREAM_REQUEST_H_
#define CRISP_SERVER_RPC_STREAM_REQUEST_H_

#include "server/rpc/backend.h"

namespace crisp::rpc {

// The arguments that Exec and Attach have in common (streaming.md section 2). kInvalidArgument.
struct StreamArguments {
  const std::string& container_id;
  bool stdin_wanted;
  bool stdout_wanted;
  bool stderr_wanted;
  bool tty;
};
Status CheckStreamArguments(const StreamArguments& arguments);

// kFailedPrecondition: streaming is off.
Status CheckStreamingIsOn(const Backend& backend);

}  // namespace crisp::rpc

#endif  // CRISP_SERVER_RPC_STREAM_REQUEST_H_
