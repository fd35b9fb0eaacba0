// WebSocketChannels: exec and attach over WebSocket.
//
// Contract: streaming.md section 8. The session begins with the connection: there is nothing to
//           wait for.
// Threads:  the io_context's.
#ifndef CRISP_SERVER_STREAMING_WEBSOCKET_CHANNELS_H_
#define CRISP_SERVER_STREAMING_WEBSOCKET_CHANNELS_H_

#include <memory>

#include "server/streaming/delivery.h"
#include "server/streaming/message_channel.h"
#include "server/streaming/upgraded.h"
#include "server/streaming/websocket.h"

namespace crisp::streaming {

class WebSocketChannels final : public UpgradedConnection,
                                public std::enable_shared_from_this<WebSocketChannels>,
                                private WebSocket::Observer,
                                private MessageReader::Events {
 public:
  // `version`: 1, 4 or 5, of the channel.k8s.io protocol.
  WebSocketChannels(const Surroundings* surroundings, std::shared_ptr<Link> link,
                    StreamRequest request, int version, bool base64);
  ~WebSocketChannels() override { socket_->SetObserver(nullptr); }

  void Start(std::span<char> surplus, std::function<void()> over) override;
  void Stop(const Status& why) override;

 private:
  class Handle;

  void OnPart(std::span<char> data, bool first, bool last) override;
  void OnDrained() override {}
  void OnEnd(const Status& why) override;
  void OnChannelData(uint8_t channel, std::string_view data) override;
  void OnChannelEnd(uint8_t channel) override;
  void SendOn(Channel channel, std::string_view data, std::function<void(Status)> sent);
  void Gone(const Status& why, uint16_t close_code);

  const Surroundings* const surroundings_;
  const std::shared_ptr<WebSocket> socket_;
  StreamRequest request_;
  const int version_;
  const bool base64_;
  const WantedChannels wanted_;
  MessageReader reader_;
  std::shared_ptr<Delivery> delivery_;
  bool gone_ = false;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_WEBSOCKET_CHANNELS_H_
