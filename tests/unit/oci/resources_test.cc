#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/spec_parts.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Layouts over directories that look like the kernel's.
class ResourcesTest : public ::testing::Test {
 protected:
  ResourcesTest() {
    v1_.mounts = {{"memory", cgroup_.path() + "/memory"}, {"pids", cgroup_.path() + "/pids"}};
    cgroup_.Write("memory/memory.memsw.limit_in_bytes", "0");
    v2_.v2 = true;
    v2_.mounts = {{"", cgroup_.path() + "/two"}};
    cgroup_.Write("two/cgroup.controllers", "cpu memory pids\n");
    cgroup_.Write("two/system.slice/memory.swap.max", "max");
    std::filesystem::create_directories(cgroup_.path() + "/huge/hugepages-2048kB");
    host_.hugepages_directory = cgroup_.path() + "/huge";
  }
  Result<LinuxResources> Complete(const LinuxResources& r, const CgroupLayout& layout) {
    return CompleteResourcesOn(r, &layout, host_);
  }
  TestRootfs cgroup_;
  CgroupLayout v1_;
  CgroupLayout v2_;
  HostFacts host_ = FullHost();
};

TEST_F(ResourcesTest, SwapFollowsTheMemoryLimit) {
  LinuxResources r;
  r.memory_limit_bytes = 100;
  EXPECT_EQ(Complete(r, v1_)->memory_swap_bytes, 100);
  EXPECT_EQ(Complete(r, v2_)->memory_swap_bytes, 100);
  r.memory_swap_bytes = 150;
  EXPECT_EQ(Complete(r, v1_)->memory_swap_bytes, 150);
  r.memory_swap_bytes = -1;
  EXPECT_EQ(Complete(r, v1_)->memory_swap_bytes, -1);
  std::filesystem::remove(cgroup_.path() + "/memory/memory.memsw.limit_in_bytes");
  std::filesystem::remove(cgroup_.path() + "/two/system.slice/memory.swap.max");
  r.memory_swap_bytes = 150;
  EXPECT_EQ(Complete(r, v1_)->memory_swap_bytes, std::nullopt) << "swap is not accounted";
  EXPECT_EQ(Complete(r, v2_)->memory_swap_bytes, std::nullopt);
  EXPECT_EQ(Complete({}, v1_)->memory_swap_bytes, std::nullopt);
}

TEST_F(ResourcesTest, WrongValuesAreNamed) {
  struct Case {
    const char* field;
    void (*set)(LinuxResources&);
  };
  for (const Case& c : {
           Case{"cpu_quota", [](LinuxResources& r) { r.cpu_quota_us = -2; }},
           Case{"cpu_quota", [](LinuxResources& r) { r.cpu_quota_us = 999; }},
           Case{"cpu_period", [](LinuxResources& r) { r.cpu_period_us = 999; }},
           Case{"cpu_period", [](LinuxResources& r) { r.cpu_period_us = 1000001; }},
           Case{"cpuset_cpus", [](LinuxResources& r) { r.cpuset_cpus = "0-"; }},
           Case{"cpuset_cpus", [](LinuxResources& r) { r.cpuset_cpus = "3-1"; }},
           Case{"cpuset_mems", [](LinuxResources& r) { r.cpuset_mems = "0,,1"; }},
           Case{"memory_limit", [](LinuxResources& r) { r.memory_limit_bytes = -2; }},
           Case{"memory_swap", [](LinuxResources& r) { r.memory_swap_bytes = 5; }},
           Case{"memory_swap",
                [](LinuxResources& r) {
                  r.memory_limit_bytes = 100;
                  r.memory_swap_bytes = 50;
                }},
           Case{"hugepage",
                [](LinuxResources& r) {
                  r.hugepage_limits = {{"2 MB", 0}};
                }},
           Case{"hugepage",
                [](LinuxResources& r) {
                  r.hugepage_limits = {{"MB", 0}};
                }},
           Case{"unified",
                [](LinuxResources& r) {
                  r.unified = {{"memory.high", "1"}};
                }},
       }) {
    LinuxResources r;
    c.set(r);
    const Status status = Complete(r, v1_).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << c.field;
    EXPECT_THAT(status.message(), HasSubstr(c.field));
  }
}

TEST_F(ResourcesTest, ZeroIsUnset) {
  LinuxResources r;
  r.cpu_shares = 0;
  r.cpu_quota_us = 0;
  r.cpu_period_us = 0;
  r.memory_limit_bytes = 0;
  r.memory_swap_bytes = 0;
  r.pids_limit = 0;
  EXPECT_EQ(*ToJson(*Complete(r, v1_)), "{}");
  r.cpu_shares = 1;
  EXPECT_EQ(Complete(r, v1_)->cpu_shares, 2u);
  r.cpu_shares = 300000;
  EXPECT_EQ(Complete(r, v1_)->cpu_shares, 262144u);
  r.cpu_quota_us = -1;
  r.cpuset_cpus = "0-3,5";
  EXPECT_EQ(Complete(r, v1_)->cpu_quota_us, -1);
}

TEST_F(ResourcesTest, Hugepages) {
  LinuxResources r;
  r.hugepage_limits = {{"2MB", 1 << 21}, {"1GB", 0}};
  EXPECT_THAT(Complete(r, v1_)->hugepage_limits, IsEmpty()) << "no hugetlb controller";
  EXPECT_THAT(Complete(r, v2_)->hugepage_limits, IsEmpty());
  v1_.mounts.emplace_back("hugetlb", cgroup_.path() + "/hugetlb");
  cgroup_.Write("two/cgroup.controllers", "cpu hugetlb memory\n");
  EXPECT_THAT(Complete(r, v1_)->hugepage_limits, SizeIs(1)) << "no 1GB pages here";
  EXPECT_THAT(Complete(r, v2_)->hugepage_limits, SizeIs(1));
  r.hugepage_limits[1].limit_bytes = 1;
  EXPECT_EQ(Complete(r, v2_).status().code(), Code::kInvalidArgument);
}

TEST_F(ResourcesTest, UnifiedOnV2) {
  LinuxResources r;
  r.unified = {{"memory.oom.group", "1"}};
  EXPECT_THAT(Complete(r, v2_)->unified, SizeIs(1));
  for (const char* bad : {"memory", "../memory.high", "a/b.c", "cgroup.procs"}) {
    r.unified = {{bad, "1"}};
    EXPECT_EQ(Complete(r, v2_).status().code(), Code::kInvalidArgument) << bad;
  }
}

TEST_F(ResourcesTest, PidsWithoutController) {
  LinuxResources r;
  r.pids_limit = 5;
  EXPECT_EQ(Complete(r, v1_)->pids_limit, 5);
  v1_.mounts.pop_back();
  EXPECT_EQ(Complete(r, v1_)->pids_limit, std::nullopt);
}

TEST(MergeResourcesTest, OnlyWhatIsSetChanges) {
  LinuxResources current;
  current.cpu_shares = 512;
  current.cpu_quota_us = 1000;
  current.memory_limit_bytes = 100;
  current.memory_swap_bytes = 100;
  current.cpuset_cpus = "0";
  LinuxResources update;
  update.cpuset_cpus = "1";
  update.cpu_quota_us = 0;
  LinuxResources merged = MergeResources(current, update);
  EXPECT_EQ(merged.cpuset_cpus, "1");
  EXPECT_EQ(merged.cpu_quota_us, 1000);
  EXPECT_EQ(merged.cpu_shares, 512u);
  update.cpu_quota_us = -1;
  update.unified = {{"memory.high", "5"}};
  update.hugepage_limits = {{"2MB", 3}};
  merged = MergeResources(current, update);
  EXPECT_EQ(merged.cpu_quota_us, -1);
  EXPECT_EQ(merged.unified.at("memory.high"), "5");
  EXPECT_EQ(merged.hugepage_limits.at(0).limit_bytes, 3u);
}

TEST(MergeResourcesTest, SwapStaysAtOrAboveMemory) {
  struct Case {
    std::optional<int64_t> limit, swap, new_limit, new_swap, expected;
  };
  for (const Case& c :
       {Case{100, 100, 200, {}, 200}, Case{100, 100, 50, {}, 50}, Case{100, 150, 120, {}, 150},
        Case{100, 150, 200, {}, 200}, Case{100, -1, 200, {}, -1}, Case{100, 100, 200, 300, 300},
        Case{100, 100, {}, 300, 300}, Case{{}, {}, 100, {}, {}}, Case{100, 100, -1, {}, -1},
        Case{100, 100, {}, {}, 100}}) {
    LinuxResources current;
    current.memory_limit_bytes = c.limit;
    current.memory_swap_bytes = c.swap;
    LinuxResources update;
    update.memory_limit_bytes = c.new_limit;
    update.memory_swap_bytes = c.new_swap;
    EXPECT_EQ(MergeResources(current, update).memory_swap_bytes, c.expected);
  }
}

}  // namespace
}  // namespace crisp::oci
