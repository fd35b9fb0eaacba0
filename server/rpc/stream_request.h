// What Exec, Attach and PortForward need before they hand out a URL; pod checks the rest.
#ifndef CRISP_SERVER_RPC_STREAM_REQUEST_H_
#define CRISP_SERVER_RPC_STREAM_REQUEST_H_

#include "server/rpc/backend.h"

namespace crisp::rpc {

// kFailedPrecondition: streaming is off.
Status CheckStreamingIsOn(const Backend& backend);

}  // namespace crisp::rpc

#endif  // CRISP_SERVER_RPC_STREAM_REQUEST_H_
