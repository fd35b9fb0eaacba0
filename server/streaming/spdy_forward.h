// SpdyForward: port-forward over SPDY, on a socket or in a WebSocket's messages.
//
// What:     each pair of streams (error, data) with one request id is one TCP connection.
// Contract: streaming.md section 7.
// Threads:  the io_context's.
//
// One pair:  half --the other stream--> running --session ends--> forgotten
//              └── streams_deadline: error text, forgotten
#ifndef CRISP_SERVER_STREAMING_SPDY_FORWARD_H_
#define CRISP_SERVER_STREAMING_SPDY_FORWARD_H_

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/streaming/delivery.h"
#include "server/streaming/spdy_peer.h"

namespace crisp::streaming {

class SpdyForward final : public SpdyPeer {
 public:
  SpdyForward(const Surroundings* surroundings, std::shared_ptr<Link> link, std::string sandbox_id);
  void Stop(const Status& why) override;

 private:
  struct Pair {
    Pair(Io* io, std::function<void(bool)> on_full)
        : delivery(std::make_shared<Delivery>(io, std::move(on_full))), deadline(io) {}
    std::string key;
    uint16_t port = 0;
    spdy::StreamId error = 0;
    spdy::StreamId data = 0;
    std::shared_ptr<Delivery> delivery;
    Timer deadline;
    bool running = false;
    bool complete() const { return error != 0 && data != 0; }
  };
  class Handle;

  void OnStarted() override {}
  void AfterFeed() override;
  void OnGone(const Status& why) override;
  void OnStream(spdy::StreamId id, const spdy::Headers& headers, bool fin) override;
  void OnData(spdy::StreamId id, std::string_view data, bool fin) override;
  void OnReset(spdy::StreamId id, spdy::ResetStatus status) override;

  std::shared_ptr<Pair> GetPair(const std::string& key, uint16_t port);
  void Begin(const std::shared_ptr<Pair>& pair);
  // An error text for the client, which ends the pair.
  void Refuse(const std::shared_ptr<Pair>& pair, std::string text);
  void Forget(const std::shared_ptr<Pair>& pair);
  void OnFull(bool full);
  void OnSessionEnded();
  std::shared_ptr<SpdyForward> Self();

  const std::string sandbox_id_;
  std::map<std::string, std::shared_ptr<Pair>> pairs_;  // by key
  std::unordered_map<spdy::StreamId, std::shared_ptr<Pair>> by_stream_;
  std::vector<std::shared_ptr<Pair>> ready_;  // complete since the last Feed
  int full_ = 0;                              // pairs that hold as much as they may
  size_t sessions_ = 0;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_SPDY_FORWARD_H_
