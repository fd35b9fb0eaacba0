#include "base/lane.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <set>

namespace crisp {
namespace {

TEST(LaneTest, RunsJobsAndBoundsItsThreads) {
  Telemetry telemetry;
  Lane lane("test", 3, 1000, &telemetry);
  std::atomic<int> running = 0, most = 0, ran = 0;
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(lane.Submit([&] {
                      const int now = ++running;
                      int seen = most;
                      while (now > seen && !most.compare_exchange_weak(seen, now)) {
                      }
                      std::this_thread::sleep_for(std::chrono::milliseconds(1));
                      --running;
                      ++ran;
                    })
                    .ok());
  }
  lane.Shutdown();
  EXPECT_EQ(ran, 60);
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 2);
  EXPECT_EQ(telemetry.GetHistogram("crisp_lane_wait_seconds", "", {{"lane", "test"}}).count(), 60u);
}

TEST(LaneTest, OneThreadKeepsOrder) {
  Telemetry telemetry;
  std::vector<int> order;
  {
    Lane lane("order", 1, 1000, &telemetry);
    for (int i = 0; i < 100; ++i)
      ASSERT_TRUE(lane.Submit([&order, i] { order.push_back(i); }).ok());
  }  // the destructor runs what is queued
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(LaneTest, AFullLaneRefuses) {
  Telemetry telemetry;
  Lane lane("full", 1, 2, &telemetry);
  std::promise<void> started, release;
  auto released = release.get_future().share();
  ASSERT_TRUE(lane.Submit([&started, released] {
                    started.set_value();
                    released.wait();
                  })
                  .ok());
  started.get_future().wait();
  EXPECT_TRUE(lane.Submit([] {}).ok());
  EXPECT_TRUE(lane.Submit([] {}).ok());
  const Status refused = lane.Submit([] {});
  EXPECT_EQ(refused.code(), Code::kResourceExhausted);
  release.set_value();
}

TEST(LaneTest, NothingAfterShutdown) {
  Telemetry telemetry;
  Lane lane("down", 2, 10, &telemetry);
  lane.Shutdown();
  EXPECT_EQ(lane.Submit([] {}).code(), Code::kUnavailable);
  lane.Shutdown();
}

TEST(LaneTest, ABlockedJobDoesNotBlockOthers) {
  Telemetry telemetry;
  Lane lane("blocked", 2, 10, &telemetry);
  std::promise<void> second;
  auto done = second.get_future().share();
  ASSERT_TRUE(lane.Submit([done] { done.wait(); }).ok());
  ASSERT_TRUE(lane.Submit([&] { second.set_value(); }).ok());
  EXPECT_EQ(done.wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

TEST(LaneTest, AJobMaySubmit) {
  Telemetry telemetry;
  Lane lane("nested", 1, 10, &telemetry);
  std::promise<void> done;
  ASSERT_TRUE(lane.Submit([&] { ASSERT_TRUE(lane.Submit([&] { done.set_value(); }).ok()); }).ok());
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

}  // namespace
}  // namespace crisp
