// LayerReservations: simultaneous pulls fetch a layer once.
//
//   Reserve ──first──> owner ──Done──────> every waiter gets "have"
//      │                   ├──GiveUp/Leave─> the first waiter becomes the owner ("fetch")
//      └──others──> waiter └──PassOn───────> the first waiter of another source does, too
//
// PassOn is for an owner that is slow: others of its registry would be no faster, so that what many
// pull from there is still fetched once, but who has another source need not wait. The owner of
// before goes on; whoever is done first serves those who wait. What it has not begun to fetch it
// can Yield: then it is the one that waits. Threads: any. News reach a pull through its Mailbox, so
// that no pull writes to another's socket. A pull that ends calls Leave, whatever happened.
#ifndef CRISP_IMAGE_LAYER_RESERVATIONS_H_
#define CRISP_IMAGE_LAYER_RESERVATIONS_H_

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
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
  // `source`: where the pull's layers come from.
  static Result<std::shared_ptr<Mailbox>> Create(std::string source = {});
  void Post(Letter letter);
  std::vector<Letter> Take();
  // Readable while letters wait.
  int fd() const { return event_.get(); }
  const std::string& source() const { return source_; }

 private:
  Mailbox(UniqueFd event, std::string source)
      : event_(std::move(event)), source_(std::move(source)) {}
  const UniqueFd event_;
  const std::string source_;
  std::mutex mutex_;
  std::vector<Letter> letters_;
};
using MailboxPtr = std::shared_ptr<Mailbox>;

class LayerReservations {
 public:
  // True: `box` owns the layer now and fetches it. False: a letter will come.
  bool Reserve(const std::string& diff_id, const MailboxPtr& box, size_t index);
  // By the owner, or one of before. Waiters hold the layer from here on.
  void Done(const std::string& diff_id, const LayerPtr& layer);
  // `box` goes on by itself (the layer is tied) or has failed.
  void GiveUp(const std::string& diff_id, const MailboxPtr& box);
  // To the first waiter, if there is one. True: a letter will come.
  bool Yield(const std::string& diff_id, const MailboxPtr& box, size_t index);
  // Everything that `box` owns and somebody with a source that was not tried waits for.
  void PassOn(const MailboxPtr& box);
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
    std::set<std::string> slow_sources;
  };
  using Map = std::map<std::string, Reservation>;
  // Returns the next position.
  Map::iterator PassOnLocked(Map::iterator it);

  std::mutex mutex_;
  Map reservations_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_LAYER_RESERVATIONS_H_
