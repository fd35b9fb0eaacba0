// SpdyPeer: the SPDY engine on a link. What exec/attach and port-forward have in common.
//
// Contract: streaming.md sections 5 and 6.5; server/spdy/connection.h.
// Threads:  the io_context's.
// Memory:   control frames stay in the engine, which bounds them, while the link has something to
//           write.
#ifndef CRISP_SERVER_STREAMING_SPDY_PEER_H_
#define CRISP_SERVER_STREAMING_SPDY_PEER_H_

#include <memory>
#include <string>

#include "server/spdy/connection.h"
#include "server/streaming/upgraded.h"

namespace crisp::streaming {

class SpdyPeer : public UpgradedConnection,
                 public std::enable_shared_from_this<SpdyPeer>,
                 protected Link::Observer,
                 protected spdy::Connection::Events {
 public:
  void Start(std::span<char> surplus, std::function<void()> over) final;

 protected:
  SpdyPeer(const Surroundings* surroundings, std::shared_ptr<Link> link,
           const spdy::Options& options);

  // `sent` also when the stream is gone: the data is dropped then.
  void SendOn(spdy::StreamId id, std::string_view data, std::function<void(Status)> sent,
              uint32_t owner);
  void FinishStream(spdy::StreamId id);
  void ResetStream(spdy::StreamId id, spdy::ResetStatus status);
  // Sends what the engine has, unless the link is busy.
  void Pump();
  // Everything sent so far, GOAWAY, the link's Close.
  void CloseLink(spdy::GoawayStatus status);
  // Calls `over`, soon and once.
  void Over();

  virtual void OnStarted() = 0;
  // After every Feed that went well: outside of the engine's events.
  virtual void AfterFeed() = 0;
  // The connection is over, by the link or by the client's GOAWAY or mistake. Once.
  virtual void OnGone(const Status& why) = 0;
  // Once; closes the link if it is open still.
  void Gone(const Status& why, spdy::GoawayStatus status);

  const Surroundings* const surroundings_;
  const std::shared_ptr<Link> link_;
  spdy::Connection engine_;
  bool gone_ = false;
  bool goaway_received_ = false;

 private:
  void OnBytes(std::span<char> bytes) final;
  void OnDrained() final { Pump(); }
  void OnEnd(const Status& why) final;
  void OnGoaway() final { goaway_received_ = true; }

  std::function<void()> over_;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_SPDY_PEER_H_
