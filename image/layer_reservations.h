// LayerReservations: simultaneous pulls fetch a layer once.
//
//   Reserve ──first──> owner ──Done──────> every waiter gets "have"
//      │                 └────GiveUp/Leave─> the first waiter becomes the owner ("fetch")
//      └──others──> waiter
//
// Threads: any. News reach a pull through its Mailbox, so that no pull writes to another's socket.
// A pull that ends calls Leave, whatever happened.
#ifndef CRISP_IMAGE_LAYER_RESERVATIONS_H_
#define CRISP_IMAGE_LAYER_RESERVATIONS_H_

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "image/layer.h"

namespace crisp::image {

class Mailbox {
 public:
  struct Letter {
    size_t index = 0;
    LayerPtr layer;  // nullptr: fetch it yourself
  };
  static Result<std::shared_ptr<Mailbox>> Create();
  void Post(Letter letter);
  std::vector<Letter> Take();
  // Readable while letters wait.
  int fd() const { return event_.get(); }

 private:
  explicit Mailbox(UniqueFd event) : event_(std::move(event)) {}
  UniqueFd event_;
  std::mutex mutex_;
  std::vector<Letter> letters_;
};
using MailboxPtr = std::shared_ptr<Mailbox>;

class LayerReservations {
 public:
  // True: `box` owns the layer now and fetches it. False: a letter will come.
  bool Reserve(const std::string& diff_id, const MailboxPtr& box, size_t index);
  void Done(const std::string& diff_id, const MailboxPtr& box, const LayerPtr& layer);
  // `box` goes on by itself (the layer is tied) or has failed.
  void GiveUp(const std::string& diff_id, const MailboxPtr& box);
  // Out of every queue; what it owns goes to the next waiter.
  void Leave(const MailboxPtr& box);

 private:
  struct Waiter {
    MailboxPtr box;
    size_t index;
  };
  struct Reservation {
    MailboxPtr owner;
    std::deque<Waiter> waiters;
  };
  using Map = std::map<std::string, Reservation>;
  // Returns the next position.
  Map::iterator PassOnLocked(Map::iterator it);

  std::mutex mutex_;
  Map reservations_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_LAYER_RESERVATIONS_H_
