#include "pod/container.h"

#include <gtest/gtest.h>

#include "base/core/clock.h"
#include "pod_fixtures.h"

namespace crisp::pod {
namespace {

constexpr int64_t kHour_ns = int64_t{3600} * 1'000'000'000;

TEST(SetFinished, IsNeverBeforeTheStartAndTheCreation) {
  ContainerRow row = MakeContainerRow("c", "c1");
  row.created_at_ns = 100;
  SetFinished(50, &row);
  EXPECT_EQ(row.finished_at_ns, 100) << "never started";
  row.started_at_ns = 200;
  SetFinished(150, &row);
  EXPECT_EQ(row.finished_at_ns, 200);
  SetFinished(250, &row);
  EXPECT_EQ(row.finished_at_ns, 250);
  SetFinished(210, &row);
  EXPECT_EQ(row.finished_at_ns, 210) << "an earlier end does not hold a later one back";
}

TEST(SetExited, IsNow) {
  ContainerRow row = MakeContainerRow("c", "c1");
  row.started_at_ns = 9;
  const int64_t before = WallNowNs();
  SetExited(128, "StartError", "no such file", &row);
  EXPECT_EQ(row.state, ContainerState::kExited);
  EXPECT_EQ(row.exit_code, 128);
  EXPECT_EQ(row.reason, "StartError");
  EXPECT_EQ(row.message, "no such file");
  EXPECT_GE(row.finished_at_ns, before);
  EXPECT_LE(row.finished_at_ns, WallNowNs());
}

// The wall clock was set back since: by an hour here, which no test run takes.
TEST(SetExited, IsNotBeforeAStartThatLiesInTheFuture) {
  ContainerRow row = MakeContainerRow("c", "c1");
  row.created_at_ns = WallNowNs() + kHour_ns;
  SetExited(255, "Unknown", "the node was restarted", &row);
  EXPECT_EQ(row.finished_at_ns, row.created_at_ns);
  row.started_at_ns = row.created_at_ns + 1;
  SetExited(255, "Unknown", "the node was restarted", &row);
  EXPECT_EQ(row.finished_at_ns, row.started_at_ns);
}

}  // namespace
}  // namespace crisp::pod
