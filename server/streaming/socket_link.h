// SocketLink: a Link over a socket. It keeps itself alive until the socket is closed.
//
//   handshake --> open --Close--> flushing --all written--> draining --client's end, or time-->
//   dead
//        any state: Abort, an error, the client's end (but for flushing and draining) --> dead
//
// Draining is what keeps a TCP reset from destroying what is still on its way to the client
// (streaming.md section 5.7): our end is shut down, what comes is dropped.
#ifndef CRISP_SERVER_STREAMING_SOCKET_LINK_H_
#define CRISP_SERVER_STREAMING_SOCKET_LINK_H_

#include <deque>
#include <memory>

#include "base/telemetry.h"
#include "server/streaming/link.h"
#include "server/streaming/reactor.h"
#include "server/streaming/wire.h"

namespace crisp::streaming {

class SocketLink final : public Link, public std::enable_shared_from_this<SocketLink> {
 public:
  struct Limits {
    Duration idle = std::chrono::hours(4);  // without a byte in either direction
    Duration drain = std::chrono::seconds(2);
    Duration flush = std::chrono::seconds(30);  // without progress, after Close
  };
  // Counters that live as long as the daemon, or null.
  struct Traffic {
    Counter* in = nullptr;
    Counter* out = nullptr;
  };

  static Result<std::shared_ptr<SocketLink>> Create(Io* io, std::unique_ptr<Wire> wire,
                                                    const Limits& limits, const Traffic& traffic);
  // Handshake, then reading.
  void Start();

  void SetObserver(Observer* observer) override { observer_ = observer; }
  void Write(Piece piece) override;
  bool idle() const override { return queue_.empty(); }
  size_t queued_bytes() const override { return queued_bytes_; }
  size_t PieceLimit() const override;
  void PauseReading() override;
  void ResumeReading() override;
  void Release(uint32_t owner) override;
  void Close() override;
  void Abort() override;

 private:
  enum class State { kHandshake, kOpen, kFlushing, kDraining, kDead };
  struct Queued {
    Piece piece;
    std::string copy;  // of the body, after Release
  };
  struct Completed {
    std::function<void(Status)> sent;
    Status status;
    uint32_t owner;
  };

  SocketLink(Io* io, std::unique_ptr<Wire> wire, const Limits& limits, const Traffic& traffic);
  void Handshake();
  void ScheduleFlush();
  void Flush();
  WireResult WriteQueue();
  void Advance(size_t bytes);
  void RunCompletions();
  void ReadSome();
  // False when there is nothing to read for now, or no more to do.
  bool ReadOnce();
  void AwaitHangUp();
  void FailHungUp();
  void AwaitReadable();
  void AwaitWritable();
  // For what a wire says; true when there is something to wait for.
  bool Await(const WireResult& result);
  void BeginDrain();
  void ArmIdleTimer();
  void Fail(Status why);
  void Die();
  static void CopyBody(Queued* queued);

  Io* const io_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<SocketWatch> watch_;  // after wire_: it must go first
  const Limits limits_;
  const Traffic traffic_;
  Observer* observer_ = nullptr;
  State state_ = State::kHandshake;
  std::deque<Queued> queue_;
  size_t queued_bytes_ = 0;   // that are not written
  size_t front_written_ = 0;  // bytes of the first one
  std::deque<Completed> completed_;
  bool flush_scheduled_ = false;
  bool read_scheduled_ = false;
  bool paused_ = false;
  bool hung_up_ = false;  // seen while not paused, when reading would see it, too
  bool client_ended_ = false;
  std::unique_ptr<char[]> buffer_;
  MonoTime last_activity_ = MonoNow();
  Timer timer_;  // idle while open, then flushing and draining
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_SOCKET_LINK_H_
