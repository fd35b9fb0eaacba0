// TransferSlots: how many layers all pulls together fetch and unpack at a time.
//
//   Take ──free──> held ──Give──> free; the longest waiting pull hears of it and takes anew
//     └───none───> waiting
//
// A layer that waits for its parents gives its slot back and goes on without one, so that slots
// never wait for each other.
// Threads: any. News come through the pull's Mailbox, as a letter with index kSlotFree. A pull that
// ends calls Leave, whatever happened.
#ifndef CRISP_IMAGE_TRANSFER_SLOTS_H_
#define CRISP_IMAGE_TRANSFER_SLOTS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>

#include "image/layer_reservations.h"

namespace crisp::image {

class TransferSlots {
 public:
  static constexpr size_t kSlotFree = SIZE_MAX;

  explicit TransferSlots(int limit) : free_(limit) {}

  // False: a letter will come.
  bool Take(const MailboxPtr& box);
  void Give(const MailboxPtr& box);
  void Leave(const MailboxPtr& box);

 private:
  void WakeLocked();

  std::mutex mutex_;  // before a mailbox's
  int free_;
  std::map<MailboxPtr, int> held_;
  std::deque<MailboxPtr> waiters_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_TRANSFER_SLOTS_H_
