// WebSocketForward: port-forward over the channels of a WebSocket, the legacy form.
//
// What:     for the i-th port of the request, channel 2i is its connection's data, 2i + 1 its error
//           text. One connection for each port.
// Contract: streaming.md section 9.1.
// Threads:  the io_context's.
#ifndef CRISP_SERVER_STREAMING_WEBSOCKET_FORWARD_H_
#define CRISP_SERVER_STREAMING_WEBSOCKET_FORWARD_H_

#include <memory>
#include <string>
#include <vector>

#include "server/streaming/delivery.h"
#include "server/streaming/message_channel.h"
#include "server/streaming/upgraded.h"
#include "server/streaming/websocket.h"

namespace crisp::streaming {

class WebSocketForward final : public UpgradedConnection,
                               public std::enable_shared_from_this<WebSocketForward>,
                               private WebSocket::Observer,
                               private MessageReader::Events {
 public:
  // With base64 the highest channel is still a character of ASCII: '0' + 63.
  static constexpr int kMaxPorts = 32;
  static constexpr size_t kHeld_bytes = 1 << 20;  // by all of them

  // Between 1 and kMaxPorts ports.
  WebSocketForward(const Surroundings* surroundings, std::shared_ptr<Link> link,
                   const runtime::v1::PortForwardRequest& request, bool base64);
  ~WebSocketForward() override { socket_->SetObserver(nullptr); }

  void Start(std::span<char> surplus, std::function<void()> over) override;
  void Stop(const Status& why) override;

 private:
  struct Port {
    uint16_t number = 0;
    std::shared_ptr<Delivery> delivery;
    bool done = false;  // its session wants no more of the connection
  };
  class Handle;

  void OnPart(std::span<char> data, bool first, bool last) override;
  void OnDrained() override {}
  void OnEnd(const Status& why) override;
  void OnChannelData(uint8_t channel, std::string_view data) override;
  void OnChannelEnd(uint8_t) override {}  // there is no such signal here
  void SendOn(uint8_t channel, std::string_view data, std::function<void(Status)> sent,
              uint32_t owner);
  void OnPortDone(size_t index);
  void OnSessionEnded();
  void Gone(const Status& why, uint16_t close_code);

  const Surroundings* const surroundings_;
  const std::shared_ptr<WebSocket> socket_;
  const std::string sandbox_id_;
  const bool base64_;
  MessageReader reader_;
  std::vector<Port> ports_;
  std::function<void()> over_;
  size_t sessions_ = 0;
  bool gone_ = false;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_WEBSOCKET_FORWARD_H_
