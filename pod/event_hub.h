// EventHub: lifecycle events of sandboxes and containers, for whoever subscribes.
//
// What:    created, started, stopped, deleted (cri-contract section 15). A sandbox's event carries
//          the sandbox's id as container id.
// Threads: any. Publish never blocks: a subscriber that lets its queue fill up is dropped (its
//          Next() then returns kResourceExhausted) and relists.
#ifndef CRISP_POD_EVENT_HUB_H_
#define CRISP_POD_EVENT_HUB_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "base/core/result.h"
#include "pod/sandbox.h"

namespace crisp::pod {

enum class EventType { kCreated = 0, kStarted = 1, kStopped = 2, kDeleted = 3 };  // CRI's numbers

struct Event {
  EventType type;
  std::string id;      // container id, or the sandbox's own
  SandboxPtr sandbox;  // also when it is gone from the registry: DELETED says what it was
  int64_t at_ns = 0;
};

class EventHub {
 public:
  // One reader. `notify` is called (on the publisher's thread, must not block) when the queue goes
  // from empty to not empty, and once when the subscription is dropped.
  class Subscription {
   public:
    // The oldest event; kNotFound: none at present; kResourceExhausted: dropped.
    Result<Event> Next();

   private:
    friend class EventHub;
    std::mutex mutex_;
    std::deque<Event> queue_;
    bool dropped_ = false;
    std::function<void()> notify_;
  };

  explicit EventHub(size_t max_queued = 1024) : max_queued_(max_queued) {}

  std::shared_ptr<Subscription> Subscribe(std::function<void()> notify);
  void Publish(EventType type, std::string id, const SandboxPtr& sandbox);

 private:
  const size_t max_queued_;
  std::mutex mutex_;  // guards subscribers_ and orders publishing
  std::list<std::weak_ptr<Subscription>> subscribers_;
  int64_t last_at_ns_ = 0;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_EVENT_HUB_H_
