#include "server/streaming/handshake.h"

#include <span>

#include "base/base64.h"
#include "server/streaming/sha1.h"

namespace crisp::streaming {
namespace {

struct Protocol {
  std::string_view name;
  int version;
  bool base64 = false;
  Transport transport = Transport::kWebSocket;
};

// streaming.md section 4: over SPDY no client needs v5.
constexpr Protocol kSpdyChannels[] = {{"v4.channel.k8s.io", 4},
                                      {"v3.channel.k8s.io", 3},
                                      {"v2.channel.k8s.io", 2},
                                      {"channel.k8s.io", 1}};
constexpr Protocol kSpdyForward[] = {{"portforward.k8s.io", 1}};
// Section 8: there is no v2 or v3 here.
constexpr Protocol kWebSocketChannels[] = {{"v5.channel.k8s.io", 5},
                                           {"v4.channel.k8s.io", 4},
                                           {"v4.base64.channel.k8s.io", 4, true},
                                           {"channel.k8s.io", 1},
                                           {"base64.channel.k8s.io", 1, true}};
// Section 9.
constexpr Protocol kWebSocketForward[] = {
    {"SPDY/3.1+portforward.k8s.io", 1, false, Transport::kTunnel},
    {"v4.channel.k8s.io", 4},
    {"v4.base64.channel.k8s.io", 4, true}};

std::string Names(std::span<const Protocol> protocols) {
  std::string out;
  for (const Protocol& p : protocols) out += Cat(out.empty() ? "" : ", ", p.name);
  return out;
}

std::string Joined(const std::vector<std::string_view>& words) {
  std::string out;
  for (const std::string_view word : words) out += Cat(out.empty() ? "" : ", ", word);
  return out;
}

// The first one that the client offers and this server speaks.
const Protocol* Choose(const std::vector<std::string_view>& offered,
                       std::span<const Protocol> supported) {
  for (const std::string_view name : offered) {
    for (const Protocol& protocol : supported) {
      if (protocol.name == name) return &protocol;
    }
  }
  return nullptr;
}

Refusal Refuse(int status, std::string reason, std::string body) {
  return {status, std::move(reason), std::move(body), {}};
}

std::variant<Refusal, Upgrade> DecideSpdy(const HttpRequest& request, Kind kind) {
  const std::span<const Protocol> supported = kind == Kind::kPortForward
                                                  ? std::span<const Protocol>(kSpdyForward)
                                                  : std::span<const Protocol>(kSpdyChannels);
  const auto offered = request.List("x-stream-protocol-version");
  if (offered.empty()) {
    return Refuse(
        400, "no_protocol",
        Cat("the header X-Stream-Protocol-Version is missing or empty; this server speaks ",
            Names(supported)));
  }
  const Protocol* const chosen = Choose(offered, supported);
  if (chosen == nullptr) {
    Refusal out = Refuse(403, "no_common_protocol",
                         Cat("unable to upgrade: the client speaks ", Joined(offered),
                             ", this server speaks ", Names(supported)));
    for (const Protocol& p : supported) {
      out.extra_headers += Cat("X-Accepted-Stream-Protocol-Versions: ", p.name, "\r\n");
    }
    return out;
  }
  Upgrade out;
  out.transport = Transport::kSpdy;
  out.version = chosen->version;
  out.response =
      Cat("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
          "X-Stream-Protocol-Version: ",
          chosen->name, "\r\n\r\n");
  return out;
}

// RFC 6455 section 4.1: 16 bytes in base64.
bool IsWebSocketKey(std::string_view key) {
  std::string nonce;
  Base64Decoder decoder;
  return decoder.Feed(key, &nonce).ok() && decoder.End().ok() && nonce.size() == 16;
}

std::variant<Refusal, Upgrade> DecideWebSocket(const HttpRequest& request, Kind kind) {
  if (request.method != "GET") {
    return Refuse(405, "method", "a WebSocket is opened with GET (RFC 6455 section 4.1)");
  }
  if (request.First("sec-websocket-version") != "13") {
    Refusal out = Refuse(426, "websocket_version", "this server speaks WebSocket version 13 only");
    out.extra_headers = "Sec-WebSocket-Version: 13\r\n";
    return out;
  }
  const std::string_view key = request.First("sec-websocket-key");
  if (!IsWebSocketKey(key)) {
    return Refuse(400, "websocket_key", "Sec-WebSocket-Key is missing or not 16 bytes in base64");
  }
  const std::span<const Protocol> supported = kind == Kind::kPortForward
                                                  ? std::span<const Protocol>(kWebSocketForward)
                                                  : std::span<const Protocol>(kWebSocketChannels);
  const auto offered = request.List("sec-websocket-protocol");
  Upgrade out;
  out.transport = Transport::kWebSocket;  // nothing offered: binary channels, version 1
  out.response =
      Cat("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Accept: ",
          WebSocketAccept(key), "\r\n");
  if (!offered.empty()) {
    const Protocol* const chosen = Choose(offered, supported);
    if (chosen == nullptr) {
      return Refuse(403, "no_common_protocol",
                    Cat("unable to upgrade: the client speaks ", Joined(offered),
                        ", this server speaks ", Names(supported)));
    }
    out.transport = chosen->transport;
    out.version = chosen->version;
    out.base64 = chosen->base64;
    out.response += Cat("Sec-WebSocket-Protocol: ", chosen->name, "\r\n");
  }
  out.response += "\r\n";
  return out;
}

std::string_view StatusText(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 426:
      return "Upgrade Required";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
  }
  return "Refused";
}

}  // namespace

std::string_view TransportName(Transport transport) {
  switch (transport) {
    case Transport::kSpdy:
      return "spdy";
    case Transport::kWebSocket:
      return "websocket";
    case Transport::kTunnel:
      return "tunnel";
  }
  return "unknown";
}

std::string Refusal::Response() const {
  return Cat("HTTP/1.1 ", status, ' ', StatusText(status),
             "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ", body.size() + 1,
             "\r\nConnection: close\r\n", extra_headers, "\r\n", body, '\n');
}

std::optional<Path> ParsePath(std::string_view target) {
  target = target.substr(0, target.find_first_of("?#"));
  const size_t last = target.rfind('/');
  if (last == std::string_view::npos || last == 0) return std::nullopt;
  const std::string_view token = target.substr(last + 1);
  const std::string_view head = target.substr(0, last);
  const size_t before = head.rfind('/');
  if (before == std::string_view::npos) return std::nullopt;
  const std::string_view word = head.substr(before + 1);
  for (const Kind kind : {Kind::kExec, Kind::kAttach, Kind::kPortForward}) {
    if (KindName(kind) == word) return Path{kind, token};
  }
  return std::nullopt;
}

std::variant<Refusal, Upgrade> DecideUpgrade(const HttpRequest& request, Kind kind) {
  if (request.method != "GET" && request.method != "POST") {
    Refusal out = Refuse(405, "method", "allowed: GET and POST");
    out.extra_headers = "Allow: GET, POST\r\n";
    return out;
  }
  if (!request.http11) return Refuse(400, "http_version", "an upgrade needs HTTP/1.1");
  if (request.HasToken("connection", "upgrade")) {
    if (request.HasToken("upgrade", "websocket")) return DecideWebSocket(request, kind);
    if (request.HasToken("upgrade", "spdy/3.1")) return DecideSpdy(request, kind);
  }
  return Refuse(400, "no_upgrade",
                "this URL is for clients that upgrade the connection: Connection: Upgrade and "
                "Upgrade: SPDY/3.1 or websocket");
}

std::string WebSocketAccept(std::string_view key) {
  return EncodeBase64(Sha1(Cat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
}

}  // namespace crisp::streaming
