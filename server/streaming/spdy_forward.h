// SpdyForward: port-forward over SPDY, on a socket or in a WebSocket's messages.
//
// What:     each pair of streams (error, data) with one request id is one TCP connection.
// Contract: streaming.md section 7.
// Threads:  the io_context's.
// Memory:   input that sessions do not take is held, kHeld_bytes for all pairs together; then the
//           link is not read. So what gives the room back must not have to come by the link. A
//           running pair's session takes it as its server reads, or ends. A pair that waits for its
//           error stream does not: such pairs hold half of kHeld_bytes at most (kMaxUnpaired of
//           kMaxUnpaired_bytes), so that the link is read on when the others have taken theirs. A
//           pair that waits for its data stream holds nothing, and clients make many at a time.
//           Of output each Send takes its share of the link's queue. What pairs that are gone left
//           there counts, too, and ends the connection at kMaxQueued_bytes.
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
  static constexpr size_t kHeld_bytes = 1 << 20;
  static constexpr size_t kMaxUnpaired = 64;
  static constexpr size_t kMaxUnpaired_bytes = 8 << 10;
  static constexpr size_t kMaxQueued_bytes = 4 << 20;

  SpdyForward(const Surroundings* surroundings, std::shared_ptr<Link> link, std::string sandbox_id);
  void Stop(const Status& why) override;

 private:
  struct Pair {
    Pair(Io* io, std::shared_ptr<HeldBudget> budget)
        : delivery(std::make_shared<Delivery>(io, std::move(budget))), deadline(io) {}
    std::string key;
    uint16_t port = 0;
    spdy::StreamId error = 0;
    spdy::StreamId data = 0;
    std::shared_ptr<Delivery> delivery;
    Timer deadline;
    bool running = false;
    bool complete() const { return error != 0 && data != 0; }
    bool unpaired() const { return error == 0 && data != 0; }
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
  void OnSessionEnded();
  std::shared_ptr<SpdyForward> Self();

  const std::string sandbox_id_;
  const std::shared_ptr<HeldBudget> budget_;
  std::map<std::string, std::shared_ptr<Pair>> pairs_;  // by key
  std::unordered_map<spdy::StreamId, std::shared_ptr<Pair>> by_stream_;
  std::vector<std::shared_ptr<Pair>> ready_;  // complete since the last Feed
  size_t unpaired_ = 0;                       // of pairs_
  size_t sessions_ = 0;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_SPDY_FORWARD_H_
