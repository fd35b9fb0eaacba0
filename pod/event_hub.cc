#include "pod/event_hub.h"

#include <algorithm>

#include "base/core/clock.h"

namespace crisp::pod {

Result<Event> EventHub::Subscription::Next() {
  std::lock_guard lock(mutex_);
  if (!queue_.empty()) {
    Event event = std::move(queue_.front());
    queue_.pop_front();
    return event;
  }
  if (dropped_) return ResourceExhausted("events: this reader was too slow and was dropped");
  return NotFound("events: none at present");
}

std::shared_ptr<EventHub::Subscription> EventHub::Subscribe(std::function<void()> notify) {
  auto subscription = std::make_shared<Subscription>();
  subscription->notify_ = std::move(notify);
  std::lock_guard lock(mutex_);
  subscribers_.push_back(subscription);
  return subscription;
}

void EventHub::Publish(EventType type, std::string id, const SandboxPtr& sandbox) {
  std::lock_guard lock(mutex_);
  if (subscribers_.empty()) return;
  // Strictly increasing, also when the wall clock steps back.
  last_at_ns_ = std::max(last_at_ns_ + 1, WallNowNs());
  const Event event{type, std::move(id), sandbox, last_at_ns_};
  for (auto it = subscribers_.begin(); it != subscribers_.end();) {
    const auto subscription = it->lock();
    if (!subscription) {
      it = subscribers_.erase(it);
      continue;
    }
    bool notify;
    bool drop;
    {
      std::lock_guard reader(subscription->mutex_);
      drop = subscription->queue_.size() >= max_queued_;
      notify = drop || subscription->queue_.empty();
      subscription->dropped_ |= drop;
      if (!drop) subscription->queue_.push_back(event);
    }
    if (notify && subscription->notify_) subscription->notify_();
    it = drop ? subscribers_.erase(it) : std::next(it);
  }
}

}  // namespace crisp::pod
