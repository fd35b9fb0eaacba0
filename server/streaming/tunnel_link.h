// TunnelLink: a stream of bytes in the binary messages of a WebSocket.
//
// Contract: streaming.md section 9.2: message boundaries mean nothing; Close 1000 is the end.
#ifndef CRISP_SERVER_STREAMING_TUNNEL_LINK_H_
#define CRISP_SERVER_STREAMING_TUNNEL_LINK_H_

#include <memory>

#include "server/streaming/link.h"
#include "server/streaming/websocket.h"

namespace crisp::streaming {

class TunnelLink final : public Link, private WebSocket::Observer {
 public:
  explicit TunnelLink(std::shared_ptr<WebSocket> socket) : socket_(std::move(socket)) {
    socket_->SetObserver(this);
  }
  ~TunnelLink() override { socket_->SetObserver(nullptr); }

  void SetObserver(Link::Observer* observer) override { observer_ = observer; }
  void Write(Piece piece) override {
    if (piece.head.empty() && piece.body.empty()) return socket_->link()->Write(std::move(piece));
    socket_->Send(WebSocketOpcode::kBinary, std::move(piece));
  }
  bool idle() const override { return socket_->link()->idle(); }
  size_t queued_bytes() const override { return socket_->link()->queued_bytes(); }
  size_t PieceLimit() const override { return socket_->link()->PieceLimit(); }
  void PauseReading() override { socket_->link()->PauseReading(); }
  void ResumeReading() override { socket_->link()->ResumeReading(); }
  void Release(uint32_t owner) override { socket_->link()->Release(owner); }
  void Close() override {
    observer_ = nullptr;
    socket_->Close(kCloseNormal);
  }
  void Abort() override {
    observer_ = nullptr;
    socket_->Abort();
  }

 private:
  void OnPart(std::span<char> data, bool, bool) override {
    if (observer_ != nullptr && !data.empty()) observer_->OnBytes(data);
  }
  void OnDrained() override {
    if (observer_ != nullptr) observer_->OnDrained();
  }
  void OnEnd(const Status& why) override {
    if (Link::Observer* o = std::exchange(observer_, nullptr)) o->OnEnd(why);
  }

  const std::shared_ptr<WebSocket> socket_;
  Link::Observer* observer_ = nullptr;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_TUNNEL_LINK_H_
