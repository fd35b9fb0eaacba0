#include "server/streaming/spdy_channels.h"

#include <utility>

#include "base/log.h"

namespace crisp::streaming {
namespace {

constexpr uint32_t kOwner = 1;  // one Channels on this connection
constexpr Channel kAll[] = {Channel::kStdin, Channel::kStdout, Channel::kStderr, Channel::kError,
                            Channel::kResize};

constexpr std::string_view kStoppedText = "the container runtime is stopping";
constexpr std::string_view kStoppedStatus =
    "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"the container runtime is stopping\","
    "\"reason\":\"InternalError\",\"code\":500}";

std::optional<Channel> ChannelNamed(std::string_view streamtype) {
  if (streamtype == "error") return Channel::kError;
  if (streamtype == "stdin") return Channel::kStdin;
  if (streamtype == "stdout") return Channel::kStdout;
  if (streamtype == "stderr") return Channel::kStderr;
  if (streamtype == "resize") return Channel::kResize;
  return std::nullopt;
}

size_t Index(Channel channel) { return static_cast<size_t>(channel); }

spdy::Options EngineOptions() {
  spdy::Options out;
  out.max_streams = 16;  // five are wanted; some clients may open one more
  return out;
}

}  // namespace

class SpdyChannels::Handle final : public Channels {
 public:
  explicit Handle(std::shared_ptr<SpdyChannels> peer) : peer_(std::move(peer)) {}
  ~Handle() override {
    peer_->delivery_->Stop();
    peer_->link_->Release(kOwner);
    if (!closed_ && !std::exchange(peer_->gone_, true)) peer_->link_->Abort();
  }

  void Start(Observer* observer) override { peer_->delivery_->Start(observer); }
  void Send(Channel channel, std::string_view data, std::function<void(Status)> sent) override {
    if (channel == Channel::kError) peer_->result_sent_ = true;
    peer_->SendOn(Stream(channel), data, std::move(sent), kOwner);
  }
  void Finish(Channel channel) override { peer_->FinishStream(Stream(channel)); }
  void PauseInput() override { peer_->delivery_->Pause(); }
  void ResumeInput() override { peer_->delivery_->Resume(); }
  ErrorFormat error_format() const override {
    return peer_->version_ >= 4 ? ErrorFormat::kStatus : ErrorFormat::kText;
  }
  void Close() override {
    peer_->delivery_->Stop();
    if (std::exchange(closed_, true)) return;
    for (const Channel channel : kAll) Finish(channel);
    if (!std::exchange(peer_->gone_, true)) peer_->CloseLink(spdy::GoawayStatus::kOk);
  }

 private:
  spdy::StreamId Stream(Channel channel) const {
    return Index(channel) < peer_->streams_.size() ? peer_->streams_[Index(channel)] : 0;
  }

  const std::shared_ptr<SpdyChannels> peer_;
  bool closed_ = false;
};

SpdyChannels::SpdyChannels(const Surroundings* surroundings, std::shared_ptr<Link> link,
                           StreamRequest request, int version)
    : SpdyPeer(surroundings, std::move(link), EngineOptions()),
      request_(std::move(request)),
      version_(version),
      wanted_(WantedBy(request_)),
      deadline_(surroundings->context.io) {
  if (version_ < 3) wanted_.resize = false;  // section 6.2
}

std::shared_ptr<SpdyChannels> SpdyChannels::Self() {
  return std::static_pointer_cast<SpdyChannels>(shared_from_this());
}

void SpdyChannels::OnStarted() {
  delivery_ = std::make_shared<Delivery>(surroundings_->context.io,
                                         ReadingBudget(Delivery::kHeld_bytes, link_));
  deadline_.Start(surroundings_->streams_deadline, [this] {
    Gone(DeadlineExceeded("the client did not open all of its streams"), spdy::GoawayStatus::kOk);
  });
}

void SpdyChannels::OnStream(spdy::StreamId id, const spdy::Headers& headers, bool fin) {
  if (!engine_.Reply(id).ok()) return;
  const auto type = headers.Find("streamtype");
  const auto channel = type ? ChannelNamed(*type) : std::nullopt;
  // Others are answered and ignored (section 6.1).
  if (!channel || !wanted_.Has(*channel) || streams_[Index(*channel)] != 0 || running_) return;
  streams_[Index(*channel)] = id;
  if (fin) delivery_->End(*channel);
}

std::optional<Channel> SpdyChannels::FindChannel(spdy::StreamId id) const {
  for (const Channel channel : kAll) {
    if (streams_[Index(channel)] == id) return channel;
  }
  return std::nullopt;
}

void SpdyChannels::OnData(spdy::StreamId id, std::string_view data, bool fin) {
  const auto channel = FindChannel(id);
  if (!channel) return;
  if (*channel == Channel::kStdin || *channel == Channel::kResize) {
    delivery_->Data(*channel, data);
    if (fin) delivery_->End(*channel);
  }
}

void SpdyChannels::OnReset(spdy::StreamId id, spdy::ResetStatus) {
  const auto channel = FindChannel(id);
  if (!channel) return;
  if (*channel == Channel::kStdin || *channel == Channel::kResize) delivery_->End(*channel);
}

bool SpdyChannels::Complete() const {
  for (const Channel channel : kAll) {
    if (wanted_.Has(channel) && streams_[Index(channel)] == 0) return false;
  }
  return true;
}

void SpdyChannels::AfterFeed() {
  if (!running_ && !gone_ && Complete()) Begin();
}

void SpdyChannels::Begin() {
  running_ = true;
  deadline_.Cancel();
  Pump();  // the replies go first
  const auto self = Self();
  if (version_ == 1) FinishStream(streams_[Index(Channel::kStdin)]);  // section 6.2
  StartSession(*surroundings_, std::move(request_), std::make_unique<Handle>(self),
               [self] { self->Over(); });
}

void SpdyChannels::OnGone(const Status& why) {
  deadline_.Cancel();
  if (running_) return delivery_->Closed(why);
  log::Debug("a streaming client left before its session began", {{"why", why}});
  Over();
}

// An error stream that ends empty means success (streaming.md section 6.3): whoever waits for the
// command's result must not take our end for it.
void SpdyChannels::Stop(const Status& why) {
  if (running_ && !gone_ && !result_sent_) {
    const std::string_view text = version_ >= 4 ? kStoppedStatus : kStoppedText;
    Result<std::string> header =
        engine_.StartData(streams_[Index(Channel::kError)], text.size(), /*fin=*/true);
    if (header.ok()) {
      Piece piece;
      piece.head = Cat(*header, text);
      link_->Write(std::move(piece));
    }
  }
  Gone(why, spdy::GoawayStatus::kOk);
}

}  // namespace crisp::streaming
