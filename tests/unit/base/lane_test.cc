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

// Blocks jobs until it ends, and knows how many there are.
class Stuck {
 public:
  ~Stuck() { Release(); }
  Lane::Job Job() {
    return [this, released = released_] {
      ++running_;
      released.wait();
    };
  }
  bool Await(int running) const {
    const MonoTime deadline = MonoNow() + std::chrono::seconds(10);
    while (running_ != running && MonoNow() < deadline) std::this_thread::yield();
    return running_ == running;
  }
  void Release() {
    if (!std::exchange(done_, true)) release_.set_value();
  }

 private:
  std::promise<void> release_;
  const std::shared_future<void> released_ = release_.get_future().share();
  std::atomic<int> running_ = 0;
  bool done_ = false;
};

TEST(LaneTest, StuckJobsLeaveRoomForOthers) {
  Telemetry telemetry;
  Stuck stuck;
  Lane lane("stuck", 2, 100, &telemetry, std::chrono::milliseconds(20));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(lane.Submit(stuck.Job()).ok());
  std::promise<void> other;
  ASSERT_TRUE(lane.Submit([&] { other.set_value(); }).ok());
  EXPECT_EQ(other.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_TRUE(stuck.Await(5));
  stuck.Release();
}

TEST(LaneTest, NotAllThatAreStuckGetAThread) {
  Telemetry telemetry;
  std::atomic<int> ran = 0;
  {
    Stuck stuck;
    Lane lane("stuck", 1, 100, &telemetry, std::chrono::milliseconds(1));
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(lane.Submit(stuck.Job()).ok());
    EXPECT_TRUE(stuck.Await(8));
    ASSERT_TRUE(lane.Submit([&] { ++ran; }).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(ran, 0);
    stuck.Release();
  }
  EXPECT_EQ(ran, 1);
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
