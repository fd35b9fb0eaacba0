// SHA-1 (FIPS 180-4), for the one use that is left: the WebSocket handshake (RFC 6455
// section 4.2.2).
#ifndef CRISP_SERVER_STREAMING_SHA1_H_
#define CRISP_SERVER_STREAMING_SHA1_H_

#include <string>
#include <string_view>

namespace crisp::streaming {

// 20 bytes.
std::string Sha1(std::string_view message);

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_SHA1_H_
