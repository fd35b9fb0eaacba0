// A client on a blocking socket, and the frames of a WebSocket client.
#ifndef CRISP_TESTS_UNIT_STREAMING_TEST_CLIENT_H_
#define CRISP_TESTS_UNIT_STREAMING_TEST_CLIENT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/unique_fd.h"

namespace crisp::streaming {

class TestClient {
 public:
  explicit TestClient(uint16_t port, int receive_buffer_bytes = 0);

  bool connected() const { return socket_.valid(); }
  // False when the server has gone.
  bool Write(std::string_view bytes);
  // What is there; "" at the end (at_end() is true), or after ten seconds (it is not).
  std::string Read(size_t most = 256 << 10);
  std::string ReadToEnd();
  // Up to and with the empty line; what follows it is what Read gives next.
  std::string ReadHead();
  void Shutdown();  // SHUT_WR
  void Close() { socket_.Reset(); }
  // The server's end was a good one: FIN and not RST.
  bool at_end() const { return at_end_; }
  bool was_reset() const { return was_reset_; }
  int fd() const { return socket_.get(); }

 private:
  UniqueFd socket_;
  std::string unread_;
  bool at_end_ = false;
  bool was_reset_ = false;
};

// "http://127.0.0.1:1/exec/abc": "/exec/abc".
std::string PathOf(const std::string& url);
std::string SpdyUpgrade(const std::string& url, const std::string& protocols);
std::string WebSocketUpgrade(const std::string& url, const std::string& protocol);

std::string MaskedFrame(uint8_t opcode, std::string_view payload, bool fin = true);

struct ServerFrame {
  uint8_t opcode = 0;
  std::string payload;
};

// Takes the whole frames from the front of `bytes`.
std::vector<ServerFrame> TakeFrames(std::string* bytes);

// The WebSocket conversation of a test.
class WebSocketConversation {
 public:
  explicit WebSocketConversation(TestClient* client) : client_(client) {}
  // The next frame; opcode 0 when there is none.
  ServerFrame Next();
  // Gathers messages by channel up to the Close frame; sets close_code.
  void ReadToClose();
  int close_code() const { return close_code_; }
  std::string channels[8];
  std::vector<std::string> pongs;

 private:
  TestClient* const client_;
  std::string bytes_;
  std::vector<ServerFrame> frames_;
  int close_code_ = 0;
};

}  // namespace crisp::streaming

#endif  // CRISP_TESTS_UNIT_STREAMING_TEST_CLIENT_H_
