#include "pod/exec_tree.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "base/core/child_process.h"
#include "base/core/file.h"

namespace crisp::pod {
namespace {

class ExecTreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto layout = CgroupLayout::Detect();
    if (::geteuid() != 0 || !layout.ok()) GTEST_SKIP() << "needs root and a cgroup file system";
    layout_ = *layout;
    cgroup_ = CgroupDir(&layout_, Cat("/crisp-unit-", ::getpid()));
    if (!cgroup_.EnsureCreated().ok()) GTEST_SKIP() << "needs a writable cgroup file system";
  }
  void TearDown() override {
    if (cgroup_.path().empty()) return;
    EXPECT_TRUE(cgroup_.KillAll(MonoNow() + std::chrono::seconds(10)).ok());
    EXPECT_TRUE(cgroup_.EnsureRemoved().ok());
  }
  // A shell that waits for "go" on stdin, so that it forks only after it is in the cgroup.
  ChildProcess StartShell(const std::string& script, UniqueFd* go) {
    FdPair pipe = std::move(MakePipe()).value();
    SpawnOptions options;
    options.argv = {"/bin/sh", "-c", "read x; " + script};
    options.fds = {{pipe.first.get(), 0}};
    options.new_session = true;
    ChildProcess child = std::move(ChildProcess::Spawn(options)).value();
    EXPECT_TRUE(cgroup_.AddProcess(child.pid()).ok());
    *go = std::move(pipe.second);
    return child;
  }
  size_t WaitForProcesses(size_t wanted) {
    const MonoTime deadline = MonoNow() + std::chrono::seconds(10);
    size_t count = 0;
    do {
      count = cgroup_.Processes()->size();
    } while (count != wanted && MonoNow() < deadline);
    return count;
  }

  CgroupLayout layout_;
  CgroupDir cgroup_;
};

TEST_F(ExecTreeTest, KillsDescendantsAndOrphansOfItsSessionAndNobodyElse) {
  UniqueFd go_other, go;
  ChildProcess other = StartShell("exec sleep 1000", &go_other);
  ASSERT_TRUE(WriteAll(go_other.get(), "go\n").ok());
  // One child, and one grandchild whose parent has gone.
  ChildProcess shell = StartShell("sleep 1000 & (sleep 1000 &) ; sleep 1000", &go);
  ASSERT_TRUE(WriteAll(go.get(), "go\n").ok());
  ASSERT_EQ(WaitForProcesses(5), 5u);
  ExecTree tree{shell.pid(), cgroup_, CgroupDir()};
  // The shell is this test's child: it must be reaped for its entry to go away.
  std::thread reaper([&] { (void)shell.Wait(MonoNow() + std::chrono::seconds(10)); });
  const Status killed = tree.Kill(MonoNow() + std::chrono::seconds(10));
  reaper.join();
  EXPECT_TRUE(killed.ok()) << killed.ToString();
  const auto left = cgroup_.Processes();
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(*left, std::vector<pid_t>{other.pid()});
}

TEST_F(ExecTreeTest, AProcessOutsideTheContainersCgroupIsNeverKilled) {
  SpawnOptions options;
  options.argv = {"/bin/sleep", "1000"};
  options.new_session = true;
  ChildProcess outside = std::move(ChildProcess::Spawn(options)).value();
  ExecTree tree{outside.pid(), cgroup_, CgroupDir()};
  EXPECT_TRUE(tree.Kill(MonoNow() + std::chrono::seconds(1)).ok());
  EXPECT_FALSE(outside.Poll().has_value());
}

}  // namespace
}  // namespace crisp::pod
