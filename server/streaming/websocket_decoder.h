// WebSocketDecoder: the frames of a client, without a socket.
//
// Contract: RFC 6455 section 5, the server's end, no extensions. Messages of any length are handed
//           on part by part as they arrive, unmasked in place.
// Threads:  none. Feed must not be called from within an event; the decoder outlives it.
// Errors:   kInvalidArgument: the client broke the protocol (close code 1002). Later Feeds return
//           the same, no event follows.
#ifndef CRISP_SERVER_STREAMING_WEBSOCKET_DECODER_H_
#define CRISP_SERVER_STREAMING_WEBSOCKET_DECODER_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp::streaming {

inline constexpr uint16_t kCloseNormal = 1000;
inline constexpr uint16_t kCloseGoingAway = 1001;
inline constexpr uint16_t kCloseProtocolError = 1002;
inline constexpr uint16_t kCloseBadData = 1007;
inline constexpr uint16_t kCloseInternalError = 1011;

enum class WebSocketOpcode : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

class WebSocketDecoder {
 public:
  class Events {
   public:
    // Part of a data message; `first` and `last` part of it. Of an empty message: one empty part.
    virtual void OnPart(std::span<char> data, bool first, bool last) = 0;
    virtual void OnPing(std::string_view payload) = 0;
    // Nothing follows. 1005: the client gave no code.
    virtual void OnClose(uint16_t code) = 0;

   protected:
    ~Events() = default;
  };

  explicit WebSocketDecoder(Events* events) : events_(events) {}
  Status Feed(std::span<char> bytes);

 private:
  // A frame begins at kHeader: header --all of it--> payload --all of it--> header.
  enum class Expect { kHeader, kPayload, kNothing };

  Status OnHeader();
  Status OnControl();
  void TakePayload(std::span<char>* bytes);

  Events* const events_;
  Expect expect_ = Expect::kHeader;
  std::array<char, 14> header_;
  size_t header_bytes_ = 0;
  size_t header_wanted_ = 2;
  WebSocketOpcode opcode_ = WebSocketOpcode::kBinary;
  bool fin_ = false;
  bool in_message_ = false;  // a data message has begun and not ended
  bool first_ = false;       // the next part is the first of its message
  uint64_t remaining_ = 0;
  std::array<char, 4> mask_{};
  size_t mask_at_ = 0;
  std::string control_;  // payload of a control frame: at most 125 bytes
  Status failure_;
};

// The header of an unmasked, unfragmented frame.
std::string WebSocketHeader(WebSocketOpcode opcode, uint64_t payload_bytes);

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_WEBSOCKET_DECODER_H_
