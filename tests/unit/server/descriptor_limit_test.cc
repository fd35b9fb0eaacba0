#include "server/descriptor_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/core/child_process.h"

namespace crisp {
namespace {

TEST(DescriptorLimit, IsRaisedHereAndNotInChildren) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  if (before.rlim_max <= 256) GTEST_SKIP() << "the hard limit is " << before.rlim_max;
  const rlimit low{256, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const Status raised = RaiseDescriptorLimit();
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  RunOptions run;
  run.argv = {"/bin/sh", "-c", "ulimit -Sn"};
  const auto child = crisp::Run(run);
  SetChildDescriptorLimit(0);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(raised.ok()) << raised.ToString();
  EXPECT_EQ(after.rlim_cur, std::min<rlim_t>(before.rlim_max, 1 << 20));
  EXPECT_EQ(after.rlim_max, before.rlim_max);
  ASSERT_TRUE(child.ok()) << child.status().ToString();
  EXPECT_EQ(child->stdout_data, "256\n");
}

}  // namespace
}  // namespace crisp
