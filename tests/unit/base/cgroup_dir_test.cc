#include "base/cgroup_dir.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/child_process.h"
#include "base/core/file.h"
#include "base/ids.h"
#include "temp_dir.h"

namespace crisp {
namespace {

CgroupLayout Detect(const TempDir& dir, const std::string& mountinfo) {
  EXPECT_TRUE(WriteFile(dir / "mountinfo", mountinfo).ok());
  return CgroupLayout::Detect(dir / "mountinfo").value();
}

TEST(CgroupLayoutTest, V2) {
  TempDir dir;
  const auto layout =
      Detect(dir,
             "29 23 0:26 / /other rw - cgroup2 cgroup2 rw\n"
             "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
  EXPECT_TRUE(layout.v2);
  EXPECT_FALSE(layout.hybrid);
  EXPECT_EQ(layout.MountOf("memory"), "/sys/fs/cgroup");
}

TEST(CgroupLayoutTest, V1AndHybrid) {
  TempDir dir;
  const std::string v1 =
      "30 29 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup "
      "rw,xattr,release_agent=/x,name=systemd\n"
      "31 29 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "32 29 0:29 / /sys/fs/cgroup/memory rw shared:1 master:2 - cgroup cgroup rw,memory\n";
  const auto plain = Detect(dir, v1);
  EXPECT_FALSE(plain.v2);
  EXPECT_FALSE(plain.hybrid);
  EXPECT_EQ(plain.MountOf("cpuacct"), "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(plain.MountOf("name=systemd"), "/sys/fs/cgroup/systemd");
  EXPECT_EQ(plain.MountOf("pids"), "");
  const auto hybrid =
      Detect(dir, v1 + "33 29 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  EXPECT_TRUE(hybrid.hybrid);
  EXPECT_FALSE(hybrid.v2);
}

TEST(CgroupLayoutTest, None) {
  TempDir dir;
  ASSERT_TRUE(WriteFile(dir / "mountinfo", "1 1 0:1 / / rw - ext4 /dev/x rw\nrubbish\n").ok());
  EXPECT_EQ(CgroupLayout::Detect(dir / "mountinfo").status().code(), Code::kFailedPrecondition);
}

TEST(CgroupDirTest, TheRootIsNeverKilled) {
  const CgroupLayout layout;
  EXPECT_EQ(CgroupDir(&layout, "/").KillAll(MonoNow()).code(), Code::kInvalidArgument);
  EXPECT_EQ(CgroupDir(&layout, "").KillAll(MonoNow()).code(), Code::kInvalidArgument);
}

// On the machine's own hierarchies, below a group with a random name.
class RealCgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "cgroups need root";
    auto layout = CgroupLayout::Detect();
    if (!layout.ok()) GTEST_SKIP() << layout.status().ToString();
    layout_ = *layout;
    top_ = CgroupDir(&layout_, "/crisp-test-" + RandomHex(6));
    if (const Status made = top_.EnsureCreated(); !made.ok()) {
      EXPECT_TRUE(top_.EnsureRemoved().ok());
      GTEST_SKIP() << made.ToString();
    }
  }
  void TearDown() override {
    if (top_.path().empty()) return;
    EXPECT_TRUE(top_.KillAll(MonoNow() + std::chrono::seconds(5)).ok());
    const Status removed = top_.EnsureRemoved();
    EXPECT_TRUE(removed.ok()) << removed.ToString();
    EXPECT_FALSE(top_.Exists());
  }
  CgroupLayout layout_;
  CgroupDir top_;
};

TEST_F(RealCgroupTest, ChildrenAreStartedFoundAndKilledInIt) {
  const CgroupDir sub(&layout_, top_.path() + "/sub");
  ASSERT_TRUE(sub.EnsureCreated().ok());
  ASSERT_TRUE(sub.EnsureCreated().ok());
  EXPECT_TRUE(sub.Exists());
  const std::vector<UniqueFd> dirs = sub.OpenDirs().value();
  SpawnOptions spawn;
  spawn.argv = {"sleep", "60"};
  for (const UniqueFd& dir : dirs) spawn.cgroup_dirs.push_back(dir.get());
  ChildProcess child = ChildProcess::Spawn(spawn).value();
  EXPECT_EQ(top_.Processes().value(), std::vector<pid_t>{child.pid()});
  const Status busy = top_.EnsureRemoved();
  EXPECT_EQ(busy.code(), Code::kFailedPrecondition);
  EXPECT_EQ(busy.sys_errno(), EBUSY);
  // A zombie may be listed until it is reaped, so the reaping goes on beside.
  ASSERT_TRUE(child.Signal(SIGKILL).ok());
  EXPECT_EQ(child.Wait(MonoNow() + std::chrono::seconds(5)).value().signal, SIGKILL);
  EXPECT_TRUE(top_.KillAll(MonoNow() + std::chrono::seconds(5)).ok());
  EXPECT_TRUE(top_.Processes().value().empty());
  EXPECT_TRUE(sub.EnsureRemoved().ok());
  EXPECT_TRUE(sub.EnsureRemoved().ok());
  EXPECT_FALSE(sub.Exists());
  EXPECT_TRUE(sub.Processes().value().empty());
}

TEST_F(RealCgroupTest, KillAll) {
  SpawnOptions spawn;
  spawn.argv = {"/bin/sh", "-c", "read wait; for i in 1 2 3; do sleep 60 & done; wait"};
  const FdPair pipe = MakePipe().value();
  spawn.fds = {{pipe.first.get(), 0}};
  ChildProcess child = ChildProcess::Spawn(spawn).value();
  ASSERT_TRUE(top_.AddProcess(child.pid()).ok());
  ASSERT_TRUE(WriteAll(pipe.second.get(), "go\n").ok());
  for (int i = 0; i < 500 && top_.Processes().value().size() < 4; ++i) ::usleep(10'000);
  EXPECT_EQ(top_.Processes().value().size(), 4u);
  // The children of the shell are init's (or a subreaper's) once it is dead.
  EXPECT_TRUE(top_.KillAll(MonoNow() + std::chrono::seconds(5)).ok());
  EXPECT_EQ(child.Wait(MonoNow() + std::chrono::seconds(5)).value().signal, SIGKILL);
}

TEST_F(RealCgroupTest, Files) {
  EXPECT_EQ(top_.ReadFile("no-such-controller", "x").ok(), false);
  const std::string controller = layout_.v2 ? "" : layout_.mounts.front().first;
  EXPECT_TRUE(top_.ReadFile(controller, "cgroup.procs").ok());
  EXPECT_EQ(top_.WriteFile(controller, "no.such.file", "1").code(), Code::kNotFound);
}

}  // namespace
}  // namespace crisp
