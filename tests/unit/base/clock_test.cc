#include "base/core/clock.h"

#include <gtest/gtest.h>

namespace crisp {
namespace {

TEST(ClockTest, PollTimeouts) {
  EXPECT_EQ(PollTimeoutMs(NoDeadline()), -1);
  EXPECT_EQ(PollTimeoutMs(MonoNow() - std::chrono::seconds(1)), 0);
  // Rounded up: a loop that polls with 0 for the last fraction of a millisecond would spin.
  EXPECT_EQ(PollTimeoutMs(MonoNow() + std::chrono::microseconds(900)), 1);
  EXPECT_EQ(PollTimeoutMs(MonoNow() + std::chrono::hours(24 * 365)), 1'000'000'000);
}

TEST(ClockTest, WallClockIsInNanoseconds) {
  EXPECT_GT(WallNowNs(), int64_t{1'600'000'000} * 1'000'000'000);
}

}  // namespace
}  // namespace crisp
