// Control groups as kubelet, kernel and systemd see them: parents, limits, groups in groups, and
// that nothing of it stays. On v1 and v2, with the driver of this run (support/surroundings.h).
#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "tests/support/pod_test.h"
#include "tests/support/surroundings.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;

class CgroupTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    layout_ = Must(CgroupLayout::Detect());
    sandbox_ = SandboxConfig("pod");
  }

  std::string ReadControl(const std::string& id, const std::string& file) {
    const CgroupDir group(&layout_, daemon().CgroupOf(id));
    const std::string controller = file.substr(0, file.find('.'));
    return std::string(Trim(Must(group.ReadFile(controller, file), "read control file")));
  }

  CgroupLayout layout_;
  v1::PodSandboxConfig sandbox_;
};

// What `systemctl` says; "" where systemd is not the driver.
std::string Systemctl(const std::vector<std::string>& arguments) {
  RunOptions run;
  run.argv = {FindProgram("systemctl")};
  run.argv.insert(run.argv.end(), arguments.begin(), arguments.end());
  run.deadline = MonoNow() + Patient(std::chrono::seconds(10));
  const RunOutput output = Must(crisp::Run(run), "systemctl");
  return Cat(Trim(output.stdout_data), Trim(output.stderr_data));
}

// The kubelet makes the pod's group before the pod, and removes it after the pod.
TEST_P(CgroupTest, ThePodsParentIsTheKubelets) {
  const std::string parent =
      UsesSystemd() ? "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podx.slice"
                    : "/kubepods/burstable/podx";
  const CgroupDir group(&layout_, parent);
  if (UsesSystemd()) {
    EXPECT_EQ(Systemctl({"start", "kubepods-burstable-podx.slice"}), "");
  } else {
    ASSERT_THAT(group.EnsureCreated(), IsOk());
  }
  ASSERT_TRUE(group.Exists());
  sandbox_.mutable_linux()->set_cgroup_parent(parent);
  // With an init process: two groups below the parent.
  auto config = ContainerConfig("c", {"top"});
  sandbox_.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::POD);
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(v1::POD);
  const std::string pod = RunPod(sandbox_);
  const std::string id = StartContainer(pod, config, sandbox_);
  EXPECT_EQ(Must(group.Processes()).size(), 2u) << "init and top";
  const std::string child = UsesSystemd() ? Cat("/crisp-", id, ".scope") : Cat("/", id);
  EXPECT_THAT(Must(CgroupDir(&layout_, parent + child).Processes()),
              testing::ElementsAre(PidOf(id)));
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  EXPECT_THAT(Must(group.Processes()), testing::IsEmpty());
  if (UsesSystemd()) {
    EXPECT_EQ(Systemctl({"stop", "kubepods.slice"}), "");
  } else {
    EXPECT_THAT(CgroupDir(&layout_, "/kubepods").EnsureRemoved(), IsOk());
  }
}

TEST_P(CgroupTest, AParentOfTheOtherDriverIsRefused) {
  sandbox_.mutable_linux()->set_cgroup_parent(UsesSystemd() ? "/kubepods/podx" : "/podx.slice");
  const auto pod = TryRunPod(sandbox_);
  if (!pod.ok()) {
    EXPECT_THAT(pod, HasCode(Code::kInvalidArgument));
    return;
  }
  // A pod without an init process has no group of its own.
  EXPECT_THAT(TryCreate(*pod, ContainerConfig("c", {"top"}), sandbox_),
              HasCode(Code::kInvalidArgument));
}

TEST_P(CgroupTest, LimitsReachTheKernel) {
  const std::string pod = RunPod(sandbox_);
  auto config = ContainerConfig("c", {"top"});
  auto* resources = config.mutable_linux()->mutable_resources();
  resources->set_cpu_period(100000);
  resources->set_cpu_quota(50000);
  resources->set_cpu_shares(512);
  resources->set_memory_limit_in_bytes(64 << 20);
  resources->set_cpuset_cpus("0");
  // A kubelet sends every page size of its node.
  auto* pages = resources->add_hugepage_limits();
  pages->set_page_size("2MB");
  pages->set_limit(0);
  const std::string id = StartContainer(pod, config, sandbox_);
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  EXPECT_EQ(ReadControl(id, "pids.max"), "max") << "systemd has a default of its own";
  if (layout_.v2) {
    v1::ContainerStatsRequest stats;
    stats.set_container_id(id);
    const auto memory = Must(client().Call(stats)).stats().memory();
    EXPECT_LT(memory.available_bytes().value(), 64u << 20) << "of the container's limit";
    EXPECT_GT(memory.available_bytes().value(), 0u);
  }
  if (layout_.v2) {
    EXPECT_EQ(ReadControl(id, "memory.max"), Cat(64 << 20));
    EXPECT_EQ(ReadControl(id, "memory.swap.max"), "0");
    EXPECT_EQ(ReadControl(id, "cpu.max"), "50000 100000");
    EXPECT_EQ(ReadControl(id, "cpu.weight"), "20");
    EXPECT_EQ(ReadControl(id, "cpuset.cpus"), "0");
  } else {
    EXPECT_EQ(ReadControl(id, "memory.limit_in_bytes"), Cat(64 << 20));
    EXPECT_EQ(ReadControl(id, "cpu.cfs_quota_us"), "50000");
    EXPECT_EQ(ReadControl(id, "cpu.shares"), "512");
    EXPECT_EQ(ReadControl(id, "cpuset.cpus"), "0");
  }
  update.mutable_linux()->set_cpu_quota(-1);
  update.mutable_linux()->set_cpu_shares(1024);
  update.mutable_linux()->set_memory_limit_in_bytes(96 << 20);
  EXPECT_THAT(client().Call(update), IsOk());
  // systemd writes down what it believes when its units are read again.
  if (UsesSystemd()) {
    EXPECT_EQ(Systemctl({"daemon-reload"}), "");
    EXPECT_EQ(Systemctl({"show", "-P", "TasksMax", Cat("crisp-", id, ".scope")}), "infinity");
  }
  if (layout_.v2) {
    EXPECT_EQ(ReadControl(id, "memory.max"), Cat(96 << 20));
    EXPECT_EQ(ReadControl(id, "memory.swap.max"), "0");
    EXPECT_EQ(ReadControl(id, "cpu.max"), "max 100000");
    EXPECT_EQ(ReadControl(id, "cpu.weight"), "39");
    EXPECT_EQ(ReadControl(id, "cpuset.cpus"), "0");
  } else {
    EXPECT_EQ(ReadControl(id, "memory.limit_in_bytes"), Cat(96 << 20));
    EXPECT_EQ(ReadControl(id, "cpu.cfs_quota_us"), "-1");
    EXPECT_EQ(ReadControl(id, "cpu.shares"), "1024");
  }
}

TEST_P(CgroupTest, UnifiedIsForV2) {
  const std::string pod = RunPod(sandbox_);
  auto config = ContainerConfig("c", {"top"});
  auto& unified = *config.mutable_linux()->mutable_resources()->mutable_unified();
  unified["memory.high"] = Cat(48 << 20);
  if (!layout_.v2) {
    EXPECT_THAT(TryCreate(pod, config, sandbox_), HasCode(Code::kInvalidArgument));
    return;
  }
  const std::string id = StartContainer(pod, config, sandbox_);
  EXPECT_EQ(ReadControl(id, "memory.high"), Cat(48 << 20));
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  (*update.mutable_linux()->mutable_unified())["memory.high"] = Cat(56 << 20);
  (*update.mutable_linux()->mutable_unified())["pids.max"] = "99";
  EXPECT_THAT(client().Call(update), IsOk());
  EXPECT_EQ(ReadControl(id, "memory.high"), Cat(56 << 20));
  EXPECT_EQ(ReadControl(id, "pids.max"), "99");
  EXPECT_EQ(ReadControl(id, "memory.max"), Cat(256 << 20)) << "what was not named stays";
  unified["cgroup.procs"] = "0";
  config.mutable_metadata()->set_name("wrong");
  EXPECT_THAT(TryCreate(pod, config, sandbox_), HasCode(Code::kInvalidArgument));
}

// A container that manages groups of its own (an init system, say): with controllers given to its
// children its own group takes no process any more, and an exec must find another place.
TEST_P(CgroupTest, GroupsInTheContainersGroup) {
  if (!layout_.v2) GTEST_SKIP() << "v1 has no such rule";
  auto config = ShellConfig("c",
                            "p=/sys/fs/cgroup$(sed 's/^0:://' /proc/self/cgroup) && "
                            "mkdir -p $p/inner/deep && echo 0 >$p/inner/cgroup.procs && "
                            "echo +memory +pids >$p/cgroup.subtree_control && echo done; exec top");
  sandbox_.mutable_linux()->mutable_security_context()->set_privileged(true);
  config.mutable_linux()->mutable_security_context()->set_privileged(true);
  const std::string pod = RunPod(sandbox_);
  const std::string id = StartContainer(pod, config, sandbox_);
  EXPECT_TRUE(Eventually([&] { return LogText(LogPath(sandbox_, config)).find("done") == 0; }))
      << LogText(LogPath(sandbox_, config), "stderr");
  EXPECT_EQ(Shell(id, "echo works"), "works\n");
  EXPECT_THAT(ReadControl(id, "cgroup.subtree_control"), HasSubstr("memory"));
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  update.mutable_linux()->set_memory_limit_in_bytes(128 << 20);
  EXPECT_THAT(client().Call(update), IsOk());
  EXPECT_EQ(ReadControl(id, "memory.max"), Cat(128 << 20));
  v1::ContainerStatsRequest stats;
  stats.set_container_id(id);
  EXPECT_GT(Must(client().Call(stats)).stats().memory().usage_bytes().value(), 0u);
  EXPECT_THAT(TryStop(id, 0), IsOk());
}

// The OOM killer takes a child; process 1 lives on, and so does its scope.
TEST_P(CgroupTest, AnOomKillInsideIsNotTheContainersEnd) {
  const std::string pod = RunPod(sandbox_);
  auto config = ShellConfig("c",
                            "dd if=/dev/zero of=/dev/null bs=200M count=1; echo survived; "
                            "while :; do sleep 1; done");
  auto* resources = config.mutable_linux()->mutable_resources();
  resources->set_memory_limit_in_bytes(20 << 20);
  resources->set_memory_swap_limit_in_bytes(20 << 20);
  const std::string id = StartContainer(pod, config, sandbox_);
  EXPECT_TRUE(Eventually(
      [&] { return LogText(LogPath(sandbox_, config)).find("survived") != std::string::npos; }));
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING);
  EXPECT_EQ(Shell(id, "echo works"), "works\n");
  if (UsesSystemd()) {
    EXPECT_EQ(Systemctl({"is-active", Cat("crisp-", id, ".scope")}), "active");
  }
}

CRISP_FOR_EACH_RUNTIME(CgroupTest);

}  // namespace
}  // namespace crisp::test
