// Handshake: what an upgrade request gets, decided from the request alone.
//
// Contract: streaming.md sections 2 to 4, 8 and 9; RFC 6455 section 4.2.
// Threads:  plain functions.
#ifndef CRISP_SERVER_STREAMING_HANDSHAKE_H_
#define CRISP_SERVER_STREAMING_HANDSHAKE_H_

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "server/streaming/http_request.h"
#include "server/streaming/kind.h"

namespace crisp::streaming {

// A whole response that is not a 101; its connection is closed afterwards.
struct Refusal {
  int status = 400;
  std::string reason;         // one word for metrics
  std::string body;           // for the person in front of the client
  std::string extra_headers;  // whole lines

  std::string Response() const;
};

enum class Transport { kSpdy, kWebSocket, kTunnel };
// "spdy", "websocket", "tunnel".
std::string_view TransportName(Transport transport);

struct Upgrade {
  Transport transport = Transport::kSpdy;
  // Of exec and attach, 1 to 5: <number>.channel.k8s.io, 1 for plain channel.k8s.io.
  int version = 1;
  bool base64 = false;   // WebSocket only
  std::string response;  // the 101
};

// `<base>/exec/<token>`, `<base>/attach/<token>`, `<base>/portforward/<token>`, with or without a
// query, which means nothing.
struct Path {
  Kind kind;
  std::string_view token;
};
std::optional<Path> ParsePath(std::string_view target);

std::variant<Refusal, Upgrade> DecideUpgrade(const HttpRequest& request, Kind kind);

// RFC 6455 section 4.2.2: the value of Sec-WebSocket-Accept.
std::string WebSocketAccept(std::string_view key);

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_HANDSHAKE_H_
