#include "server/rpc/stream_request.h"

namespace crisp::rpc {

Status CheckStreamingIsOn(const Backend& backend) {
  if (backend.streaming != nullptr) return OkStatus();
  return FailedPrecondition("streaming is off on this node: streaming.address is empty");
}

}  // namespace crisp::rpc
