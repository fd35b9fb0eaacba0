// ForwardStream: what a client says of a stream that it opens for port-forward.
//
// Contract: streaming.md section 7: headers "streamtype" (error or data), "port" and "requestid",
//           which the two streams of one connection share. Ancient clients send no request id:
//           their data stream follows the error stream.
// Threads:  a free function.
#ifndef CRISP_SERVER_STREAMING_FORWARD_STREAM_H_
#define CRISP_SERVER_STREAMING_FORWARD_STREAM_H_

#include <cstdint>
#include <optional>
#include <string>

#include "server/spdy/headers.h"
#include "server/spdy/protocol.h"

namespace crisp::streaming {

struct ForwardStream {
  bool is_error = false;  // else data
  uint16_t port = 0;      // 1 to 65535
  std::string request;    // the client's id, or the error stream's
};

// Empty for another type, for a port that is missing or none, and for a request id that nobody
// counts to (it is kept twice).
std::optional<ForwardStream> ParseForwardStream(spdy::StreamId id, const spdy::Headers& headers);

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_FORWARD_STREAM_H_
