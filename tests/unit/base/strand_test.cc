#include "base/strand.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>

namespace crisp {
namespace {

TEST(StrandTest, JobsNeverOverlapAndKeepTheirOrder) {
  Telemetry telemetry;
  std::vector<int> order;
  std::atomic<int> running = 0;
  {
    Lane lane("strand", 4, 1000, &telemetry);
    const auto strand = std::make_shared<Strand>(&lane);
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(strand
                      ->Submit([&, i] {
                        EXPECT_EQ(++running, 1);
                        order.push_back(i);
                        --running;
                      })
                      .ok());
    }
  }
  ASSERT_EQ(order.size(), 200u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(StrandTest, StrandsDoNotWaitForEachOther) {
  Telemetry telemetry;
  Lane lane("strand", 2, 10, &telemetry);
  const auto a = std::make_shared<Strand>(&lane);
  const auto b = std::make_shared<Strand>(&lane);
  std::promise<void> done;
  auto future = done.get_future().share();
  ASSERT_TRUE(a->Submit([future] { future.wait(); }).ok());
  ASSERT_TRUE(b->Submit([&] { done.set_value(); }).ok());
  EXPECT_EQ(future.wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

TEST(StrandTest, TheLanesRefusalIsPassedOnAndTheJobIsNotKept) {
  Telemetry telemetry;
  Lane lane("strand", 1, 10, &telemetry);
  const auto strand = std::make_shared<Strand>(&lane);
  lane.Shutdown();
  bool ran = false;
  EXPECT_EQ(strand->Submit([&] { ran = true; }).code(), Code::kUnavailable);
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace crisp
