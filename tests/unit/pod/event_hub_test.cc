#include "pod/event_hub.h"

#include <gtest/gtest.h>

#include "pod_fixtures.h"

namespace crisp::pod {
namespace {

SandboxPtr TheSandbox() { return MakeSandbox(MakeSandboxRow("p", "11")); }

TEST(EventHub, EverySubscriberSeesEventsInOrderWithGrowingTimes) {
  EventHub hub;
  int woken = 0;
  auto a = hub.Subscribe([&] { ++woken; });
  auto b = hub.Subscribe({});
  hub.Publish(EventType::kCreated, "c1", TheSandbox());
  hub.Publish(EventType::kStarted, "c1", TheSandbox());
  EXPECT_EQ(woken, 1) << "only when the queue was empty";
  for (auto& subscription : {a, b}) {
    const auto first = subscription->Next();
    const auto second = subscription->Next();
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(first->type, EventType::kCreated);
    EXPECT_EQ(second->type, EventType::kStarted);
    EXPECT_LT(first->at_ns, second->at_ns);
    EXPECT_EQ(subscription->Next().status().code(), Code::kNotFound);
  }
}

TEST(EventHub, ASlowReaderIsDroppedAndToldAfterWhatItHad) {
  EventHub hub(/*max_queued=*/2);
  auto slow = hub.Subscribe({});
  for (int i = 0; i < 4; ++i) hub.Publish(EventType::kCreated, "c", TheSandbox());
  EXPECT_TRUE(slow->Next().ok());
  EXPECT_TRUE(slow->Next().ok());
  EXPECT_EQ(slow->Next().status().code(), Code::kResourceExhausted);
}

TEST(EventHub, ASubscriptionThatIsGoneIsForgotten) {
  EventHub hub;
  hub.Subscribe({}).reset();
  hub.Publish(EventType::kDeleted, "c", TheSandbox());
  auto later = hub.Subscribe({});
  EXPECT_EQ(later->Next().status().code(), Code::kNotFound) << "no history";
}

}  // namespace
}  // namespace crisp::pod
