// WebSocket: messages over a Link, the server's end. It answers pings and knows how to end.
//
// Contract: RFC 6455; streaming.md section 8.
// Threads:  the io_context's. Made, and held, by shared_ptr.
// Memory:   at most one pong waits to be written (section 5.5.3 lets older pings go unanswered).
// After a failure: OnEnd, once, last.
#ifndef CRISP_SERVER_STREAMING_WEBSOCKET_H_
#define CRISP_SERVER_STREAMING_WEBSOCKET_H_

#include <memory>

#include "server/streaming/link.h"
#include "server/streaming/websocket_decoder.h"

namespace crisp::streaming {

class WebSocket final : public std::enable_shared_from_this<WebSocket>,
                        public Link::Observer,
                        private WebSocketDecoder::Events {
 public:
  class Observer {
   public:
    // As WebSocketDecoder's.
    virtual void OnPart(std::span<char> data, bool first, bool last) = 0;
    virtual void OnDrained() = 0;
    virtual void OnEnd(const Status& why) = 0;

   protected:
    ~Observer() = default;
  };

  explicit WebSocket(std::shared_ptr<Link> link) : link_(std::move(link)), decoder_(this) {}

  void SetObserver(Observer* observer) { observer_ = observer; }
  // One message; `piece.head` and `piece.body` are its payload.
  void Send(WebSocketOpcode opcode, Piece piece);
  // A Close frame, then the link's Close: what was sent before arrives.
  void Close(uint16_t code);
  void Abort();
  const std::shared_ptr<Link>& link() const { return link_; }

  // Link::Observer.
  void OnBytes(std::span<char> bytes) override;
  void OnDrained() override;
  void OnEnd(const Status& why) override;

 private:
  void OnPart(std::span<char> data, bool first, bool last) override;
  void OnPing(std::string_view payload) override;
  void OnClose(uint16_t code) override;
  void SendPong();
  void End(uint16_t close_code, const Status& why);

  const std::shared_ptr<Link> link_;
  WebSocketDecoder decoder_;
  Observer* observer_ = nullptr;
  bool closed_ = false;
  bool pong_waits_ = false;  // a pong is on its way through the link
  bool ping_waits_ = false;  // ping_ is to be answered after that
  std::string ping_;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_WEBSOCKET_H_
