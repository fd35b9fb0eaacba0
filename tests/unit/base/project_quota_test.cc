#include "base/core/project_quota.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace crisp {
namespace {

using testing::HasSubstr;

// What a file system with quotas does is in tests/integration/quota_test.cc.
TEST(ProjectQuota, SaysWhyThereIsNone) {
  const auto proc = ProjectQuota::Open("/proc");
  EXPECT_EQ(proc.status().code(), Code::kUnimplemented);
  EXPECT_THAT(proc.status().message(), HasSubstr("neither ext4 nor xfs"));
  EXPECT_EQ(ProjectQuota::Open("/proc/none").status().code(), Code::kNotFound);
}

TEST(ProjectQuota, ALimitThatNothingHoldsIsRefused) {
  Status why_not;
  const auto none = ProjectQuota::OpenFor({}, "/proc", &why_not);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  EXPECT_EQ(why_not.code(), Code::kUnimplemented);
  const auto limited = ProjectQuota::OpenFor({1 << 20, 0}, "/proc", &why_not);
  EXPECT_EQ(limited.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(limited.status().message(), HasSubstr("configure no limit"));
  EXPECT_EQ(ProjectQuota::OpenFor({0, 1}, "/proc", &why_not).status().code(),
            Code::kFailedPrecondition);
}

// Whatever keeps it from being used stops nobody who wants no limit.
TEST(ProjectQuota, AnErrorCountsOnlyWhereALimitIsWanted) {
  Status why_not;
  const auto none = ProjectQuota::OpenFor({}, "/proc/none", &why_not);
  ASSERT_TRUE(none.ok()) << none.status().ToString();
  EXPECT_FALSE(none->has_value());
  EXPECT_EQ(why_not.code(), Code::kNotFound);
  EXPECT_EQ(ProjectQuota::OpenFor({0, 1}, "/proc/none", &why_not).status().code(), Code::kNotFound);
}

TEST(ProjectQuota, DirectoriesWithoutAnId) {
  EXPECT_EQ(ProjectIdOf("/proc").value(), 0u);
  EXPECT_EQ(ProjectIdOf("/proc/none").status().code(), Code::kNotFound);
  EXPECT_FALSE(SetProjectId("/proc", 7).ok());
}

}  // namespace
}  // namespace crisp
