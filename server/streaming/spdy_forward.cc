#include "server/streaming/spdy_forward.h"

#include <utility>

#include "base/log.h"
#include "server/streaming/forward_stream.h"

namespace crisp::streaming {
namespace {

spdy::Options EngineOptions() {
  spdy::Options out;
  out.max_header_bytes = 4 << 10;  // three short headers are wanted
  return out;
}

}  // namespace

class SpdyForward::Handle final : public Channels {
 public:
  Handle(std::shared_ptr<SpdyForward> peer, std::shared_ptr<Pair> pair)
      : peer_(std::move(peer)), pair_(std::move(pair)) {}
  ~Handle() override {
    pair_->delivery->Stop();
    peer_->link_->Release(pair_->data);
    if (!closed_) {
      peer_->ResetStream(pair_->error, spdy::ResetStatus::kCancel);
      peer_->ResetStream(pair_->data, spdy::ResetStatus::kCancel);
    }
    peer_->Forget(pair_);
  }

  void Start(Observer* observer) override { pair_->delivery->Start(observer); }
  void Send(Channel channel, std::string_view data, std::function<void(Status)> sent) override {
    peer_->SendOn(Stream(channel), data, std::move(sent), pair_->data);
  }
  void Finish(Channel channel) override { peer_->FinishStream(Stream(channel)); }
  size_t SendLimit() const override { return peer_->link_->PieceLimit(); }
  void PauseInput() override { pair_->delivery->Pause(); }
  void ResumeInput() override { pair_->delivery->Resume(); }
  ErrorFormat error_format() const override { return ErrorFormat::kText; }
  // Data that the client sends on from here is dropped (streaming.md section 7).
  void Close() override {
    pair_->delivery->Stop();
    if (std::exchange(closed_, true)) return;
    Finish(Channel::kData);
    Finish(Channel::kError);
  }

 private:
  spdy::StreamId Stream(Channel channel) const {
    if (channel == Channel::kData) return pair_->data;
    return channel == Channel::kError ? pair_->error : 0;
  }

  const std::shared_ptr<SpdyForward> peer_;
  const std::shared_ptr<Pair> pair_;
  bool closed_ = false;
};

SpdyForward::SpdyForward(const Surroundings* surroundings, std::shared_ptr<Link> link,
                         std::string sandbox_id)
    : SpdyPeer(surroundings, std::move(link), EngineOptions()),
      sandbox_id_(std::move(sandbox_id)),
      budget_(ReadingBudget(kHeld_bytes, link_)) {}

std::shared_ptr<SpdyForward> SpdyForward::Self() {
  return std::static_pointer_cast<SpdyForward>(shared_from_this());
}

std::shared_ptr<SpdyForward::Pair> SpdyForward::GetPair(const std::string& key, uint16_t port) {
  std::shared_ptr<Pair>& pair = pairs_[key];
  if (pair != nullptr) return pair;
  pair = std::make_shared<Pair>(surroundings_->context.io, budget_);
  pair->key = key;
  pair->port = port;
  pair->deadline.Start(
      surroundings_->streams_deadline, [self = weak_from_this(), weak = std::weak_ptr<Pair>(pair)] {
        const auto peer = self.lock();
        const auto late = weak.lock();
        if (peer == nullptr || late == nullptr) return;
        static_cast<SpdyForward*>(peer.get())->Refuse(late, "timed out waiting for streams");
      });
  return pair;
}

void SpdyForward::OnStream(spdy::StreamId id, const spdy::Headers& headers, bool fin) {
  const auto stream = ParseForwardStream(id, headers);
  if (!stream) return engine_.Reset(id, spdy::ResetStatus::kProtocolError);
  if (!stream->is_error && unpaired_ >= kMaxUnpaired && !pairs_.contains(stream->request)) {
    return engine_.Reset(id, spdy::ResetStatus::kRefusedStream);
  }
  if (!engine_.Reply(id).ok()) return;
  const std::shared_ptr<Pair> pair = GetPair(stream->request, stream->port);
  spdy::StreamId& place = stream->is_error ? pair->error : pair->data;
  if (place != 0) {
    engine_.Reset(id, spdy::ResetStatus::kProtocolError);
    return Refuse(pair, Cat("the ", stream->is_error ? "error" : "data", " stream of request ",
                            stream->request, " exists already"));
  }
  if (pair->unpaired()) --unpaired_;
  place = id;
  if (pair->unpaired()) ++unpaired_;
  by_stream_[id] = pair;
  if (fin && !stream->is_error) pair->delivery->End(Channel::kData);
  if (!pair->complete()) return;
  pair->deadline.Cancel();
  ready_.push_back(pair);
}

void SpdyForward::OnData(spdy::StreamId id, std::string_view data, bool fin) {
  const auto it = by_stream_.find(id);
  if (it == by_stream_.end() || it->second->data != id) return;
  const std::shared_ptr<Pair> pair = it->second;
  if (pair->unpaired() && pair->delivery->held_bytes() + data.size() > kMaxUnpaired_bytes) {
    return Refuse(pair, {});  // without an error stream there is nobody to tell
  }
  pair->delivery->Data(Channel::kData, data);
  if (fin) pair->delivery->End(Channel::kData);
}

// The client gives this connection up: with the other stream it could do nothing.
void SpdyForward::OnReset(spdy::StreamId id, spdy::ResetStatus) {
  const auto it = by_stream_.find(id);
  if (it == by_stream_.end()) return;
  const std::shared_ptr<Pair> pair = it->second;
  if (pair->running || pair->complete()) {
    pair->delivery->Closed(Status(Code::kCancelled, "the client reset its stream"));
  } else {
    Forget(pair);
  }
}

void SpdyForward::AfterFeed() {
  if (!gone_ && link_->queued_bytes() > kMaxQueued_bytes) {
    gone_ = true;
    link_->Abort();
    return OnGone(ResourceExhausted("the client does not read what it asks for"));
  }
  for (const std::shared_ptr<Pair>& pair : std::exchange(ready_, {})) {
    const auto it = pairs_.find(pair->key);
    if (!gone_ && it != pairs_.end() && it->second == pair) Begin(pair);
  }
}

void SpdyForward::Begin(const std::shared_ptr<Pair>& pair) {
  pair->running = true;
  ++sessions_;
  const auto self = Self();
  surroundings_->starters.forward(surroundings_->context, sandbox_id_, pair->port,
                                  std::make_unique<Handle>(self, pair),
                                  [self] { self->OnSessionEnded(); });
}

void SpdyForward::Refuse(const std::shared_ptr<Pair>& pair, std::string text) {
  if (pair->error != 0 && !gone_) {
    Result<std::string> header = engine_.StartData(pair->error, text.size(), /*fin=*/true);
    if (header.ok()) {
      Piece piece;
      piece.head = Cat(*header, text);
      link_->Write(std::move(piece));
    }
  }
  if (pair->running) return;  // its session goes on
  engine_.Reset(pair->data, spdy::ResetStatus::kCancel);
  Forget(pair);
  Pump();
}

void SpdyForward::Forget(const std::shared_ptr<Pair>& pair) {
  pair->delivery->Stop();
  pair->deadline.Cancel();
  by_stream_.erase(pair->error);
  by_stream_.erase(pair->data);
  const auto it = pairs_.find(pair->key);
  if (it == pairs_.end() || it->second != pair) return;
  if (pair->unpaired()) --unpaired_;
  pairs_.erase(it);
}

void SpdyForward::OnSessionEnded() {
  --sessions_;
  if (gone_ && sessions_ == 0) Over();
}

void SpdyForward::OnGone(const Status& why) {
  log::Debug("port-forward connection ends", {{"why", why}, {"forwarded", sessions_}});
  for (const auto& [key, pair] : std::map(pairs_)) {
    if (pair->running) {
      pair->delivery->Closed(why);
    } else {
      Forget(pair);
    }
  }
  if (sessions_ == 0) Over();
}

void SpdyForward::Stop(const Status& why) { Gone(why, spdy::GoawayStatus::kOk); }

}  // namespace crisp::streaming
