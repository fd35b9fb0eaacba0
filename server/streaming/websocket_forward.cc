#include "server/streaming/websocket_forward.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace crisp::streaming {

class WebSocketForward::Handle final : public Channels {
 public:
  Handle(std::shared_ptr<WebSocketForward> peer, size_t index)
      : peer_(std::move(peer)), index_(index) {}
  ~Handle() override {
    peer_->socket_->link()->Release(Owner());
    Close();
  }

  void Start(Observer* observer) override { Port().delivery->Start(observer); }
  void Send(Channel channel, std::string_view data, std::function<void(Status)> sent) override {
    const auto number = static_cast<uint8_t>(2 * index_ + (channel == Channel::kError ? 1 : 0));
    peer_->SendOn(number, data, std::move(sent), Owner());
  }
  void Finish(Channel) override {}  // the protocol has no half-close
  size_t SendLimit() const override { return peer_->socket_->link()->PieceLimit(); }
  void PauseInput() override { Port().delivery->Pause(); }
  void ResumeInput() override { Port().delivery->Resume(); }
  ErrorFormat error_format() const override { return ErrorFormat::kText; }
  void Close() override {
    Port().delivery->Stop();
    peer_->OnPortDone(index_);
  }

 private:
  WebSocketForward::Port& Port() { return peer_->ports_[index_]; }
  uint32_t Owner() const { return static_cast<uint32_t>(index_) + 1; }

  const std::shared_ptr<WebSocketForward> peer_;
  const size_t index_;
};

WebSocketForward::WebSocketForward(const Surroundings* surroundings, std::shared_ptr<Link> link,
                                   const runtime::v1::PortForwardRequest& request, bool base64)
    : surroundings_(surroundings),
      socket_(std::make_shared<WebSocket>(std::move(link))),
      sandbox_id_(request.pod_sandbox_id()),
      base64_(base64),
      reader_(this, base64, /*close_signal=*/false) {
  for (const int32_t port : request.port()) ports_.push_back({static_cast<uint16_t>(port), {}});
}

void WebSocketForward::Start(std::span<char> surplus, std::function<void()> over) {
  const auto self = shared_from_this();
  over_ = std::move(over);
  socket_->SetObserver(this);
  socket_->link()->SetObserver(socket_.get());
  const auto budget = ReadingBudget(kHeld_bytes, socket_->link());
  for (size_t i = 0; i < ports_.size(); ++i) {
    const uint16_t number = ports_[i].number;
    const char little_endian[] = {static_cast<char>(number), static_cast<char>(number >> 8)};
    for (size_t channel : {2 * i, 2 * i + 1}) {
      ChannelMessage hello = MakeChannelMessage(base64_, static_cast<uint8_t>(channel), {});
      if (base64_) {
        hello.piece.head += EncodeBase64({little_endian, 2});
      } else {
        hello.piece.head.append(little_endian, 2);
      }
      socket_->Send(hello.opcode, std::move(hello.piece));
    }
    ports_[i].delivery = std::make_shared<Delivery>(surroundings_->context.io, budget);
  }
  sessions_ = ports_.size();
  for (size_t i = 0; i < ports_.size(); ++i) {
    surroundings_->starters.forward(surroundings_->context, sandbox_id_, ports_[i].number,
                                    std::make_unique<Handle>(self, i),
                                    [self] { self->OnSessionEnded(); });
  }
  if (!surplus.empty()) socket_->OnBytes(surplus);
}

void WebSocketForward::OnPart(std::span<char> data, bool first, bool last) {
  const Status read = reader_.Part(data, first, last);
  if (!read.ok()) Gone(read, kCloseBadData);
}

void WebSocketForward::OnChannelData(uint8_t channel, std::string_view data) {
  const size_t index = channel / 2;
  if (channel % 2 == 0 && index < ports_.size()) {
    const auto delivery = ports_[index].delivery;
    delivery->Data(Channel::kData, data);
  }
}

void WebSocketForward::SendOn(uint8_t channel, std::string_view data,
                              std::function<void(Status)> sent, uint32_t owner) {
  ChannelMessage message;
  const bool live = !gone_ && !data.empty();
  if (live) message = MakeChannelMessage(base64_, channel, data);
  message.piece.sent = std::move(sent);
  message.piece.owner = owner;
  if (live) return socket_->Send(message.opcode, std::move(message.piece));
  socket_->link()->Write(std::move(message.piece));
}

void WebSocketForward::OnPortDone(size_t index) {
  ports_[index].done = true;
  const bool all = std::all_of(ports_.begin(), ports_.end(), [](const Port& p) { return p.done; });
  if (all && !std::exchange(gone_, true)) socket_->Close(kCloseNormal);
}

void WebSocketForward::OnSessionEnded() {
  if (--sessions_ == 0) Post(surroundings_->context.io, std::exchange(over_, nullptr));
}

void WebSocketForward::OnEnd(const Status& why) { Gone(why, kCloseGoingAway); }

void WebSocketForward::Gone(const Status& why, uint16_t close_code) {
  if (std::exchange(gone_, true)) return;
  log::Debug("port-forward connection ends", {{"why", why}});
  socket_->Close(close_code);
  for (const Port& port : ports_) port.delivery->Closed(why);
}

void WebSocketForward::Stop(const Status& why) { Gone(why, kCloseGoingAway); }

}  // namespace crisp::streaming
