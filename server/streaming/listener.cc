#include "server/streaming/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <charconv>

namespace crisp::streaming {
namespace {

constexpr int kBacklog = 128;

struct Address {
  union {
    sockaddr generic;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  socklen_t size = 0;
};

Result<Address> ParseAddress(const std::string& text) {
  const Status bad =
      InvalidArgument("'", text, "': allowed: IP:port, e.g. 127.0.0.1:0 or [::1]:10010");
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return bad;
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return bad;
  std::string host = text.substr(0, colon);
  Address out{};
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    out.v6 = {};
    out.v6.sin6_family = AF_INET6;
    out.v6.sin6_port = htons(port);
    out.size = sizeof(out.v6);
    if (::inet_pton(AF_INET6, host.c_str(), &out.v6.sin6_addr) == 1) return out;
  } else {
    out.v4 = {};
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(port);
    out.size = sizeof(out.v4);
    if (::inet_pton(AF_INET, host.c_str(), &out.v4.sin_addr) == 1) return out;
  }
  return bad;
}

void Describe(const Address& address, Listener* out) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.generic.sa_family == AF_INET6) {
    in6_addr ip = address.v6.sin6_addr;
    if (IN6_IS_ADDR_UNSPECIFIED(&ip))
      ip = in6addr_loopback;
    else
      out->loopback = IN6_IS_ADDR_LOOPBACK(&ip);
    ::inet_ntop(AF_INET6, &ip, text.data(), text.size());
    out->port = ntohs(address.v6.sin6_port);
    out->authority = Cat('[', text.data(), "]:", out->port);
  } else {
    in_addr ip = address.v4.sin_addr;
    if (ip.s_addr == htonl(INADDR_ANY))
      ip.s_addr = htonl(INADDR_LOOPBACK);
    else
      out->loopback = ntohl(ip.s_addr) >> 24 == 127;
    ::inet_ntop(AF_INET, &ip, text.data(), text.size());
    out->port = ntohs(address.v4.sin_port);
    out->authority = Cat(text.data(), ':', out->port);
  }
}

void SetOption(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof(value));  // all of them are wishes
}

}  // namespace

Result<Listener> Listen(const std::string& address) {
  Address parsed = CRISP_TRY(ParseAddress(address));
  Listener out;
  out.socket.Reset(
      ::socket(parsed.generic.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!out.socket) return Errno(address, ": socket");
  SetOption(out.socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(out.socket.get(), &parsed.generic, parsed.size) != 0) return Errno(address, ": bind");
  if (::listen(out.socket.get(), kBacklog) != 0) return Errno(address, ": listen");
  if (::getsockname(out.socket.get(), &parsed.generic, &parsed.size) != 0) return Errno(address);
  Describe(parsed, &out);
  return out;
}

Result<UniqueFd> AcceptClient(int listener) {
  UniqueFd client;
  do {
    client.Reset(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  } while (!client && (errno == EINTR || errno == ECONNABORTED));
  if (!client && errno == EAGAIN) return NotFound("no client waits");
  if (!client) return Errno("accept");
  // streaming.md section 12.8. A client that is gone without a word is noticed in five minutes.
  SetOption(client.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(client.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(client.get(), IPPROTO_TCP, TCP_KEEPIDLE, 120);
  SetOption(client.get(), IPPROTO_TCP, TCP_KEEPINTVL, 30);
  SetOption(client.get(), IPPROTO_TCP, TCP_KEEPCNT, 6);
  return client;
}

}  // namespace crisp::streaming
