// OutputPump: copies what a descriptor gives to one channel of the client.
//
//   kReading --data--> kSending --sent--> kReading ...      one block in hand at most, of what the
//      |  ^                |                                channels allow: a slow client slows
//      |  └─ readable ─ kWaiting                            the writer
//      └── end, error, or drained (see Drain) ──> kEnded: everything was sent; `on_end`
//
// A terminal that nobody holds is no end before Drain: who lives may open it again. It is looked at
// again after kAgain, later less often.
//
// Threads:  that of the io_context.
// Use it through a shared_ptr; after Stop() nothing is called or touched any more.
#ifndef CRISP_SERVER_STREAMING_SESSION_OUTPUT_H_
#define CRISP_SERVER_STREAMING_SESSION_OUTPUT_H_

#include <functional>
#include <memory>

#include "server/streaming/channels.h"
#include "server/streaming/reactor.h"
#include "server/streaming/session_block.h"

namespace crisp::streaming {

class OutputPump final : public std::enable_shared_from_this<OutputPump> {
 public:
  // Without data for kQuiet, or kLimit after Drain, a pipe that stays open has no more to give that
  // is worth waiting for.
  static constexpr auto kQuiet = std::chrono::milliseconds(300);
  static constexpr auto kLimit = std::chrono::seconds(2);
  static constexpr Duration kAgain = std::chrono::milliseconds(100);
  static constexpr Duration kAgainLimit = std::chrono::seconds(1);

  // `fd` is non-blocking; it, its watch and `channels` outlive this object or its Stop().
  OutputPump(Io* io, int fd, SocketWatch* watch, Channels* channels, Channel channel,
             std::function<void()> on_end);

  void Start();
  // The writer that matters has ended; others (a background child) may hold the pipe for ever. What
  // was in the pipe by now reaches the client in any case, however slow it is.
  void Drain();
  void Stop() { state_ = State::kStopped; }
  bool ended() const { return state_ == State::kEnded; }

 private:
  enum class State { kReading, kWaiting, kSending, kEnded, kStopped };

  void Read();
  void Wait();
  void ReadAgain();
  void OnSent(const Status& status);
  void End();
  bool Drained() const;

  Io* const io_;
  const int fd_;
  SocketWatch* const watch_;
  Channels* const channels_;
  const Channel channel_;
  std::function<void()> on_end_;
  State state_ = State::kReading;

  Timer timer_;  // until kQuiet has passed, or a terminal is looked at again
  Duration again_ = kAgain;
  bool draining_ = false;
  MonoTime drain_limit_;
  int64_t drain_bytes_ = 0;  // that were in the pipe at Drain
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_SESSION_OUTPUT_H_
