#include "image/transfer_slots.h"

#include <algorithm>

namespace crisp::image {

bool TransferSlots::Take(const MailboxPtr& box) {
  std::lock_guard lock(mutex_);
  if (free_ > 0) {
    --free_;
    ++held_[box];
    return true;
  }
  if (std::find(waiters_.begin(), waiters_.end(), box) == waiters_.end()) waiters_.push_back(box);
  return false;
}

void TransferSlots::WakeLocked() {
  for (int i = 0; i < free_ && !waiters_.empty(); ++i) {
    waiters_.front()->Post({kSlotFree, nullptr});
    waiters_.pop_front();
  }
}

void TransferSlots::Give(const MailboxPtr& box) {
  std::lock_guard lock(mutex_);
  const auto it = held_.find(box);
  if (it == held_.end() || it->second == 0) return;
  --it->second;
  ++free_;
  WakeLocked();
}

void TransferSlots::Leave(const MailboxPtr& box) {
  std::lock_guard lock(mutex_);
  std::erase(waiters_, box);
  if (const auto it = held_.find(box); it != held_.end()) {
    free_ += it->second;
    held_.erase(it);
  }
  // Also when it held none: it may have been told of a slot that it did not take.
  WakeLocked();
}

}  // namespace crisp::image
