#include "server/streaming/spdy_peer.h"

#include <algorithm>

#include "base/log.h"

namespace crisp::streaming {
namespace {

// A client keeps a whole frame in memory; and a ping is answered between two.
constexpr size_t kMaxFrame_bytes = 256 << 10;

}  // namespace

SpdyPeer::SpdyPeer(const Surroundings* surroundings, std::shared_ptr<Link> link,
                   const spdy::Options& options)
    : surroundings_(surroundings), link_(std::move(link)), engine_(this, options) {}

void SpdyPeer::Start(std::span<char> surplus, std::function<void()> over) {
  over_ = std::move(over);
  link_->SetObserver(this);
  OnStarted();
  if (!surplus.empty()) OnBytes(surplus);
}

void SpdyPeer::Over() {
  if (over_) Post(surroundings_->context.io, std::exchange(over_, nullptr));
}

void SpdyPeer::OnBytes(std::span<char> bytes) {
  const auto self = shared_from_this();
  const Status fed = engine_.Feed({bytes.data(), bytes.size()});
  if (!fed.ok()) {
    log::Debug("a streaming client broke the protocol", {{"error", fed}});
    return Gone(fed, spdy::GoawayStatus::kProtocolError);
  }
  AfterFeed();
  // streaming.md section 5.5: after its GOAWAY a client is finished; what is open runs to its end.
  if (goaway_received_ && engine_.stream_count() == 0) {
    return Gone(Status(Code::kCancelled, "the client said goodbye"), spdy::GoawayStatus::kOk);
  }
  Pump();
}

void SpdyPeer::OnEnd(const Status& why) {
  const auto self = shared_from_this();
  Gone(why, spdy::GoawayStatus::kOk);
}

void SpdyPeer::Gone(const Status& why, spdy::GoawayStatus status) {
  if (std::exchange(gone_, true)) return;
  CloseLink(status);
  OnGone(why);
}

void SpdyPeer::Pump() {
  if (gone_ || !link_->idle() || engine_.output_bytes() == 0) return;
  Piece piece;
  piece.head = engine_.TakeOutput();
  link_->Write(std::move(piece));
}

void SpdyPeer::CloseLink(spdy::GoawayStatus status) {
  engine_.Goaway(status);
  Piece piece;
  piece.head = engine_.TakeOutput();
  if (!piece.head.empty()) link_->Write(std::move(piece));
  link_->Close();
}

void SpdyPeer::SendOn(spdy::StreamId id, std::string_view data, std::function<void(Status)> sent,
                      uint32_t owner) {
  do {
    Piece piece;
    piece.owner = owner;
    const std::string_view part = data.substr(0, kMaxFrame_bytes);
    data.remove_prefix(part.size());
    Result<std::string> header = id == 0 || gone_ || part.empty()
                                     ? Result<std::string>(NotFound("stream"))
                                     : engine_.StartData(id, part.size());
    if (header.ok()) {
      piece.head = std::move(header).value();
      piece.body = part;
    }
    if (data.empty()) piece.sent = std::move(sent);
    link_->Write(std::move(piece));
  } while (!data.empty());
}

void SpdyPeer::FinishStream(spdy::StreamId id) {
  if (id == 0 || gone_) return;
  const Status finished = engine_.Finish(id);
  if (!finished.ok()) log::Debug("a stream was not finished", {{"error", finished}});
  Pump();
}

void SpdyPeer::ResetStream(spdy::StreamId id, spdy::ResetStatus status) {
  if (id == 0 || gone_) return;
  engine_.Reset(id, status);
  Pump();
}

}  // namespace crisp::streaming
