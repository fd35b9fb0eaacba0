// Listener: the TCP socket that clients connect to.
//
// Threads:  one at a time.
#ifndef CRISP_SERVER_STREAMING_LISTENER_H_
#define CRISP_SERVER_STREAMING_LISTENER_H_

#include <cstdint>
#include <string>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp::streaming {

struct Listener {
  UniqueFd socket;  // non-blocking
  uint16_t port = 0;
  // "127.0.0.1:34567": where a client on this machine reaches it, also when it listens on every
  // address (streaming.md section 2).
  std::string authority;
  bool loopback = false;
};

// `address`: "127.0.0.1:0", "[::1]:10010". Port 0: any free one.
Result<Listener> Listen(const std::string& address);

// The next client, non-blocking, without Nagle's delay and with keep-alive. kNotFound: none now.
Result<UniqueFd> AcceptClient(int listener);

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_LISTENER_H_
