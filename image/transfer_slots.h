// TransferSlots: how many pulls are at work at a time, and how many layers they fetch and unpack.
//
//   Enter ──────> waiting ──fewer than Limits::pulls──> at work, one layer ──Leave──> gone
//   AskForMore ─> waiting ──fewer than Limits::layers─> one layer more ──GiveBack──> one less
//
// What:    who waits longest is served first. A pull at work has one layer in any case, so that no
//          pull with many keeps the next one waiting.
// Slow:    a pull that waits for its registry (pull_pace.h) does not count, nor do its layers, and
//          it gets no more. When it becomes faster again there may be more than the limits say.
//          What waits for a registry costs little; the caller bounds how many there are.
// A layer that waits for its parents gives its slot back and goes on without one, so that slots
// never wait for each other.
// Threads: any. News come through the pull's Mailbox, as letters with the indexes below. A pull
// that ends calls Leave, whatever happened.
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
  static constexpr size_t kEntered = SIZE_MAX;
  static constexpr size_t kOneMore = SIZE_MAX - 1;

  struct Limits {
    int pulls = 1;
    int layers = 1;  // of all pulls together
  };
  explicit TransferSlots(const Limits& limits) : limits_(limits) {}

  // Once. A letter kEntered comes, at once or later.
  void Enter(const MailboxPtr& box);
  // Of a pull at work; who asks again while it waits still waits for one. A letter kOneMore comes.
  void AskForMore(const MailboxPtr& box);
  void GiveBack(const MailboxPtr& box);
  void SetSlow(const MailboxPtr& box, bool slow);
  void Leave(const MailboxPtr& box);

 private:
  struct Share {
    int layers = 1;
    bool slow = false;
  };
  void ServeLocked();

  const Limits limits_;
  std::mutex mutex_;  // before a mailbox's; guards what follows
  std::map<MailboxPtr, Share> at_work_;
  std::deque<MailboxPtr> entering_;
  std::deque<MailboxPtr> asking_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_TRANSFER_SLOTS_H_
