#include "pod/container_stats.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/core/dir_fd.h"
#include "pod_fixtures.h"

namespace crisp::pod {
namespace {

TEST(MeasureDirectory, CountsBytesAndInodesAndHardLinksOnce) {
  char path[] = "/tmp/crisp-measure.XXXXXX";
  ASSERT_NE(::mkdtemp(path), nullptr);
  const std::string top = path;
  ASSERT_TRUE(EnsureDirectory(top + "/d/e").ok());
  ASSERT_TRUE(WriteFile(top + "/d/file", std::string(100'000, 'x')).ok());
  const auto before = MeasureDirectory(top);
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(before->inodes, 3u);
  EXPECT_GE(before->used_bytes, 100'000u);
  ASSERT_EQ(::link((top + "/d/file").c_str(), (top + "/d/e/again").c_str()), 0);
  EXPECT_EQ(MeasureDirectory(top)->inodes, 3u);
  EXPECT_TRUE(RemoveTreeAt(top).ok());
  EXPECT_EQ(MeasureDirectory(top).status().code(), Code::kNotFound);
}

// A container decides how deep its directories are: more levels than there are descriptors.
TEST(MeasureDirectory, CountsWhatIsDeep) {
  char path[] = "/tmp/crisp-measure.XXXXXX";
  ASSERT_NE(::mkdtemp(path), nullptr);
  constexpr uint64_t kDepth = 2500;
  UniqueFd at = OpenFile(path, O_PATH | O_DIRECTORY).value();
  for (uint64_t i = 0; i < kDepth; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
    at = OpenAt(at.get(), "d", O_PATH | O_DIRECTORY).value();
  }
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{200, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto usage = MeasureDirectory(path);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(usage.ok()) << usage.status().ToString();
  EXPECT_EQ(usage->inodes, kDepth);
  EXPECT_TRUE(RemoveTreeAt(path).ok());
}

// A container whose layer is walked by the test.
class LayerWalkTest : public ::testing::Test {
 protected:
  LayerWalkTest() {
    std::string pattern = ::testing::TempDir() + "crisp-walk-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    layout_.v2 = true;
    layout_.mounts = {{"", root_ + "/cgroup"}};
    Options options;
    options.root = root_;
    options.state = root_;
    options.cgroup_layout = &layout_;
    env_ = std::make_unique<Environment>(std::move(options));
    env_->layer_quotas = LayerQuotas::Open(root_, {}).value();
  }
  ~LayerWalkTest() override { EXPECT_TRUE(RemoveTreeAt(root_).ok()); }

  // Reads with `walk(n)` as the n-th walk, counted from 1.
  void MakeReader(Duration again, std::function<Result<DiskUsage>(int)> walk,
                  Duration of_a_list = std::chrono::hours(1)) {
    LayerWalks walks;
    walks.of_a_list = of_a_list;
    walks.again = again;
    walks.measure = [this, walk = std::move(walk)](const std::string&) { return walk(++walks_); };
    reader_ = std::make_unique<StatsReader>(env_.get(), std::move(walks));
  }
  Result<uint64_t> Inodes() {
    v1::ContainerStats stats;
    CRISP_RETURN_IF_ERROR(reader_->Read(container_, &stats));
    return stats.writable_layer().inodes_used().value();
  }
  // Reads until it was a walk that answered: the last one was too long ago for no time at all.
  Result<uint64_t> InodesOfAWalk() {
    const int before = walks_;
    for (;;) {
      Result<uint64_t> inodes = Inodes();
      if (walks_ != before) return inodes;
    }
  }

  std::string root_;
  CgroupLayout layout_;
  std::unique_ptr<Environment> env_;
  ContainerPtr container_ =
      MakeContainer(MakeContainerRow("c", "c1"), MakeSandbox(MakeSandboxRow("p", "11")));
  std::unique_ptr<StatsReader> reader_;
  std::atomic<int> walks_ = 0;
};

constexpr Duration kNever = std::chrono::hours(1);

TEST_F(LayerWalkTest, AValueHoldsForSomeTime) {
  MakeReader(kNever, [](int n) { return DiskUsage{0, static_cast<uint64_t>(n)}; });
  EXPECT_EQ(Inodes().value(), 1u);
  EXPECT_EQ(Inodes().value(), 1u);
  reader_->Forget(container_->id());
  EXPECT_EQ(Inodes().value(), 2u);
}

TEST_F(LayerWalkTest, LongWalksAreRarer) {
  MakeReader(Duration::zero(), [](int n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    return DiskUsage{0, static_cast<uint64_t>(n)};
  });
  EXPECT_EQ(Inodes().value(), 1u);
  EXPECT_EQ(Inodes().value(), 1u) << "not within the next ten seconds";
}

TEST_F(LayerWalkTest, WhoAsksDuringAWalkGetsTheLastValue) {
  std::promise<void> begun;
  std::promise<void> go_on;
  MakeReader(Duration::zero(), [&](int n) {
    if (n == 2) {
      begun.set_value();
      go_on.get_future().wait();
    }
    return DiskUsage{0, static_cast<uint64_t>(n)};
  });
  EXPECT_EQ(Inodes().value(), 1u);
  auto walker = std::async(std::launch::async, [this] { return InodesOfAWalk().value(); });
  begun.get_future().wait();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Inodes().value(), 1u);
  EXPECT_EQ(walks_.load(), 2);
  go_on.set_value();
  EXPECT_EQ(walker.get(), 2u);
  EXPECT_EQ(InodesOfAWalk().value(), 3u) << "the walks go on";
}

TEST_F(LayerWalkTest, EachHasItsTurnInLists) {
  MakeReader(
      Duration::zero(),
      [](int n) {
        return DiskUsage{0, static_cast<uint64_t>(n)};
      },
      Duration::zero());
  std::vector<ContainerPtr> all;
  for (const char* id : {"c1", "c2", "c3"}) {
    all.push_back(MakeContainer(MakeContainerRow(id, id), container_->sandbox()));
  }
  const auto layers = [&] {
    std::vector<uint64_t> out;  // 0: has none
    for (const auto& stats : reader_->ReadAll(all)) {
      out.push_back(stats.writable_layer().inodes_used().value());
    }
    return out;
  };
  EXPECT_EQ(layers(), (std::vector<uint64_t>{0, 0, 0})) << "no time for any";
  EXPECT_EQ(reader_->remembered(), 0u);
  // Time for one, whose walk takes longer.
  MakeReader(
      kNever,
      [](int n) {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        return DiskUsage{0, static_cast<uint64_t>(n)};
      },
      std::chrono::milliseconds(300));
  EXPECT_EQ(layers(), (std::vector<uint64_t>{1, 0, 0}));
  reader_->Forget(all[0]->id());  // due again, as it will be in time
  EXPECT_EQ(layers(), (std::vector<uint64_t>{0, 2, 0}));
  EXPECT_EQ(layers(), (std::vector<uint64_t>{0, 2, 3}));
  EXPECT_EQ(layers(), (std::vector<uint64_t>{4, 2, 3}));
}

// As of a container that was removed before.
TEST_F(LayerWalkTest, AWalkThatFailsLeavesNoEntry) {
  MakeReader(Duration::zero(), [](int) -> Result<DiskUsage> { return NotFound("no layer"); });
  EXPECT_EQ(Inodes().status().code(), Code::kNotFound);
  EXPECT_EQ(reader_->remembered(), 0u);
}

TEST_F(LayerWalkTest, AWalkThatFailsOnceKeepsTheValue) {
  MakeReader(Duration::zero(), [](int n) -> Result<DiskUsage> {
    if (n == 2) return Internal("once");
    return DiskUsage{0, static_cast<uint64_t>(n)};
  });
  EXPECT_EQ(Inodes().value(), 1u);
  EXPECT_EQ(InodesOfAWalk().status().code(), Code::kInternal);
  EXPECT_EQ(reader_->remembered(), 1u);
  EXPECT_EQ(InodesOfAWalk().value(), 3u);
}

TEST_F(LayerWalkTest, WhoIsForgottenDuringAWalkStaysSo) {
  MakeReader(kNever, [this](int n) {
    reader_->Forget(container_->id());
    return DiskUsage{0, static_cast<uint64_t>(n)};
  });
  EXPECT_EQ(Inodes().value(), 1u);
  EXPECT_EQ(reader_->remembered(), 0u);
}

// Files as the kernel writes them.
class CgroupStatsTest : public LayerWalkTest {
 protected:
  CgroupStatsTest() {
    MakeReader(kNever, [](int) { return DiskUsage{}; });
  }
  void Put(const std::string& file, const std::string& text) {
    const std::string group = root_ + "/cgroup" + env_->LimitedCgroupOf(*container_).path();
    ASSERT_TRUE(EnsureDirectory(group).ok());
    ASSERT_TRUE(WriteFile(group + "/" + file, text).ok());
  }
  v1::ContainerStats Read() {
    v1::ContainerStats stats;
    const Status read = reader_->Read(container_, &stats);
    EXPECT_TRUE(read.ok()) << read.ToString();
    return stats;
  }
};

std::string PressureFile(int n) {
  return Cat("some avg10=", n, ".25 avg60=", n, ".50 avg300=", n, ".75 total=", n, "001\n",
             "full avg10=0.00 avg60=0.00 avg300=0.00 total=", n, "\n");
}

TEST_F(CgroupStatsTest, PressureOfEachResource) {
  Put("cpu.stat", "usage_usec 5\n");
  Put("memory.current", "4096\n");
  EXPECT_FALSE(Read().cpu().has_psi());
  EXPECT_FALSE(Read().memory().has_psi());
  EXPECT_FALSE(Read().has_io());
  Put("cpu.pressure", PressureFile(1));
  Put("memory.pressure", PressureFile(2));
  Put("io.pressure", PressureFile(3));
  const v1::ContainerStats stats = Read();
  const v1::PsiStats* all[] = {&stats.cpu().psi(), &stats.memory().psi(), &stats.io().psi()};
  for (int n = 1; n <= 3; ++n) {
    const v1::PsiStats& psi = *all[n - 1];
    EXPECT_EQ(psi.some().total(), static_cast<uint64_t>(n) * 1'000'000 + 1000) << "nanoseconds";
    EXPECT_EQ(psi.some().avg10(), n + 0.25);
    EXPECT_EQ(psi.some().avg60(), n + 0.5);
    EXPECT_EQ(psi.some().avg300(), n + 0.75);
    EXPECT_EQ(psi.full().total(), static_cast<uint64_t>(n) * 1000);
  }
  EXPECT_GT(stats.io().timestamp(), 0);
}

// The CPU's before Linux 5.13.
TEST_F(CgroupStatsTest, PressureWithoutTheFullLine) {
  Put("cpu.stat", "usage_usec 5\n");
  Put("cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n");
  EXPECT_EQ(Read().cpu().psi().some().total(), 9000u);
  EXPECT_FALSE(Read().cpu().psi().has_full());
}

TEST_F(CgroupStatsTest, AvailableSwap) {
  Put("memory.current", "4096\n");
  EXPECT_FALSE(Read().has_swap()) << "swap is not accounted";
  Put("memory.swap.current", "1000\n");
  Put("memory.swap.max", "5000\n");
  EXPECT_EQ(Read().swap().swap_usage_bytes().value(), 1000u);
  EXPECT_EQ(Read().swap().swap_available_bytes().value(), 4000u);
  Put("memory.swap.max", "0\n");
  ASSERT_TRUE(Read().swap().has_swap_available_bytes());
  EXPECT_EQ(Read().swap().swap_available_bytes().value(), 0u);
  Put("memory.swap.max", "max\n");
  EXPECT_TRUE(Read().swap().has_swap_available_bytes()) << "what the node has left";
}

TEST_F(CgroupStatsTest, AvailableSwapOnV1) {
  layout_.v2 = false;
  layout_.mounts = {{"memory", root_ + "/cgroup"}};
  Put("memory.usage_in_bytes", "4096\n");
  Put("memory.limit_in_bytes", "10000\n");
  Put("memory.memsw.limit_in_bytes", "15000\n");
  Put("memory.stat", "total_swap 1000\n");
  EXPECT_EQ(Read().swap().swap_available_bytes().value(), 4000u);
  Put("memory.memsw.limit_in_bytes", "10000\n");
  ASSERT_TRUE(Read().swap().has_swap_available_bytes());
  EXPECT_EQ(Read().swap().swap_available_bytes().value(), 0u);
}

}  // namespace
}  // namespace crisp::pod
