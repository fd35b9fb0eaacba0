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

}  // namespace
}  // namespace crisp::pod
