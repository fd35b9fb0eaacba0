// MessageReader: the channels in the messages of a WebSocket, plain or base64.
//
// Contract: streaming.md section 8: a message's first byte is the channel, the rest is data; with
//           base64 the first is '0' + channel, the rest base64; v5: `ff <channel>` ends a channel.
// Threads:  none.
#ifndef CRISP_SERVER_STREAMING_MESSAGE_CHANNEL_H_
#define CRISP_SERVER_STREAMING_MESSAGE_CHANNEL_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/base64.h"
#include "server/streaming/link.h"
#include "server/streaming/websocket_decoder.h"

namespace crisp::streaming {

class MessageReader {
 public:
  class Events {
   public:
    virtual void OnChannelData(uint8_t channel, std::string_view data) = 0;
    virtual void OnChannelEnd(uint8_t channel) = 0;

   protected:
    ~Events() = default;
  };

  MessageReader(Events* events, bool base64, bool close_signal)
      : events_(events), base64_(base64), close_signal_(close_signal) {}

  // kInvalidArgument: bad base64.
  Status Part(std::span<char> data, bool first, bool last);

 private:
  Events* const events_;
  const bool base64_;
  const bool close_signal_;
  bool has_channel_ = false;
  uint8_t channel_ = 0;
  Base64Decoder decoder_;
  std::string decoded_;
  std::string signal_;  // what follows ff, at most two bytes
};

// A message on a channel, without the frame's header.
struct ChannelMessage {
  WebSocketOpcode opcode;
  Piece piece;
};
ChannelMessage MakeChannelMessage(bool base64, uint8_t channel, std::string_view data);

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_MESSAGE_CHANNEL_H_
