// Delivery: what arrived for one Channels, on its way to the session's observer.
//
// What:     passes data on as it comes; holds it while the session has not started or has paused.
//           A connection carries more than the held data (pings, resizes, other forwarded
//           connections), so it is read on until kHeld_bytes are held; then on_full says stop.
// Threads:  the io_context's. Made, and held, by shared_ptr: a callback may drop everything else.
// Memory:   kHeld_bytes and what one read brings beyond it.
#ifndef CRISP_SERVER_STREAMING_DELIVERY_H_
#define CRISP_SERVER_STREAMING_DELIVERY_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "server/streaming/channels.h"
#include "server/streaming/reactor.h"

namespace crisp::streaming {

class Delivery final : public std::enable_shared_from_this<Delivery> {
 public:
  static constexpr size_t kHeld_bytes = 256 << 10;

  // `on_full(true)`: read no more; `on_full(false)`: read on. In turns, never from within itself.
  Delivery(Io* io, std::function<void(bool full)> on_full)
      : io_(io), on_full_(std::move(on_full)) {}

  // From the session.
  void Start(Channels::Observer* observer);
  void Pause() { paused_ = true; }
  void Resume();
  // No callback from now on.
  void Stop();

  // From the connection.
  void Data(Channel channel, std::string_view data);
  void End(Channel channel);  // counts once for each channel
  void Closed(const Status& why);

 private:
  struct Held {
    Channel channel;
    std::string data;
    bool end = false;
  };

  bool passing() const { return observer_ != nullptr && !paused_ && held_.empty(); }
  void Hold(Channel channel, std::string_view data, bool end);
  void ScheduleRun();
  void Run();
  void UpdateFull();

  Io* const io_;
  std::function<void(bool)> on_full_;
  Channels::Observer* observer_ = nullptr;
  bool stopped_ = false;
  bool paused_ = false;
  bool scheduled_ = false;
  bool closed_ = false;
  bool full_ = false;
  uint32_t ended_ = 0;  // a bit for each channel
  Status why_;
  std::deque<Held> held_;
  size_t held_bytes_ = 0;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_DELIVERY_H_
