// Threads that fail to enter their group. The group is a pair of plain directories with a file
// "tasks", which is all that LaunchCgroup's v1 way knows of one; cgroup_dir_test.cc has real ones.
#include "base/core/launch_cgroup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "temp_dir.h"
#include "tests/support/patience.h"

namespace crisp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Eventually;

// Of this process, by the name that they give themselves before they enter the group. One that was
// joined may be listed for another moment.
int LaunchThreads() {
  int count = 0;
  const DirFd tasks = DirFd::Open("/proc/self/task").value();
  for (const std::string& id : tasks.List().value()) {
    const auto name = ReadFile(Cat("/proc/self/task/", id, "/comm"));
    if (name.ok() && Trim(*name) == "launch") ++count;
  }
  return count;
}

class LaunchCgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"first", "second"}) {
      ASSERT_TRUE(EnsureDirectory(dir_ / name).ok());
      ASSERT_TRUE(WriteFile(Tasks(name), "").ok());
    }
    ASSERT_TRUE(WriteFile(dir_ / "hangs", "#!/bin/sh\n", 0755).ok());
    lease_ = UniqueFd(::open((dir_ / "hangs").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::fcntl(lease_.get(), F_SETSIG, SIGURG), 0);  // ignored by default
  }
  std::string Tasks(const std::string& name) const { return dir_ / (name + "/tasks"); }
  Result<std::unique_ptr<LaunchCgroup>> Open() const {
    std::vector<UniqueFd> dirs;
    for (const char* name : {"first", "second"}) {
      dirs.emplace_back(::open((dir_ / name).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    return LaunchCgroup::Open(std::move(dirs), /*v2=*/false, milliseconds(100));
  }
  bool Start(const std::string& program) const {
    RunOptions run;
    run.argv = {program};
    run.place = place_.get();
    run.deadline = MonoNow() + seconds(60);
    const auto output = crisp::Run(run);
    return output.ok() && output->status.success();
  }
  // Opens the group and keeps its thread busy with a start that hangs (fcntl(2), "Leases"). False:
  // not on this file system.
  bool OpenAndHang() {
    if (::fcntl(lease_.get(), F_SETLEASE, F_WRLCK) != 0) return false;
    place_ = Open().value();
    hanging_ = std::thread([this] { EXPECT_TRUE(Start(dir_ / "hangs")); });
    EXPECT_TRUE(Eventually([this] { return !LeaseIsWhole(); }));
    return true;
  }
  bool LeaseIsWhole() const { return ::fcntl(lease_.get(), F_GETLEASE) == F_WRLCK; }
  void ReleaseHang() { EXPECT_EQ(::fcntl(lease_.get(), F_SETLEASE, F_UNLCK), 0); }
  // Whoever enters the group waits for a reader of the first file, and fails at the second.
  void MakeEntering() const {
    ASSERT_EQ(::unlink(Tasks("second").c_str()), 0);
    ASSERT_EQ(::unlink(Tasks("first").c_str()), 0);
    ASSERT_EQ(::mkfifo(Tasks("first").c_str(), 0600), 0);
  }
  UniqueFd OpenReader() const {
    return UniqueFd(::open(Tasks("first").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }

  TempDir dir_;
  UniqueFd lease_;
  std::unique_ptr<LaunchCgroup> place_;
  std::thread hanging_;
};

TEST_F(LaunchCgroupTest, AFirstThreadThatCannotEnterIsAnError) {
  ASSERT_EQ(::unlink(Tasks("second").c_str()), 0);
  const auto place = Open();
  ASSERT_FALSE(place.ok());
  EXPECT_EQ(place.status().sys_errno(), ENOENT);
  EXPECT_NE(place.status().message().find("enter the cgroup"), std::string::npos);
  EXPECT_TRUE(Eventually([] { return LaunchThreads() == 0; }));
}

// What waits for the stuck thread has its start when the group can be entered again.
TEST_F(LaunchCgroupTest, AReplacementThatCannotEnterIsTriedAgain) {
  if (!OpenAndHang()) GTEST_SKIP() << "no leases here";
  MakeEntering();
  const UniqueFd reader = OpenReader();
  std::atomic<bool> started = false;
  std::thread waiting([&] {
    EXPECT_TRUE(Start("/bin/true"));
    started = true;
  });
  size_t entered = 0;
  ASSERT_TRUE(Eventually([&] {
    char bytes[64];
    const ssize_t n = ::read(reader.get(), bytes, sizeof(bytes));
    if (n > 0) entered += static_cast<size_t>(n);  // "0" of each
    return entered >= 3;
  }));
  EXPECT_FALSE(started);
  ASSERT_TRUE(WriteFile(Tasks("second"), "").ok());
  ASSERT_TRUE(Eventually([&] { return started.load(); }));
  waiting.join();
  EXPECT_TRUE(Eventually([] { return LaunchThreads() == 2; })) << "none that failed is left";
  ReleaseHang();
  hanging_.join();
  EXPECT_TRUE(Start("/bin/true"));
  place_.reset();
  EXPECT_TRUE(Eventually([] { return LaunchThreads() == 0; }));
}

// The stuck thread leaves, because there is a newer one; that one fails. Then there is none.
TEST_F(LaunchCgroupTest, AStuckThreadThatLeavesForAReplacementThatFails) {
  if (!OpenAndHang()) GTEST_SKIP() << "no leases here";
  MakeEntering();
  std::atomic<bool> started = false;
  std::thread waiting([&] {
    EXPECT_TRUE(Start("/bin/true"));
    started = true;
  });
  ASSERT_TRUE(Eventually([] { return LaunchThreads() == 2; }));
  ReleaseHang();
  EXPECT_TRUE(Eventually([] { return LaunchThreads() == 1; }));
  const UniqueFd reader = OpenReader();
  hanging_.join();  // not before: it may be the one that waits for the replacement
  ASSERT_TRUE(Eventually([] { return LaunchThreads() == 0; }));
  EXPECT_FALSE(started);
  ASSERT_TRUE(WriteFile(Tasks("second"), "").ok());
  ASSERT_TRUE(Eventually([&] { return started.load(); }));
  waiting.join();
}

}  // namespace
}  // namespace crisp
