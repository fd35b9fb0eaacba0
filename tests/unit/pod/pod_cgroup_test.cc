#include "pod/pod_cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/core/dir_fd.h"
#include "base/core/file.h"

namespace crisp::pod {

bool operator==(const GroupValue& a, const GroupValue& b) {
  return a.file == b.file && a.value == b.value && a.also == b.also;
}
void PrintTo(const GroupValue& value, std::ostream* out) {
  *out << value.file << "=" << value.value << "|" << value.also;
}

namespace {

namespace v1 = ::runtime::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::LinuxContainerResources Limits(int64_t shares, int64_t quota, int64_t memory) {
  v1::LinuxContainerResources out;
  out.set_cpu_shares(shares);
  out.set_cpu_quota(quota);
  out.set_cpu_period(100000);
  out.set_memory_limit_in_bytes(memory);
  return out;
}

TEST(PodGroupValues, ResourcesAndOverheadAreAdded) {
  const auto resources = Limits(1024, 50000, 64 << 20);
  const auto overhead = Limits(512, 10000, 16 << 20);
  EXPECT_THAT(
      PodGroupValues(resources, overhead, true),
      ElementsAre(GroupValue{"cpu.weight", "59", "138"}, GroupValue{"cpu.max", "60000 100000", ""},
                  GroupValue{"memory.max", Cat(80 << 20), ""}));
  EXPECT_THAT(PodGroupValues(resources, overhead, false),
              ElementsAre(GroupValue{"cpu.shares", "1536", ""},
                          GroupValue{"cpu.cfs_period_us", "100000", ""},
                          GroupValue{"cpu.cfs_quota_us", "60000", ""},
                          GroupValue{"memory.limit_in_bytes", Cat(80 << 20), ""}));
}

TEST(PodGroupValues, WhatIsNotSetIsNotTouched) {
  EXPECT_THAT(PodGroupValues({}, Limits(512, 10000, 16 << 20), true), IsEmpty())
      << "overhead alone says nothing of the pod";
  EXPECT_THAT(
      PodGroupValues(Limits(0, -1, -1), Limits(0, 10000, 1 << 20), true),
      ElementsAre(GroupValue{"cpu.max", "max 100000", ""}, GroupValue{"memory.max", "max", ""}));
  auto odd = Limits(0, 0, 10000);
  EXPECT_THAT(PodGroupValues(odd, {}, true), ElementsAre(GroupValue{"memory.max", "8192", ""}))
      << "the kernel keeps whole pages";
}

TEST(PodGroupValues, BothFormulasForWeights) {
  const auto weights = [](int64_t shares) {
    const GroupValue value = PodGroupValues(Limits(shares, 0, 0), {}, true).at(0);
    return value.value + " " + value.also;
  };
  EXPECT_EQ(weights(2), "1 1");
  EXPECT_EQ(weights(1024), "39 100");
  EXPECT_EQ(weights(262144), "10000 10000");
  EXPECT_EQ(weights(int64_t{1} << 40), "10000 10000");
}

TEST(PodGroupValues, OverheadInItsOwnPeriod) {
  auto overhead = Limits(0, 10000, 0);
  overhead.set_cpu_period(50000);
  EXPECT_THAT(PodGroupValues(Limits(0, 50000, 0), overhead, true),
              ElementsAre(GroupValue{"cpu.max", "70000 100000", ""}));
}

TEST(PodGroupValues, SwapHugepagesAndUnified) {
  auto resources = Limits(0, 0, 64 << 20);
  resources.set_memory_swap_limit_in_bytes(96 << 20);
  auto* huge = resources.add_hugepage_limits();
  huge->set_page_size("2MB");
  huge->set_limit(4 << 20);
  EXPECT_THAT(PodGroupValues(resources, {}, false),
              ElementsAre(GroupValue{"memory.memsw.limit_in_bytes", Cat(96 << 20), ""},
                          GroupValue{"memory.limit_in_bytes", Cat(64 << 20), ""},
                          GroupValue{"hugetlb.2MB.limit_in_bytes", Cat(4 << 20), ""}));
  (*resources.mutable_unified())["memory.max"] = "5";
  (*resources.mutable_unified())["memory.high"] = "4";
  EXPECT_THAT(PodGroupValues(resources, {}, true),
              ElementsAre(GroupValue{"memory.swap.max", Cat(32 << 20), ""},
                          GroupValue{"hugetlb.2MB.max", Cat(4 << 20), ""},
                          GroupValue{"memory.high", "4", ""}, GroupValue{"memory.max", "5", ""}));
}

// A directory of files that plays a v2 group.
class ConvergeTest : public ::testing::Test {
 protected:
  ConvergeTest() {
    std::string pattern = ::testing::TempDir() + "crisp-group-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    layout_.v2 = true;
    layout_.mounts = {{"", root_}};
    EXPECT_TRUE(EnsureDirectory(root_ + "/pod").ok());
  }
  ~ConvergeTest() override { EXPECT_TRUE(RemoveTreeAt(root_).ok()); }
  void Put(const std::string& file, const std::string& text) {
    EXPECT_TRUE(WriteFile(root_ + "/pod/" + file, text).ok());
  }
  std::string Get(const std::string& file) { return ReadFile(root_ + "/pod/" + file).value(); }

  std::string root_;
  CgroupLayout layout_;
  CgroupDir group_{&layout_, "/pod"};
};

TEST_F(ConvergeTest, WritesOnlyWhatDiffers) {
  Put("cpu.weight", "138\n");
  Put("cpu.max", "11111 100000\n");
  Put("memory.max", "8192\n");
  ASSERT_EQ(::chmod((root_ + "/pod/memory.max").c_str(), 0400), 0);
  const auto written = Converge(
      group_,
      {{"cpu.weight", "59", "138"}, {"cpu.max", "60000 100000", ""}, {"memory.max", "8192", ""}});
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  EXPECT_EQ(*written, 1);
  EXPECT_EQ(Get("cpu.max"), "60000 100000\n");
  EXPECT_EQ(Get("cpu.weight"), "138\n") << "the other formula's weight is as good";
}

TEST_F(ConvergeTest, WhatTheKernelLacksIsLeftOut) {
  EXPECT_EQ(Converge(group_, {{"hugetlb.1GB.max", "0", ""}, {"memory.swap.max", "0", ""}}).value(),
            0);
  EXPECT_EQ(Converge(group_, {{"memory.max", "0", ""}}).status().code(), Code::kFailedPrecondition);
}

TEST_F(ConvergeTest, AGroupThatIsNotThere) {
  const CgroupDir gone(&layout_, "/gone");
  EXPECT_EQ(Converge(gone, {{"cpu.max", "1 1", ""}}).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(Converge(gone, {}).value(), 0);
}

TEST_F(ConvergeTest, AFailureIsWrittenBack) {
  Put("cpu.max", "11111 100000");
  // A directory: it can be read as little as written, so make it readable only.
  Put("memory.max", "4096");
  if (::access((root_ + "/pod/memory.max").c_str(), W_OK) != 0) GTEST_SKIP();
  ASSERT_EQ(::unlink((root_ + "/pod/memory.max").c_str()), 0);
  ASSERT_EQ(::symlink("/proc/self/mountinfo", (root_ + "/pod/memory.max").c_str()), 0);
  const auto result = Converge(group_, {{"cpu.max", "60000 100000", ""}, {"memory.max", "1", ""}});
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(Get("cpu.max"), "11111 100000");
}

}  // namespace
}  // namespace crisp::pod
