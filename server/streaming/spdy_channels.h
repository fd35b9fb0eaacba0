// SpdyChannels: exec and attach over SPDY.
//
//   gathering --all streams that the request expects--> running --session's Close, client's end-->
//   over
//       └──────────── streams_deadline, client's end ────────────────────────────────────────────┘
//
// Contract: streaming.md sections 6.1, 6.2, 6.5.
// Threads:  the io_context's.
#ifndef CRISP_SERVER_STREAMING_SPDY_CHANNELS_H_
#define CRISP_SERVER_STREAMING_SPDY_CHANNELS_H_

#include <array>
#include <memory>
#include <optional>

#include "server/streaming/delivery.h"
#include "server/streaming/spdy_peer.h"

namespace crisp::streaming {

class SpdyChannels final : public SpdyPeer {
 public:
  // `version`: 1 to 4, of the channel.k8s.io protocol.
  SpdyChannels(const Surroundings* surroundings, std::shared_ptr<Link> link, StreamRequest request,
               int version);
  void Stop(const Status& why) override;

 private:
  class Handle;

  void OnStarted() override;
  void AfterFeed() override;
  void OnGone(const Status& why) override;
  void OnStream(spdy::StreamId id, const spdy::Headers& headers, bool fin) override;
  void OnData(spdy::StreamId id, std::string_view data, bool fin) override;
  void OnReset(spdy::StreamId id, spdy::ResetStatus status) override;

  bool Complete() const;
  void Begin();
  std::optional<Channel> FindChannel(spdy::StreamId id) const;
  std::shared_ptr<SpdyChannels> Self();

  StreamRequest request_;
  const int version_;
  WantedChannels wanted_;
  std::array<spdy::StreamId, 5> streams_{};  // by channel; 0: there is none
  bool running_ = false;
  bool result_sent_ = false;  // by the session, on the error stream
  Timer deadline_;
  std::shared_ptr<Delivery> delivery_;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_SPDY_CHANNELS_H_
