#include "server/streaming/websocket_channels.h"

#include <utility>

#include "base/log.h"

namespace crisp::streaming {
namespace {

constexpr uint32_t kOwner = 1;  // one Channels on this connection

}  // namespace

class WebSocketChannels::Handle final : public Channels {
 public:
  explicit Handle(std::shared_ptr<WebSocketChannels> peer) : peer_(std::move(peer)) {}
  ~Handle() override {
    peer_->delivery_->Stop();
    peer_->socket_->link()->Release(kOwner);
    if (!closed_ && !std::exchange(peer_->gone_, true)) peer_->socket_->Abort();
  }

  void Start(Observer* observer) override { peer_->delivery_->Start(observer); }
  void Send(Channel channel, std::string_view data, std::function<void(Status)> sent) override {
    peer_->SendOn(channel, data, std::move(sent));
  }
  // There is no half-close from the server before v5, and nobody waits for it there (section 8).
  void Finish(Channel) override {}
  void PauseInput() override { peer_->delivery_->Pause(); }
  void ResumeInput() override { peer_->delivery_->Resume(); }
  ErrorFormat error_format() const override {
    return peer_->version_ >= 4 ? ErrorFormat::kStatus : ErrorFormat::kText;
  }
  void Close() override {
    peer_->delivery_->Stop();
    if (std::exchange(closed_, true)) return;
    if (!std::exchange(peer_->gone_, true)) peer_->socket_->Close(kCloseNormal);
  }

 private:
  const std::shared_ptr<WebSocketChannels> peer_;
  bool closed_ = false;
};

WebSocketChannels::WebSocketChannels(const Surroundings* surroundings, std::shared_ptr<Link> link,
                                     StreamRequest request, int version, bool base64)
    : surroundings_(surroundings),
      socket_(std::make_shared<WebSocket>(std::move(link))),
      request_(std::move(request)),
      version_(version),
      base64_(base64),
      wanted_(WantedBy(request_)),
      reader_(this, base64, /*close_signal=*/version >= 5) {}

void WebSocketChannels::Start(std::span<char> surplus, std::function<void()> over) {
  const auto self = shared_from_this();
  delivery_ = std::make_shared<Delivery>(surroundings_->context.io,
                                         ReadingBudget(Delivery::kHeld_bytes, socket_->link()));
  socket_->SetObserver(this);
  socket_->link()->SetObserver(socket_.get());
  // Tells the client that the connection works (section 8).
  const Channel first = wanted_.stdout_open   ? Channel::kStdout
                        : wanted_.stderr_open ? Channel::kStderr
                                              : Channel::kError;
  ChannelMessage hello = MakeChannelMessage(base64_, static_cast<uint8_t>(first), {});
  socket_->Send(hello.opcode, std::move(hello.piece));
  StartSession(*surroundings_, std::move(request_), std::make_unique<Handle>(self),
               [io = surroundings_->context.io, over = std::move(over)] { Post(io, over); });
  if (!surplus.empty()) socket_->OnBytes(surplus);
}

void WebSocketChannels::OnPart(std::span<char> data, bool first, bool last) {
  const Status read = reader_.Part(data, first, last);
  if (!read.ok()) Gone(read, kCloseBadData);
}

void WebSocketChannels::OnChannelData(uint8_t channel, std::string_view data) {
  const auto known = static_cast<Channel>(channel);
  if ((known == Channel::kStdin || known == Channel::kResize) && wanted_.Has(known)) {
    delivery_->Data(known, data);
  }
}

void WebSocketChannels::OnChannelEnd(uint8_t channel) {
  const auto known = static_cast<Channel>(channel);
  if ((known == Channel::kStdin || known == Channel::kResize) && wanted_.Has(known)) {
    delivery_->End(known);
  }
}

void WebSocketChannels::SendOn(Channel channel, std::string_view data,
                               std::function<void(Status)> sent) {
  ChannelMessage message;
  const bool live = !gone_ && !data.empty() && wanted_.Has(channel);
  if (live) message = MakeChannelMessage(base64_, static_cast<uint8_t>(channel), data);
  message.piece.sent = std::move(sent);
  message.piece.owner = kOwner;
  if (live) return socket_->Send(message.opcode, std::move(message.piece));
  socket_->link()->Write(std::move(message.piece));
}

void WebSocketChannels::OnEnd(const Status& why) { Gone(why, kCloseGoingAway); }

void WebSocketChannels::Gone(const Status& why, uint16_t close_code) {
  if (std::exchange(gone_, true)) return;
  log::Debug("a streaming client left", {{"why", why}});
  socket_->Close(close_code);
  delivery_->Closed(why);
}

void WebSocketChannels::Stop(const Status& why) { Gone(why, kCloseGoingAway); }

}  // namespace crisp::streaming
