#include "tests/support/stream_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>

#include "tests/support/patience.h"

namespace crisp::test {
namespace {

bool Ok(const Status& status) {
  if (!status.ok()) std::fprintf(stderr, "streaming client: %s\n", status.ToString().c_str());
  return status.ok();
}

}  // namespace

Result<std::unique_ptr<StreamClient>> StreamClient::Connect(const std::string& url,
                                                            const std::string& protocol) {
  constexpr std::string_view kScheme = "http://";
  const size_t slash = url.find('/', kScheme.size());
  if (!url.starts_with(kScheme) || slash == std::string::npos) return InvalidArgument("url ", url);
  const std::string host = url.substr(kScheme.size(), slash - kScheme.size());
  const size_t colon = host.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (::inet_pton(AF_INET, host.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    return InvalidArgument("host of url ", url);
  }
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(host.substr(colon + 1))));
  std::unique_ptr<StreamClient> client(new StreamClient());
  client->socket_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(client->fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (::connect(client->fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return Errno("connect to ", url);
  }
  CRISP_RETURN_IF_ERROR(client->Upgrade(host, url.substr(slash), protocol));
  CRISP_RETURN_IF_ERROR(SetNonBlocking(client->fd()));
  return client;
}

Status StreamClient::Upgrade(const std::string& host, const std::string& path,
                             const std::string& protocol) {
  const std::string request = Cat("POST ", path, " HTTP/1.1\r\nHost: ", host,
                                  "\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                                  "X-Stream-Protocol-Version: ",
                                  protocol, "\r\nContent-Length: 0\r\n\r\n");
  if (::send(fd(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return Errno("send");
  std::string answer;
  while (answer.find("\r\n\r\n") == std::string::npos) {
    char chunk[4096];
    const ssize_t n = ::recv(fd(), chunk, sizeof(chunk), 0);
    if (n <= 0) return Unavailable("the server answered: ", answer);
    answer.append(chunk, static_cast<size_t>(n));
  }
  const size_t end = answer.find("\r\n\r\n") + 4;
  if (!answer.starts_with("HTTP/1.1 101 ")) return Unavailable("the server answered: ", answer);
  if (answer.find("X-Stream-Protocol-Version: " + protocol + "\r\n") == std::string::npos) {
    return Unavailable("another protocol: ", answer);
  }
  return spdy_.Feed(std::string_view(answer).substr(end));
}

bool StreamClient::Flush() {
  unsent_ += spdy_.TakeOutput();
  while (sent_ < unsent_.size()) {
    const ssize_t n =
        ::send(fd(), unsent_.data() + sent_, unsent_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN;
    sent_ += static_cast<size_t>(n);
  }
  unsent_.clear();
  sent_ = 0;
  return true;
}

bool StreamClient::ReadSome() {
  static thread_local std::string chunk(1 << 20, '\0');
  const ssize_t n = ::recv(fd(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN;
  closed_ = n == 0;
  return Ok(spdy_.Feed(std::string_view(chunk).substr(0, static_cast<size_t>(n))));
}

bool StreamClient::RunUntil(const std::function<bool()>& done, Duration limit) {
  const MonoTime end = MonoNow() + Patient(limit);
  while (!done()) {
    if (closed_ || MonoNow() > end) return false;
    if (!Flush() && !ReadSome()) return false;
    pollfd wait{fd(), static_cast<short>(POLLIN | (unsent_.empty() ? 0 : POLLOUT)), 0};
    ::poll(&wait, 1, 100);
    if ((wait.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !ReadSome()) return false;
  }
  (void)Flush();
  return true;
}

Result<spdy::StreamId> StreamClient::OpenStream(const SpdyHeaders& headers, bool fin) {
  const spdy::StreamId id = spdy_.SynStream(headers, fin);
  if (!RunUntil([&] { return spdy_.stream(id).replied || spdy_.stream(id).reset; })) {
    return Unavailable("no reply to a stream");
  }
  if (spdy_.stream(id).reset) return Unavailable("the stream was reset");
  return id;
}

StdioClient::StdioClient(const Result<std::string>& url, Stdio stdio, const std::string& protocol)
    : stdio_(stdio) {
  if (!Ok(url.ok() ? Open(*url, protocol) : url.status())) client_.reset();
}

Status StdioClient::Open(const std::string& url, const std::string& protocol) {
  client_ = CRISP_TRY(StreamClient::Connect(url, protocol));
  const auto open = [&](const char* type) { return client_->OpenStream({{"streamtype", type}}); };
  error_ = CRISP_TRY(open("error"));
  if (stdio_.in) in_ = CRISP_TRY(open("stdin"));
  if (stdio_.out) out_ = CRISP_TRY(open("stdout"));
  if (stdio_.err && !stdio_.tty) err_ = CRISP_TRY(open("stderr"));
  if (stdio_.tty) resize_ = CRISP_TRY(open("resize"));
  return OkStatus();
}

void StdioClient::Send(std::string_view data) {
  client_->spdy().Data(in_, data);
  (void)client_->Flush();
}

void StdioClient::EndInput() {
  client_->spdy().Finish(in_);
  (void)client_->Flush();
}

void StdioClient::Resize(int columns, int rows) {
  client_->spdy().Data(resize_, Cat("{\"Width\":", columns, ",\"Height\":", rows, "}\n"));
  (void)client_->Flush();
}

bool StdioClient::AwaitOut(std::string_view text) {
  return client_->RunUntil([&] { return out().find(text) != std::string::npos; });
}

bool StdioClient::AwaitEnd(Duration limit) {
  const auto ended = [&](spdy::StreamId id) {
    return id == 0 || client_->spdy().stream(id).finished ||
           client_->spdy().stream(id).reset.has_value();
  };
  if (!client_->RunUntil([&] { return ended(out_) && ended(err_) && ended(error_); }, limit)) {
    return false;
  }
  return client_->RunUntil([&] { return client_->closed(); });
}

int StdioClient::exit_code() {
  const std::string text = status();
  if (text == R"({"metadata":{},"status":"Success"})") return 0;
  constexpr std::string_view kBefore = R"({"reason":"ExitCode","message":")";
  const size_t at = text.find(kBefore);
  int code = -1;
  if (at != std::string::npos && text.find("NonZeroExitCode") != std::string::npos) {
    std::from_chars(text.data() + at + kBefore.size(), text.data() + text.size(), code);
  }
  return code;
}

Result<std::string> ExecUrl(CriClient* client, const std::string& container,
                            const std::vector<std::string>& command, Stdio stdio) {
  v1::ExecRequest request;
  request.set_container_id(container);
  for (const std::string& argument : command) request.add_cmd(argument);
  request.set_stdin(stdio.in);
  request.set_stdout(stdio.out);
  request.set_stderr(stdio.err && !stdio.tty);
  request.set_tty(stdio.tty);
  return CRISP_TRY(client->Call(request)).url();
}

uint64_t Checksum(std::string_view data, uint64_t before) {
  for (const char c : data) {
    before = (before ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }
  return before;
}

}  // namespace crisp::test
