#include "image/layer_reservations.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace crisp::image {

Result<MailboxPtr> Mailbox::Create(std::string source) {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return Errno("eventfd");
  return MailboxPtr(new Mailbox(std::move(event), std::move(source)));
}

void Mailbox::Post(Letter letter) {
  std::lock_guard lock(mutex_);
  letters_.push_back(std::move(letter));
  const uint64_t one = 1;
  (void)!::write(event_.get(), &one, sizeof(one));
}

std::vector<Mailbox::Letter> Mailbox::Take() {
  std::lock_guard lock(mutex_);
  uint64_t count = 0;
  (void)!::read(event_.get(), &count, sizeof(count));
  return std::exchange(letters_, {});
}

bool LayerReservations::Reserve(const std::string& diff_id, const MailboxPtr& box, size_t index) {
  std::lock_guard lock(mutex_);
  const auto [it, made] = reservations_.try_emplace(diff_id);
  if (made) {
    it->second.owner = box;
    return true;
  }
  it->second.waiters.push_back({box, index});
  return false;
}

void LayerReservations::Done(const std::string& diff_id, const LayerPtr& layer) {
  std::lock_guard lock(mutex_);
  const auto it = reservations_.find(diff_id);
  if (it == reservations_.end()) return;
  for (const Waiter& waiter : it->second.waiters) waiter.box->Post({waiter.index, layer});
  reservations_.erase(it);
}

LayerReservations::Map::iterator LayerReservations::PassOnLocked(Map::iterator it) {
  std::deque<Waiter>& waiters = it->second.waiters;
  if (waiters.empty()) return reservations_.erase(it);
  it->second.owner = waiters.front().box;
  waiters.front().box->Post({waiters.front().index, nullptr});
  waiters.pop_front();
  return std::next(it);
}

void LayerReservations::GiveUp(const std::string& diff_id, const MailboxPtr& box) {
  std::lock_guard lock(mutex_);
  const auto it = reservations_.find(diff_id);
  if (it != reservations_.end() && it->second.owner == box) PassOnLocked(it);
}

bool LayerReservations::Yield(const std::string& diff_id, const MailboxPtr& box, size_t index) {
  std::lock_guard lock(mutex_);
  const auto it = reservations_.find(diff_id);
  if (it == reservations_.end() || it->second.owner != box) return false;
  std::deque<Waiter>& waiters = it->second.waiters;
  const auto next = std::find_if(waiters.begin(), waiters.end(),
                                 [&](const Waiter& waiter) { return waiter.box != box; });
  if (next == waiters.end()) return false;
  it->second.owner = next->box;
  next->box->Post({next->index, nullptr});
  waiters.erase(next);
  waiters.push_back({box, index});
  return true;
}

void LayerReservations::PassOn(const MailboxPtr& box) {
  std::lock_guard lock(mutex_);
  for (auto& [diff_id, reservation] : reservations_) {
    if (reservation.owner != box) continue;
    reservation.slow_sources.insert(box->source());
    std::deque<Waiter>& waiters = reservation.waiters;
    const auto next = std::find_if(waiters.begin(), waiters.end(), [&](const Waiter& waiter) {
      return !reservation.slow_sources.contains(waiter.box->source());
    });
    if (next == waiters.end()) continue;
    reservation.owner = next->box;
    next->box->Post({next->index, nullptr});
    waiters.erase(next);
  }
}

void LayerReservations::Leave(const MailboxPtr& box) {
  std::lock_guard lock(mutex_);
  for (auto it = reservations_.begin(); it != reservations_.end();) {
    std::erase_if(it->second.waiters, [&](const Waiter& waiter) { return waiter.box == box; });
    it = it->second.owner == box ? PassOnLocked(it) : std::next(it);
  }
}

}  // namespace crisp::image
