#include "image/transfer_slots.h"

#include <algorithm>

namespace crisp::image {

void TransferSlots::Enter(const MailboxPtr& box) {
  std::lock_guard lock(mutex_);
  entering_.push_back(box);
  ServeLocked();
}

void TransferSlots::AskForMore(const MailboxPtr& box) {
  std::lock_guard lock(mutex_);
  if (!at_work_.contains(box)) return;
  if (std::find(asking_.begin(), asking_.end(), box) == asking_.end()) asking_.push_back(box);
  ServeLocked();
}

void TransferSlots::GiveBack(const MailboxPtr& box) {
  std::lock_guard lock(mutex_);
  const auto it = at_work_.find(box);
  if (it == at_work_.end() || it->second.layers <= 1) return;
  --it->second.layers;
  ServeLocked();
}

void TransferSlots::SetSlow(const MailboxPtr& box, bool slow) {
  std::lock_guard lock(mutex_);
  const auto it = at_work_.find(box);
  if (it == at_work_.end()) return;
  it->second.slow = slow;
  ServeLocked();
}

void TransferSlots::Leave(const MailboxPtr& box) {
  std::lock_guard lock(mutex_);
  std::erase(entering_, box);
  std::erase(asking_, box);
  at_work_.erase(box);
  ServeLocked();
}

// What is free is given, not offered: whoever had it last would be the first to take it again.
void TransferSlots::ServeLocked() {
  int pulls = 0;
  int layers = 0;
  for (const auto& [box, share] : at_work_) {
    if (share.slow) continue;
    ++pulls;
    layers += share.layers;
  }
  for (; !entering_.empty() && pulls < limits_.pulls; ++pulls, ++layers) {
    at_work_[entering_.front()] = Share();
    entering_.front()->Post({kEntered, nullptr});
    entering_.pop_front();
  }
  for (auto it = asking_.begin(); it != asking_.end() && layers < limits_.layers;) {
    Share& share = at_work_[*it];
    if (share.slow) {
      ++it;
      continue;
    }
    ++share.layers;
    ++layers;
    (*it)->Post({kOneMore, nullptr});
    it = asking_.erase(it);
  }
}

}  // namespace crisp::image
