// From crisp's Status to what goes over the wire, without gRPC's headers.
//
// Contract: codes have the same numbers (grpc/doc/statuscodes.md). The message becomes valid UTF-8
//           and short enough: it travels percent-encoded in a trailer, and C++ clients accept 8 KiB
//           of metadata.
#ifndef CRISP_SERVER_RPC_WIRE_STATUS_H_
#define CRISP_SERVER_RPC_WIRE_STATUS_H_

#include <string>

#include "base/core/result.h"

namespace crisp::rpc {

struct WireStatus {
  int code = 0;
  std::string message;
};

WireStatus ToWire(const Status& status);

}  // namespace crisp::rpc

#endif  // CRISP_SERVER_RPC_WIRE_STATUS_H_
