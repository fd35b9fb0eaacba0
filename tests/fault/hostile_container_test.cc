// Containers that do not want to end, take all there is, or cannot be killed. In each case: the
// calls for it are answered in time, another pod lives its whole life meanwhile, nothing is left.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <future>
#include <thread>
#include <vector>

#include "base/cgroup_dir.h"
#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "tests/fault/fault_fixture.h"
#include "tests/fault/hung_filesystem.h"

namespace crisp::test {
namespace {

constexpr int kMoreThanALane = 20;  // 16 threads unless configured otherwise

class HostileContainerTest : public FaultTest {
 protected:
  void SetUp() override {
    FaultTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    layout_ = Must(CgroupLayout::Detect());
  }
  CgroupDir Group(const std::string& path) { return CgroupDir(&layout_, path); }
  // A pod's group with a limit, as the kubelet sets it (podPidsLimit).
  CgroupDir BoundedGroup() {
    const CgroupDir group = Group("/kubepods/pod-bomb");
    EXPECT_THAT(group.EnsureCreated(), IsOk());
    for (const char* above : {"", "/kubepods"}) {
      if (!layout_.v2) continue;
      EXPECT_THAT(Group(above).WriteFile("", "cgroup.subtree_control", "+pids"), IsOk());
    }
    EXPECT_THAT(group.WriteFile("pids", "pids.max", "60"), IsOk());
    return group;
  }
  // Slow enough for a machine of two cores.
  v1::ContainerConfig BombConfig(const std::string& script) const {
    auto config = ShellConfig("c", script);
    config.mutable_linux()->mutable_resources()->set_cpu_quota(20000);
    config.mutable_linux()->mutable_resources()->set_cpu_period(100000);
    return config;
  }

  CgroupLayout layout_;
};

TEST_P(HostileContainerTest, ForksWithoutEnd) {
  const CgroupDir pod_group = BoundedGroup();
  ASSERT_FALSE(HasFailure());
  auto sandbox = SandboxConfig("bomb");
  sandbox.mutable_linux()->set_cgroup_parent(pod_group.path());
  const std::string pod = RunPod(sandbox);
  const auto bomb = BombConfig("(while :; do sleep 300 & done) & exec sleep 300");
  const std::string id = StartContainer(pod, bomb, sandbox);
  EXPECT_TRUE(Eventually([&] { return pod_group.Processes()->size() > 40; }));
  // There is no room for a command, which is the command's failure.
  const auto exec = Timed([&] { return TryExec(id, {"true"}).status(); });
  EXPECT_NE(exec.code(), Code::kNotFound) << exec.ToString();
  LiveBeside();
  EXPECT_THAT(Timed([&] { return TryStop(id, 0); }), IsOk());
  EXPECT_THAT(Timed([&] { return TryRemovePod(pod); }), IsOk());
  EXPECT_EQ(pod_group.Processes()->size(), 0u);
  EXPECT_THAT(pod_group.EnsureRemoved(), IsOk());
  EXPECT_THAT(Group("/kubepods").EnsureRemoved(), IsOk());
}

// There PID 1's death ends nobody else. Each of the others makes more of them until it is killed,
// and begins again where it may not.
TEST_P(HostileContainerTest, ForksWithoutEndInTheHostsPidNamespace) {
  const CgroupDir pod_group = BoundedGroup();
  ASSERT_FALSE(HasFailure());
  auto sandbox = SandboxConfig("bomb");
  sandbox.mutable_linux()->set_cgroup_parent(pod_group.path());
  sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::NODE);
  auto bomb = BombConfig(
      "echo \"trap 'exec sh /tmp/b' EXIT; while :; do sh /tmp/b & done\" >/tmp/b; "
      "sh /tmp/b 2>/dev/null & exec sleep 300");
  bomb.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(v1::NODE);
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, bomb, sandbox);
  EXPECT_TRUE(Eventually([&] { return pod_group.Processes()->size() > 40; }));
  LiveBeside();
  EXPECT_THAT(Timed([&] { return TryStop(id, 0); }), IsOk());
  EXPECT_EQ(StatusOf(id).exit_code(), 137);
  EXPECT_TRUE(Eventually([&] { return pod_group.Processes()->empty(); })) << "stopped is stopped";
  EXPECT_THAT(Timed([&] { return TryRemovePod(pod); }), IsOk());
  EXPECT_THAT(pod_group.EnsureRemoved(), IsOk());
  EXPECT_THAT(Group("/kubepods").EnsureRemoved(), IsOk());
}

TEST_P(HostileContainerTest, IgnoresAllSignals) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(
      pod, ShellConfig("c", "trap '' HUP INT QUIT TERM; while :; do sleep 0.1; done"), sandbox);
  Status stopped;
  std::thread stop([&] { stopped = Timed([&] { return TryStop(id, 3); }); });
  LiveBeside();
  stop.join();
  EXPECT_THAT(stopped, IsOk());
  EXPECT_EQ(StatusOf(id).exit_code(), 137);
}

// Its log, and so its monitor, outlives PID 1 only for moments.
TEST_P(HostileContainerTest, HoldsItsOutputAfterItsEnd) {
  auto sandbox = SandboxConfig("pod");
  sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::NODE);
  auto config = ShellConfig("c", "setsid sleep 300 & echo begun; exit 3");
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::NODE);
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, config, sandbox);
  EXPECT_EQ(AwaitExit(id).exit_code(), 3);
  EXPECT_EQ(LogText(LogPath(sandbox, config)), "begun\n");
  EXPECT_TRUE(Eventually([&] { return Group(daemon().CgroupOf(id)).Processes()->empty(); }));
  EXPECT_THAT(Timed([&] { return TryRemove(id); }), IsOk());
}

// In state D, as with a file server that is gone: a SIGKILL has no effect before the server is
// back.
TEST_P(HostileContainerTest, SleepsUninterruptibly) {
  const auto hung = HungFilesystem::Mount(daemon().Path("hung"));
  if (!hung.ok()) GTEST_SKIP() << "needs FUSE: " << hung.status().ToString();
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  auto config = ContainerConfig("c", {"cat", "/hung/file"});
  auto* mount = config.add_mounts();
  mount->set_host_path(daemon().Path("hung"));
  mount->set_container_path("/hung");
  const std::string id = StartContainer(pod, config, sandbox);
  ASSERT_TRUE(Eventually([&] { return (*hung)->sleepers() == 1; }));
  const int pid = PidOf(id);
  Status stopped;
  std::thread caller([&] { stopped = Timed([&] { return TryStop(id, 0); }); });
  LiveBeside();
  caller.join();
  EXPECT_THAT(stopped, HasCode(Code::kDeadlineExceeded));
  EXPECT_THAT(stopped.message(), testing::HasSubstr("uninterruptible"));
  EXPECT_THAT(Must(ReadFile(Cat("/proc/", pid, "/stat"), 4096)), testing::HasSubstr("(cat) D "));
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING);
  // It has not begun to die, so a command beside it runs.
  EXPECT_THAT(Timed([&] { return TryExec(id, {"true"}, 1).status(); }), IsOk());
  v1::ContainerStatsRequest stats;
  stats.set_container_id(id);
  EXPECT_THAT(Timed([&] { return client().Call(stats).status(); }), IsOk());
  EXPECT_THAT(Timed([&] { return TryStopPod(pod); }), HasCode(Code::kDeadlineExceeded));
  EXPECT_THAT(Timed([&] { return TryRemovePod(pod); }), HasCode(Code::kDeadlineExceeded));
  daemon().Kill();
  ASSERT_THAT(Timed([&] { return daemon().Start(); }), IsOk());
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING);
  EXPECT_THAT(Timed([&] { return TryStop(id, 0); }), HasCode(Code::kDeadlineExceeded));
  LiveBeside();
  (*hung)->Abort();
  EXPECT_TRUE(Eventually([&] { return StatusOf(id).state() == v1::CONTAINER_EXITED; }));
  EXPECT_EQ(StatusOf(id).exit_code(), 137);
  EXPECT_THAT(TryStopPod(pod), IsOk());
  EXPECT_THAT(TryRemovePod(pod), IsOk());
}

// More of them than the exec lane has threads: each has its answer soon, and others theirs.
TEST_P(HostileContainerTest, ItsCommandsSleepUninterruptibly) {
  const auto hung = HungFilesystem::Mount(daemon().Path("hung"));
  if (!hung.ok()) GTEST_SKIP() << "needs FUSE: " << hung.status().ToString();
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  auto config = ContainerConfig("c", {"top"});
  auto* mount = config.add_mounts();
  mount->set_host_path(daemon().Path("hung"));
  mount->set_container_path("/hung");
  const std::string id = StartContainer(pod, config, sandbox);
  std::vector<std::future<Status>> commands;
  for (int i = 0; i < kMoreThanALane; ++i) {
    commands.push_back(std::async(std::launch::async, [&, i] {
      return Timed([&] { return TryExec(id, {"cat", Cat("/hung/", i)}, 1).status(); });
    }));
  }
  ASSERT_TRUE(Eventually([&] { return (*hung)->sleepers() > 0; }));
  LiveBeside();
  for (auto& command : commands) EXPECT_THAT(command.get(), HasCode(Code::kDeadlineExceeded));
  EXPECT_THAT(Timed([&] { return TryExec(id, {"true"}, 5).status(); }), IsOk());
  (*hung)->Abort();
  EXPECT_THAT(TryStop(id, 0), IsOk());
  EXPECT_THAT(TryRemovePod(pod), IsOk());
}

// The daemon itself looks at a volume's path, and then sleeps as long.
TEST_P(HostileContainerTest, ItsVolumeHangs) {
  const auto hung = HungFilesystem::Mount(daemon().Path("hung"));
  if (!hung.ok()) GTEST_SKIP() << "needs FUSE: " << hung.status().ToString();
  std::vector<std::string> pods;
  std::vector<std::future<Status>> containers;
  for (int i = 0; i < kMoreThanALane; ++i) {
    const auto sandbox = SandboxConfig(Cat("pod-", i));
    pods.push_back(RunPod(sandbox));
    auto config = ContainerConfig("c", {"top"});
    auto* mount = config.add_mounts();
    mount->set_host_path(daemon().Path("hung") + Cat("/", i));
    mount->set_container_path("/hung");
    containers.push_back(std::async(std::launch::async, [this, pod = pods.back(), config, sandbox] {
      return TryCreate(pod, config, sandbox).status();
    }));
  }
  ASSERT_TRUE(Eventually([&] { return (*hung)->sleepers() > 0; }));
  LiveBeside();
  (*hung)->Abort();
  for (auto& container : containers) EXPECT_FALSE(container.get().ok());
  for (const std::string& pod : pods) EXPECT_THAT(TryRemovePod(pod), IsOk());
}

// A plugin that cannot be killed must not keep the next daemon from the node's pods.
TEST_P(HostileContainerTest, AHelperOfTheLastDaemonSleepsUninterruptibly) {
  const auto hung = HungFilesystem::Mount(daemon().Path("hung"));
  if (!hung.ok()) GTEST_SKIP() << "needs FUSE: " << hung.status().ToString();
  std::string group;
  for (const auto& entry : std::filesystem::directory_iterator(layout_.mounts.front().second)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".helpers")) group = "/" + name;
  }
  ASSERT_NE(group, "");
  daemon().Kill();
  const auto dirs = Must(Group(group).OpenDirs());
  SpawnOptions spawn;
  spawn.argv = {"/bin/cat", daemon().Path("hung/file")};
  for (const UniqueFd& dir : dirs) spawn.cgroup_dirs.push_back(dir.get());
  ChildProcess helper = Must(ChildProcess::Spawn(spawn));
  ASSERT_TRUE(Eventually([&] { return (*hung)->sleepers() == 1; }));
  ASSERT_THAT(daemon().Start(), IsOk());
  LiveBeside();
  (*hung)->Abort();
  EXPECT_EQ(Must(helper.Wait(MonoNow() + limit())).code, 137);
}

// Processes in a frozen v1 cgroup do not die of SIGKILL before they are thawed. A runtime that was
// killed while it changed device rules leaves its container so.
TEST_P(HostileContainerTest, IsFrozen) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox);
  const CgroupDir group = Group(daemon().CgroupOf(id));
  ASSERT_THAT(layout_.v2 ? group.WriteFile("", "cgroup.freeze", "1")
                         : group.WriteFile("freezer", "freezer.state", "FROZEN"),
              IsOk());
  Status exec = Internal("not tried");
  Status stopped;
  std::thread caller([&] {
    if (!layout_.v2) exec = Timed([&] { return TryExec(id, {"true"}, 1).status(); });
    stopped = Timed([&] { return TryStop(id, 0); });
  });
  LiveBeside();
  caller.join();
  EXPECT_FALSE(exec.ok());
  EXPECT_THAT(stopped, IsOk());
  EXPECT_EQ(StatusOf(id).exit_code(), 137);
  EXPECT_THAT(TryStopPod(pod), IsOk());
  EXPECT_THAT(TryRemovePod(pod), IsOk());
}

TEST_P(HostileContainerTest, LosesItsLogDirectory) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  const auto config = ShellConfig("c", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done");
  const std::string id = StartContainer(pod, config, sandbox);
  const std::string path = LogPath(sandbox, config);
  EXPECT_TRUE(Eventually([&] { return PathExists(path); }));
  ASSERT_THAT(RemoveTreeAt(sandbox.log_directory()), IsOk());
  EXPECT_EQ(Shell(id, "echo works"), "works\n");
  v1::ReopenContainerLogRequest reopen;
  reopen.set_container_id(id);
  EXPECT_THAT(Timed([&] { return client().Call(reopen).status(); }), IsOk());
  EXPECT_TRUE(Eventually([&] { return !ReadLog(path).empty(); }));
  // Where a file is in the way of the directory, the container goes on without a log.
  ASSERT_THAT(RemoveTreeAt(sandbox.log_directory()), IsOk());
  ASSERT_THAT(WriteFile(sandbox.log_directory(), "in the way"), IsOk());
  EXPECT_FALSE(Timed([&] { return client().Call(reopen).status(); }).ok());
  EXPECT_EQ(Shell(id, "echo works"), "works\n");
  EXPECT_THAT(TryStop(id, 0), IsOk());
  EXPECT_EQ(StatusOf(id).exit_code(), 137);
}

// Less memory than the runtime's own first process needs.
TEST_P(HostileContainerTest, HasNoMemoryToStartWith) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_resources()->set_memory_limit_in_bytes(64 << 10);
  config.mutable_linux()->mutable_resources()->set_memory_swap_limit_in_bytes(64 << 10);
  Status status = Timed([&]() -> Status {
    const std::string id = CRISP_TRY(TryCreate(pod, config, sandbox));
    CRISP_RETURN_IF_ERROR(TryStart(id));
    AwaitExit(id);
    return Status(Code::kResourceExhausted, "it ran into its limit");
  });
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.code(), Code::kNotFound) << status.ToString();
  EXPECT_NE(status.code(), Code::kUnavailable) << status.ToString();
  LiveBeside();
}

INSTANTIATE_TEST_SUITE_P(Containers, HostileContainerTest, testing::Values("container"),
                         FaultCaseName);

}  // namespace
}  // namespace crisp::test
