#include "server/streaming/websocket.h"

namespace crisp::streaming {

void WebSocket::Send(WebSocketOpcode opcode, Piece piece) {
  piece.head.insert(0, WebSocketHeader(opcode, piece.head.size() + piece.body.size()));
  link_->Write(std::move(piece));
}

void WebSocket::Close(uint16_t code) {
  if (std::exchange(closed_, true)) return;
  observer_ = nullptr;
  Piece piece;
  piece.head = {static_cast<char>(code >> 8), static_cast<char>(code)};
  Send(WebSocketOpcode::kClose, std::move(piece));
  link_->Close();
}

void WebSocket::Abort() {
  closed_ = true;
  observer_ = nullptr;
  link_->Abort();
}

void WebSocket::OnBytes(std::span<char> bytes) {
  const auto self = shared_from_this();
  const Status fed = decoder_.Feed(bytes);
  if (!fed.ok()) End(kCloseProtocolError, fed);
}

void WebSocket::OnDrained() {
  if (observer_ != nullptr) observer_->OnDrained();
}

void WebSocket::OnEnd(const Status& why) {
  const auto self = shared_from_this();
  closed_ = true;
  if (Observer* observer = std::exchange(observer_, nullptr)) observer->OnEnd(why);
}

void WebSocket::OnPart(std::span<char> data, bool first, bool last) {
  if (observer_ != nullptr) observer_->OnPart(data, first, last);
}

void WebSocket::OnPing(std::string_view payload) {
  if (closed_) return;
  ping_ = std::string(payload);
  ping_waits_ = true;
  SendPong();
}

void WebSocket::SendPong() {
  if (closed_ || pong_waits_ || !ping_waits_) return;
  ping_waits_ = false;
  pong_waits_ = true;
  Piece piece;
  piece.head = std::move(ping_);
  piece.sent = [weak = weak_from_this()](const Status& sent) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->pong_waits_ = false;
    if (sent.ok()) self->SendPong();
  };
  Send(WebSocketOpcode::kPong, std::move(piece));
}

void WebSocket::OnClose(uint16_t code) {
  End(code == kCloseNormal ? kCloseNormal : kCloseGoingAway,
      Status(Code::kCancelled, Cat("the client closed the WebSocket with code ", code)));
}

// The observer is told from within OnBytes, which is not within a function that it called.
void WebSocket::End(uint16_t close_code, const Status& why) {
  Observer* const observer = std::exchange(observer_, nullptr);
  Close(close_code);
  if (observer != nullptr) observer->OnEnd(why);
}

}  // namespace crisp::streaming
