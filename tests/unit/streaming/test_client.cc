#include "test_client.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>

namespace crisp::streaming {

TestClient::TestClient(uint16_t port, int receive_buffer_bytes) {
  socket_.Reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (receive_buffer_bytes > 0) {
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof(receive_buffer_bytes));
  }
  const timeval patience{10, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    socket_.Reset();
  }
}

bool TestClient::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::string TestClient::Read(size_t most) {
  if (!unread_.empty()) return std::exchange(unread_, {});
  std::string out(most, '\0');
  const ssize_t n = ::recv(socket_.get(), out.data(), out.size(), 0);
  if (n == 0) at_end_ = true;
  if (n < 0 && errno == ECONNRESET) at_end_ = was_reset_ = true;
  out.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
  return out;
}

std::string TestClient::ReadToEnd() {
  std::string out;
  for (;;) {
    const std::string part = Read();
    if (part.empty()) return out;
    out += part;
  }
}

std::string TestClient::ReadHead() {
  std::string all;
  for (;;) {
    const size_t end = all.find("\r\n\r\n");
    if (end != std::string::npos) {
      unread_ = all.substr(end + 4);
      return all.substr(0, end + 4);
    }
    const std::string part = Read();
    if (part.empty()) return all;
    all += part;
  }
}

void TestClient::Shutdown() { ::shutdown(socket_.get(), SHUT_WR); }

std::string PathOf(const std::string& url) { return url.substr(url.find('/', 8)); }

std::string SpdyUpgrade(const std::string& url, const std::string& protocols) {
  return Cat("POST ", PathOf(url),
             " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
             "X-Stream-Protocol-Version: ",
             protocols, "\r\nContent-Length: 0\r\n\r\n");
}

std::string WebSocketUpgrade(const std::string& url, const std::string& protocol) {
  return Cat("GET ", PathOf(url),
             " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
             protocol.empty() ? "" : Cat("Sec-WebSocket-Protocol: ", protocol, "\r\n"), "\r\n");
}

std::string MaskedFrame(uint8_t opcode, std::string_view payload, bool fin) {
  std::string out;
  out.push_back(static_cast<char>((fin ? 0x80 : 0) | opcode));
  int length_bytes = 0;
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(0x80 | payload.size()));
  } else {
    length_bytes = payload.size() <= 0xffff ? 2 : 8;
    out.push_back(static_cast<char>(0x80 | (length_bytes == 2 ? 126 : 127)));
  }
  for (int i = length_bytes - 1; i >= 0; --i) {
    out.push_back(static_cast<char>(uint64_t{payload.size()} >> (8 * i)));
  }
  constexpr char kMask[] = {'\x37', '\xfa', '\x21', '\x3d'};
  out.append(kMask, 4);
  for (size_t i = 0; i < payload.size(); ++i) {
    out.push_back(static_cast<char>(payload[i] ^ kMask[i % 4]));
  }
  return out;
}

std::vector<ServerFrame> TakeFrames(std::string* bytes) {
  std::vector<ServerFrame> out;
  size_t at = 0;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>((*bytes)[at + i]); };
  while (bytes->size() - at >= 2) {
    uint64_t length = byte(1);  // the mask bit of a server's frame is 0
    const size_t length_bytes = length == 127 ? 8 : length == 126 ? 2 : 0;
    if (bytes->size() - at < 2 + length_bytes) break;
    if (length_bytes > 0) length = 0;
    for (size_t i = 0; i < length_bytes; ++i) length = length << 8 | byte(2 + i);
    if (bytes->size() - at < 2 + length_bytes + length) break;
    out.push_back(
        {static_cast<uint8_t>(byte(0) & 0x0f), bytes->substr(at + 2 + length_bytes, length)});
    at += 2 + length_bytes + length;
  }
  bytes->erase(0, at);
  return out;
}

ServerFrame WebSocketConversation::Next() {
  while (frames_.empty()) {
    const std::string part = client_->Read();
    if (part.empty()) return {};
    bytes_ += part;
    frames_ = TakeFrames(&bytes_);
  }
  ServerFrame out = std::move(frames_.front());
  frames_.erase(frames_.begin());
  return out;
}

void WebSocketConversation::ReadToClose() {
  for (;;) {
    const ServerFrame frame = Next();
    if (frame.opcode == 0) return;
    if (frame.opcode == 8) {
      close_code_ =
          static_cast<uint8_t>(frame.payload[0]) << 8 | static_cast<uint8_t>(frame.payload[1]);
      return;
    }
    if (frame.opcode == 10) {
      pongs.push_back(frame.payload);
    } else if (!frame.payload.empty()) {
      channels[frame.payload[0] & 7] += frame.payload.substr(1);
    }
  }
}

}  // namespace crisp::streaming
