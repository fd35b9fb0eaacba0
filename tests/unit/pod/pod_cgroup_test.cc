#include "pod/pod_cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "pod/memory_limit.h"

namespace crisp::pod {

bool operator==(const GroupValue& a, const GroupValue& b) {
  return a.file == b.file && a.value == b.value && a.also == b.also;
}
void PrintTo(const GroupValue& value, std::ostream* out) {
  *out << value.file << "=" << value.value;
  for (const std::string& also : value.also) *out << "|" << also;
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

TEST(PodGroupValues, SumsThatAreTooLargeAreTheLargest) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const auto values = PodGroupValues(Limits(1024, kMost, kMost), Limits(1024, kMost, kMost), true);
  EXPECT_EQ(values.size(), 3u);
  for (const GroupValue& value : values) EXPECT_EQ(value.value.find('-'), std::string::npos);
}

TEST(PodGroupValues, ResourcesAndOverheadAreAdded) {
  const auto resources = Limits(1024, 50000, 64 << 20);
  const auto overhead = Limits(512, 10000, 16 << 20);
  EXPECT_THAT(PodGroupValues(resources, overhead, true),
              ElementsAre(GroupValue{"cpu.weight", "59", {"138"}},
                          GroupValue{"cpu.max", "60000 100000", {}},
                          GroupValue{"memory.max", Cat(80 << 20), {}}));
  EXPECT_THAT(PodGroupValues(resources, overhead, false),
              ElementsAre(GroupValue{"cpu.shares", "1536", {"1534", "1535", "1537"}},
                          GroupValue{"cpu.cfs_period_us", "100000", {}},
                          GroupValue{"cpu.cfs_quota_us", "60000", {}},
                          GroupValue{"memory.limit_in_bytes", Cat(80 << 20), {}}));
}

TEST(PodGroupValues, WhatIsNotSetIsNotTouched) {
  EXPECT_THAT(PodGroupValues({}, Limits(512, 10000, 16 << 20), true), IsEmpty())
      << "overhead alone says nothing of the pod";
  EXPECT_THAT(
      PodGroupValues(Limits(0, -1, -1), Limits(0, 10000, 1 << 20), true),
      ElementsAre(GroupValue{"cpu.max", "max 100000", {}}, GroupValue{"memory.max", "max", {}}));
  auto odd = Limits(0, 0, 10000);
  EXPECT_THAT(PodGroupValues(odd, {}, true), ElementsAre(GroupValue{"memory.max", "8192", {}}))
      << "the kernel keeps whole pages";
}

TEST(PodGroupValues, BothFormulasForWeights) {
  const auto weights = [](int64_t shares, int64_t overhead = 0) {
    const GroupValue value =
        PodGroupValues(Limits(shares, 0, 0), Limits(overhead, 0, 0), true).at(0);
    std::string out = value.value;
    for (const std::string& also : value.also) out += " " + also;
    return out;
  };
  EXPECT_EQ(weights(2), "1");
  EXPECT_EQ(weights(1024), "39 100");
  EXPECT_EQ(weights(262144), "10000");
  EXPECT_EQ(weights(int64_t{1} << 40), "10000");
  EXPECT_EQ(weights(INT64_MAX, INT64_MAX), "10000");
  EXPECT_EQ(weights(2, 27), "2 1 7") << "27 to 30 shares, by either formula";
}

// 0.1 CPUs, and 0.2 of overhead, are 102 and 204 shares, and together 307. None and 0.25 are 2 and
// 256, and together 256.
TEST(PodGroupValues, AKubeletRoundsTheSum) {
  const auto accepts = [](int64_t shares, int64_t overhead, const std::string& text) {
    const GroupValue value =
        PodGroupValues(Limits(shares, 0, 0), Limits(overhead, 0, 0), false).at(0);
    return value.value == text ||
           std::find(value.also.begin(), value.also.end(), text) != value.also.end();
  };
  EXPECT_TRUE(accepts(102, 204, "306"));
  EXPECT_TRUE(accepts(102, 204, "307"));
  EXPECT_FALSE(accepts(102, 204, "308"));
  EXPECT_FALSE(accepts(102, 204, "303"));
  EXPECT_TRUE(accepts(2, 256, "256"));
  EXPECT_TRUE(accepts(2, 2, "2"));
  EXPECT_FALSE(accepts(512, 0, "511")) << "nothing to add up";
}

TEST(PodGroupValues, OverheadInItsOwnPeriod) {
  auto overhead = Limits(0, 10000, 0);
  overhead.set_cpu_period(50000);
  EXPECT_THAT(PodGroupValues(Limits(0, 50000, 0), overhead, true),
              ElementsAre(GroupValue{"cpu.max", "70000 100000", {}}));
}

TEST(PodGroupValues, SwapHugepagesAndUnified) {
  auto resources = Limits(0, 0, 64 << 20);
  resources.set_memory_swap_limit_in_bytes(96 << 20);
  auto* huge = resources.add_hugepage_limits();
  huge->set_page_size("2MB");
  huge->set_limit(4 << 20);
  EXPECT_THAT(PodGroupValues(resources, {}, false),
              ElementsAre(GroupValue{"memory.memsw.limit_in_bytes", Cat(96 << 20), {}},
                          GroupValue{"memory.limit_in_bytes", Cat(64 << 20), {}},
                          GroupValue{"hugetlb.2MB.limit_in_bytes", Cat(4 << 20), {}}));
  (*resources.mutable_unified())["memory.max"] = "5";
  (*resources.mutable_unified())["memory.high"] = "4";
  EXPECT_THAT(PodGroupValues(resources, {}, true),
              ElementsAre(GroupValue{"memory.swap.max", Cat(32 << 20), {}},
                          GroupValue{"hugetlb.2MB.max", Cat(4 << 20), {}},
                          GroupValue{"memory.high", "4", {}}, GroupValue{"memory.max", "5", {}}));
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
      {{"cpu.weight", "59", {"138"}}, {"cpu.max", "60000 100000", {}}, {"memory.max", "8192", {}}});
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  EXPECT_EQ(*written, 1);
  EXPECT_EQ(Get("cpu.max"), "60000 100000\n");
  EXPECT_EQ(Get("cpu.weight"), "138\n") << "the other formula's weight is as good";
}

// Many shares have one weight, so what is in the file is not turned into shares again.
TEST_F(ConvergeTest, SharesAreComparedAsWeights) {
  const auto written = [this](int64_t shares) {
    return Converge(group_, PodGroupValues(Limits(shares, 0, 0), {}, true)).value();
  };
  Put("cpu.weight", "39\n");
  EXPECT_EQ(written(1024), 0);
  EXPECT_EQ(written(1000), 0) << "the same weight";
  EXPECT_EQ(written(2048), 1);
  EXPECT_EQ(Get("cpu.weight"), "79\n");
  Put("cpu.weight", "174\n");
  EXPECT_EQ(written(2048), 0) << "by a newer kubelet";
  EXPECT_EQ(Get("cpu.weight"), "174\n");
}

TEST_F(ConvergeTest, BytesAreComparedAsTheKernelKeepsThem) {
  Put("memory.high", "67108864\n");
  Put("memory.min", "8192\n");
  Put("memory.oom.group", "0\n");
  EXPECT_EQ(Converge(group_, {{"memory.high", "64M", {}},
                              {"memory.min", "10000", {}},
                              {"memory.oom.group", "1", {}}})
                .value(),
            1);
  EXPECT_EQ(Get("memory.high"), "67108864\n");
  EXPECT_EQ(Get("memory.oom.group"), "1\n");
}

// v2 would take it, and kill.
TEST_F(ConvergeTest, AMemoryLimitBelowTheUsageIsRefused) {
  Put("cpu.max", "11111 100000\n");
  Put("memory.max", "max\n");
  Put("memory.current", Cat(60 << 20));
  Put("memory.stat", Cat("anon 1\ninactive_file ", 20 << 20, "\n"));
  const auto converge = [this](const std::string& limit) {
    return Converge(group_, {{"cpu.max", "60000 100000", {}}, {"memory.max", limit, {}}}).status();
  };
  const Status refused = converge(Cat(40 << 20));
  EXPECT_EQ(refused.code(), Code::kFailedPrecondition);
  EXPECT_THAT(refused.message(), ::testing::HasSubstr(Cat("memory.max: ", 40 << 20)));
  EXPECT_EQ(converge("40M").code(), Code::kFailedPrecondition);
  EXPECT_EQ(Get("cpu.max"), "11111 100000\n") << "nothing was written";
  EXPECT_TRUE(converge("41M").ok()) << "what can be dropped does not count";
  EXPECT_EQ(Get("memory.max"), "41M\n");
  Put("memory.max", Cat(30 << 20, "\n"));
  EXPECT_TRUE(converge(Cat(35 << 20)).ok()) << "raised, if not far enough";
  EXPECT_TRUE(converge("max").ok());
}

TEST(ParseMemoryLimit, AsTheKernelReadsIt) {
  EXPECT_EQ(ParseMemoryLimit("8192"), 8192u);
  EXPECT_EQ(ParseMemoryLimit("8195"), 8192u);
  EXPECT_EQ(ParseMemoryLimit("8k"), 8192u);
  EXPECT_EQ(ParseMemoryLimit("2G"), uint64_t{2} << 30);
  for (const char* none : {"", "max", "-1", "8x", "8Mi", "M", "20000000000G"}) {
    EXPECT_EQ(ParseMemoryLimit(none), std::nullopt) << none;
  }
}

TEST_F(ConvergeTest, WhatTheKernelLacksIsLeftOut) {
  EXPECT_EQ(Converge(group_, {{"hugetlb.1GB.max", "0", {}}, {"memory.swap.max", "0", {}}}).value(),
            0);
  EXPECT_EQ(Converge(group_, {{"memory.max", "0", {}}}).status().code(), Code::kFailedPrecondition);
}

TEST_F(ConvergeTest, AGroupThatIsNotThere) {
  const CgroupDir gone(&layout_, "/gone");
  EXPECT_EQ(Converge(gone, {{"cpu.max", "1 1", {}}}).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(Converge(gone, {}).value(), 0);
}

TEST_F(ConvergeTest, AFailureIsWrittenBack) {
  Put("cpu.max", "11111 100000");
  // A directory: it can be read as little as written, so make it readable only.
  Put("memory.max", "4096");
  if (::access((root_ + "/pod/memory.max").c_str(), W_OK) != 0) GTEST_SKIP();
  ASSERT_EQ(::unlink((root_ + "/pod/memory.max").c_str()), 0);
  ASSERT_EQ(::symlink("/proc/self/mountinfo", (root_ + "/pod/memory.max").c_str()), 0);
  const auto result = Converge(group_, {{"cpu.max", "60000 100000", {}}, {"memory.max", "1", {}}});
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(Get("cpu.max"), "11111 100000");
}

}  // namespace
}  // namespace crisp::pod
