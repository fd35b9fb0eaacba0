// Delivery: what arrived for one Channels, on its way to the session's observer.
//
// What:     passes data on as it comes; holds it while the session has not started or has paused,
//           and what it did not take. A connection carries more than the held data (pings, resizes,
//           other forwarded connections), so it is read on until its budget is held; then on_full
//           says stop.
// Threads:  the io_context's. Made, and held, by shared_ptr: a callback may drop everything else.
// Memory:   the budget and what one read brings beyond it.
#ifndef CRISP_SERVER_STREAMING_DELIVERY_H_
#define CRISP_SERVER_STREAMING_DELIVERY_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "server/streaming/channels.h"
#include "server/streaming/reactor.h"

namespace crisp::streaming {

// What all Deliveries of one connection may hold together.
class HeldBudget {
 public:
  // `on_full(true)`: read no more; `on_full(false)`: read on. In turns, never from within itself.
  HeldBudget(size_t limit_bytes, std::function<void(bool full)> on_full)
      : limit_bytes_(limit_bytes), on_full_(std::move(on_full)) {}

  // One of them held `from` and holds `to`.
  void Change(size_t from, size_t to);

 private:
  const size_t limit_bytes_;
  const std::function<void(bool)> on_full_;
  size_t held_bytes_ = 0;
  bool full_ = false;
};

class Delivery final : public std::enable_shared_from_this<Delivery> {
 public:
  // The budget of a connection with one session.
  static constexpr size_t kHeld_bytes = 256 << 10;

  Delivery(Io* io, std::shared_ptr<HeldBudget> budget) : io_(io), budget_(std::move(budget)) {}

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
  size_t held_bytes() const { return held_bytes_; }

 private:
  struct Held {
    Channel channel;
    std::string data;
    bool end = false;
    size_t taken = 0;  // of data
  };

  bool passing() const { return observer_ != nullptr && !paused_ && held_.empty(); }
  void Hold(Channel channel, std::string_view data, bool end);
  void ScheduleRun();
  void Run();
  void Count();

  Io* const io_;
  const std::shared_ptr<HeldBudget> budget_;
  Channels::Observer* observer_ = nullptr;
  bool stopped_ = false;
  bool paused_ = false;
  bool scheduled_ = false;
  bool closed_ = false;
  uint32_t ended_ = 0;  // a bit for each channel
  Status why_;
  std::deque<Held> held_;
  size_t held_bytes_ = 0;  // with what was taken of the first, which is in memory still
  size_t counted_bytes_ = 0;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_DELIVERY_H_
