#include "server/metrics/http_endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "server/metrics/prometheus_text.h"

namespace crisp::metrics {
namespace {

constexpr size_t kMaxConnections = 16;
constexpr size_t kMaxRequest_bytes = 8 << 10;
constexpr auto kPatience = std::chrono::seconds(10);
constexpr auto kAcceptAgain = std::chrono::milliseconds(100);  // when descriptors are short

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Result<Address> ParseAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return InvalidArgument("'", text, "': no port");
  const auto port = htons(static_cast<uint16_t>(std::atoi(text.c_str() + colon + 1)));
  std::string host = text.substr(0, colon);
  Address out;
  if (host.starts_with('[') && host.ends_with(']')) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    out.size = sizeof(*v6);
    host = host.substr(1, host.size() - 2);
    if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) return out;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = port;
    out.size = sizeof(*v4);
    if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) return out;
  }
  return InvalidArgument("'", text, "': not an IP address and port");
}

std::string Answer(std::string_view status, std::string_view type, std::string_view body,
                   bool with_body) {
  return Cat("HTTP/1.1 ", status, "\r\nContent-Type: ", type, "\r\nContent-Length: ", body.size(),
             "\r\nConnection: close\r\n\r\n", with_body ? body : std::string_view());
}

}  // namespace

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Open(const std::string& address,
                                                         EpollLoop* loop,
                                                         std::function<std::string()> render) {
  Address parsed = CRISP_TRY(ParseAddress(address));
  auto* generic = reinterpret_cast<sockaddr*>(&parsed.storage);
  UniqueFd listener(
      ::socket(generic->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!listener) return Errno(address, ": socket");
  const int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(listener.get(), generic, parsed.size) != 0) return Errno(address, ": bind");
  if (::listen(listener.get(), 16) != 0) return Errno(address, ": listen");
  if (::getsockname(listener.get(), generic, &parsed.size) != 0) return Errno(address);
  std::unique_ptr<HttpEndpoint> out(new HttpEndpoint(loop, std::move(listener), std::move(render)));
  // The port is at the same place in both address families.
  out->port_ = ntohs(reinterpret_cast<sockaddr_in*>(generic)->sin_port);
  // The loop may run already: nothing is accepted before watch_ has its value.
  out->watch_ = CRISP_TRY(
      loop->Watch(out->listener_.get(), 0, [self = out.get()](uint32_t) { self->Accept(); }));
  CRISP_RETURN_IF_ERROR(loop->Modify(out->watch_, EPOLLIN));
  return out;
}

HttpEndpoint::~HttpEndpoint() {
  if (watch_ != 0) loop_->Unwatch(watch_);
  loop_->Cancel(accept_again_);
  while (!connections_.empty()) Drop(connections_.begin()->first);
}

void HttpEndpoint::Accept() {
  UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
    // The client that cannot be accepted keeps the listener readable.
    (void)loop_->Modify(watch_, 0);
    accept_again_ =
        loop_->RunAt(MonoNow() + kAcceptAgain, [this] { (void)loop_->Modify(watch_, EPOLLIN); });
    return;
  }
  if (!socket || connections_.size() >= kMaxConnections) return;  // too many: closed at once
  const uint64_t id = next_id_++;
  const auto watch = loop_->Watch(socket.get(), EPOLLIN, [this, id](uint32_t) { OnEvent(id); });
  if (!watch.ok()) return;
  Connection& connection = connections_[id];
  connection.socket = std::move(socket);
  connection.watch = *watch;
  connection.timer = loop_->RunAt(MonoNow() + kPatience, [this, id] { Drop(id); });
}

void HttpEndpoint::OnEvent(uint64_t id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  Connection& connection = it->second;
  if (connection.response.empty()) Read(&connection);
  if (!Write(&connection)) Drop(id);
}

void HttpEndpoint::Read(Connection* connection) {
  std::array<char, 4096> buffer;
  const ssize_t n = ::recv(connection->socket.get(), buffer.data(), buffer.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    connection->response = "-";  // gone: nothing to say any more
    connection->written = 1;
    return;
  }
  connection->request.append(buffer.data(), static_cast<size_t>(n));
  const bool complete = connection->request.find("\r\n\r\n") != std::string::npos;
  if (!complete && connection->request.size() > kMaxRequest_bytes) {
    connection->response =
        Answer("431 Request Header Fields Too Large", "text/plain", "request too large\n", true);
  } else if (complete) {
    connection->response = Respond(connection->request, render_);
  }
}

bool HttpEndpoint::Write(Connection* connection) {
  if (connection->response.empty()) return true;  // the request is not complete
  while (connection->written < connection->response.size()) {
    const ssize_t n =
        ::send(connection->socket.get(), connection->response.data() + connection->written,
               connection->response.size() - connection->written, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return loop_->Modify(connection->watch, EPOLLOUT).ok();
    if (n < 0) return false;
    connection->written += static_cast<size_t>(n);
  }
  return false;
}

void HttpEndpoint::Drop(uint64_t id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  loop_->Unwatch(it->second.watch);
  loop_->Cancel(it->second.timer);
  connections_.erase(it);
}

std::string HttpEndpoint::Respond(std::string_view request,
                                  const std::function<std::string()>& render) {
  const std::string_view line = request.substr(0, request.find("\r\n"));
  const size_t first = line.find(' ');
  const size_t second = line.find(' ', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos ||
      line.compare(second + 1, 7, "HTTP/1.") != 0) {
    return Answer("400 Bad Request", "text/plain", "not an HTTP/1 request\n", true);
  }
  const std::string_view method = line.substr(0, first);
  std::string_view path = line.substr(first + 1, second - first - 1);
  path = path.substr(0, path.find('?'));
  if (path != "/metrics") return Answer("404 Not Found", "text/plain", "try /metrics\n", true);
  if (method != "GET" && method != "HEAD") {
    return Answer("405 Method Not Allowed", "text/plain", "GET or HEAD\n", true);
  }
  return Answer("200 OK", kContentType, render(), method == "GET");
}

}  // namespace crisp::metrics
