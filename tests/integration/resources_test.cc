// Resources beyond the plain limits of cgroup_test.cc: defaults from configuration, classes,
// workloads, the pod's own group, and where crisp's own processes are (cri-contract 5.6, 6.5, 8.4).
#include <sys/resource.h>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "tests/support/pod_test.h"
#include "tests/support/surroundings.h"

namespace crisp::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ResourcesTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    layout_ = Must(CgroupLayout::Detect());
    sandbox_ = SandboxConfig("pod");
  }
  // Restarts the daemon with a drop-in; "" takes it away again.
  void Configure(const std::string& text) {
    ASSERT_THAT(EnsureDirectory(daemon().Path("conf.d")), IsOk());
    ASSERT_THAT(WriteFile(daemon().Path("conf.d/10-test.yaml"), text), IsOk());
    ASSERT_THAT(daemon().StopGracefully(), IsOk());
    ASSERT_THAT(daemon().Start(), IsOk());
  }
  std::string Control(const CgroupDir& group, const std::string& file) {
    const std::string controller = file.substr(0, file.find('.'));
    return std::string(Trim(Must(group.ReadFile(controller, file), file.c_str())));
  }
  std::string ControlOf(const std::string& id, const std::string& file) {
    return Control(CgroupDir(&layout_, daemon().CgroupOf(id)), file);
  }
  std::string SharesFile() const { return layout_.v2 ? "cpu.weight" : "cpu.shares"; }
  // The group that a kubelet would make for the pod.
  CgroupDir MakeParent() {
    const std::string path = UsesSystemd() ? "/kpods.slice/kpods-podr.slice" : "/kpods/podr";
    const CgroupDir group(&layout_, path);
    if (UsesSystemd()) {
      RunOptions run;
      run.argv = {FindProgram("systemctl"), "start", "kpods-podr.slice"};
      EXPECT_TRUE(Must(crisp::Run(run)).status.success());
    } else {
      EXPECT_THAT(group.EnsureCreated(), IsOk());
    }
    if (layout_.v2) {
      for (const char* above : {"", UsesSystemd() ? "/kpods.slice" : "/kpods"}) {
        EXPECT_THAT(CgroupDir(&layout_, above)
                        .WriteFile("", "cgroup.subtree_control", "+cpu +memory +cpuset"),
                    IsOk());
      }
    }
    sandbox_.mutable_linux()->set_cgroup_parent(path);
    return group;
  }
  void RemoveParent() {
    if (UsesSystemd()) {
      RunOptions run;
      run.argv = {FindProgram("systemctl"), "stop", "kpods.slice"};
      EXPECT_TRUE(Must(crisp::Run(run)).status.success());
    } else {
      EXPECT_THAT(CgroupDir(&layout_, "/kpods").EnsureRemoved(), IsOk());
    }
  }

  CgroupLayout layout_;
  v1::PodSandboxConfig sandbox_;
};

TEST_P(ResourcesTest, DefaultsFromConfiguration) {
  Configure(
      "default_ulimits: [nofile=321:654, core=0]\npids_limit: 77\n"
      "default_sysctls: {net.core.somaxconn: '777', kernel.msgmax: '9000'}\n"
      "default_capabilities: [CHOWN, CAP_KILL]\n");
  const std::string pod = RunPod(sandbox_);
  const auto config = ShellConfig("c", "ulimit -n; ulimit -Hn; ulimit -c; exec top");
  const std::string id = StartContainer(pod, config, sandbox_);
  EXPECT_TRUE(Eventually([&] { return LogText(LogPath(sandbox_, config)) == "321\n654\n0\n"; }))
      << LogText(LogPath(sandbox_, config));
  // Execs as well. (In runc 1.1.5 Go's own raising of the soft limit races with that, and wins
  // always on some machines: runc issue 4195.)
  const bool may_race = std::string(GetParam()) == "runc";
  EXPECT_THAT(Shell(id, "ulimit -n; ulimit -Hn"),
              testing::AnyOf("321\n654\n", may_race ? "654\n654\n" : "321\n654\n"));
  EXPECT_EQ(ControlOf(id, "pids.max"), "77");
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  update.mutable_linux()->set_cpu_shares(400);
  EXPECT_THAT(client().Call(update), IsOk());
  EXPECT_EQ(ControlOf(id, "pids.max"), "77") << "an update leaves it";
  EXPECT_EQ(Shell(id, "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax"), "777\n9000\n");
  EXPECT_EQ(Shell(id, "grep CapBnd /proc/self/status"), "CapBnd:\t0000000000000021\n");

  // With the host's network only the sysctls of IPC are the pod's.
  auto host = SandboxConfig("host");
  auto* options = host.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  options->set_network(v1::NODE);
  const std::string host_pod = RunPod(host);
  auto in_host = ContainerConfig("c", {"top"});
  *in_host.mutable_linux()->mutable_security_context()->mutable_namespace_options() = *options;
  const std::string other = StartContainer(host_pod, in_host, host);
  EXPECT_NE(Shell(other, "cat /proc/sys/net/core/somaxconn"), "777\n");
  EXPECT_EQ(Shell(other, "cat /proc/sys/kernel/msgmax"), "9000\n");
}

TEST_P(ResourcesTest, SysctlsOfTheNodeOrOfItsNamespacesAreRefused) {
  (*sandbox_.mutable_linux()->mutable_sysctls())["vm.swappiness"] = "1";
  EXPECT_THAT(TryRunPod(sandbox_), HasCode(Code::kInvalidArgument));
  sandbox_.mutable_linux()->clear_sysctls();
  (*sandbox_.mutable_linux()->mutable_sysctls())["net/core/somaxconn"] = "55";
  const std::string pod = RunPod(sandbox_);
  EXPECT_EQ(Shell(StartContainer(pod, ContainerConfig("c", {"top"}), sandbox_),
                  "cat /proc/sys/net/core/somaxconn"),
            "55\n");
  auto host = SandboxConfig("host");
  (*host.mutable_linux()->mutable_sysctls())["net.core.somaxconn"] = "55";
  host.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(
      v1::NODE);
  const auto refused = TryRunPod(host);
  EXPECT_THAT(refused, HasCode(Code::kInvalidArgument));
  EXPECT_THAT(refused.status().message(), HasSubstr("host's network"));
}

TEST_P(ResourcesTest, BlockIoAndRdtClasses) {
  ASSERT_THAT(WriteFile(daemon().Path("blockio.yaml"),
                        "Classes:\n  slow:\n  - Devices: [/dev/loop0]\n"
                        "    ThrottleReadBps: 1M\n    ThrottleWriteIOPS: 10\n"),
              IsOk());
  Configure(Cat("blockio_config: ", daemon().Path("blockio.yaml"), "\nrdt_classes: [gold]\n"));
  auto& annotations = *sandbox_.mutable_annotations();
  annotations["blockio.resources.beta.kubernetes.io/pod"] = "none-such";
  annotations["blockio.resources.beta.kubernetes.io/container.c"] = "slow";
  const std::string pod = RunPod(sandbox_);
  const auto unknown = TryCreate(pod, ContainerConfig("d", {"top"}), sandbox_);
  EXPECT_THAT(unknown, HasCode(Code::kInvalidArgument));
  EXPECT_THAT(unknown.status().message(), HasSubstr("allowed: slow"));
  if (PathExists("/dev/loop0") && !layout_.MountOf(layout_.v2 ? "" : "blkio").empty()) {
    const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox_);
    if (layout_.v2) {
      EXPECT_THAT(ControlOf(id, "io.max"),
                  HasSubstr("7:0 rbps=1000000 wbps=max riops=max wiops=10"));
    } else {
      EXPECT_EQ(ControlOf(id, "blkio.throttle.read_bps_device"), "7:0 1000000");
      EXPECT_EQ(ControlOf(id, "blkio.throttle.write_iops_device"), "7:0 10");
    }
  }
  auto rdt = SandboxConfig("rdt");
  (*rdt.mutable_annotations())["rdt.resources.beta.kubernetes.io/pod"] = "gold";
  const std::string rdt_pod = RunPod(rdt);
  const auto refused = TryCreate(rdt_pod, ContainerConfig("c", {"top"}), rdt);
  if (!PathExists("/sys/fs/resctrl/schemata")) {
    EXPECT_THAT(refused, HasCode(Code::kFailedPrecondition));
    EXPECT_THAT(refused.status().message(), HasSubstr("resctrl is not mounted"));
  }
}

// What the kubelet missed or what differs is written, the rest is left alone, and all of it happens
// in that call only.
TEST_P(ResourcesTest, APodsGroupConverges) {
  const CgroupDir group = MakeParent();
  const std::string memory = layout_.v2 ? "memory.max" : "memory.limit_in_bytes";
  const std::string quota = layout_.v2 ? "cpu.max" : "cpu.cfs_quota_us";
  sandbox_.mutable_linux()->mutable_resources()->set_memory_limit_in_bytes(512 << 20);
  sandbox_.mutable_linux()->mutable_resources()->set_cpu_shares(1024);
  const std::string unlimited = Control(group, memory);
  const std::string pod = RunPod(sandbox_);
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_resources()->set_memory_limit_in_bytes(64 << 20);
  StartContainer(pod, config, sandbox_);
  EXPECT_EQ(Control(group, memory), unlimited) << "RunPodSandbox does not touch it";

  v1::UpdatePodSandboxResourcesRequest update;
  update.set_pod_sandbox_id(pod);
  auto* resources = update.mutable_resources();
  resources->set_memory_limit_in_bytes(300 << 20);
  resources->set_cpu_period(100000);
  resources->set_cpu_quota(150000);
  resources->set_cpu_shares(2048);
  update.mutable_overhead()->set_memory_limit_in_bytes(20 << 20);
  update.mutable_overhead()->set_cpu_quota(10000);
  EXPECT_THAT(client().Call(update), IsOk());
  EXPECT_EQ(Control(group, memory), Cat(320 << 20));
  EXPECT_EQ(Control(group, quota), layout_.v2 ? "160000 100000" : "160000");
  EXPECT_EQ(Control(group, SharesFile()), layout_.v2 ? "79" : "2048");
  // What a request does not name stays; overhead is remembered.
  v1::UpdatePodSandboxResourcesRequest less;
  less.set_pod_sandbox_id(pod);
  less.mutable_resources()->set_memory_limit_in_bytes(200 << 20);
  EXPECT_THAT(client().Call(less), IsOk());
  EXPECT_EQ(Control(group, memory), Cat(220 << 20));
  EXPECT_EQ(Control(group, quota), layout_.v2 ? "160000 100000" : "160000");
  // So it is after a restart, which by itself changes nothing.
  ASSERT_THAT(group.WriteFile("memory", memory, Cat(250 << 20)), IsOk());
  KillAndRestart();
  EXPECT_EQ(Control(group, memory), Cat(250 << 20));
  v1::UpdatePodSandboxResourcesRequest nothing;
  nothing.set_pod_sandbox_id(pod);
  EXPECT_THAT(client().Call(nothing), IsOk());
  EXPECT_EQ(Control(group, memory), Cat(220 << 20));

  nothing.set_pod_sandbox_id("no-such-pod");
  EXPECT_THAT(client().Call(nothing), HasCode(Code::kNotFound));
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  RemoveParent();
}

TEST_P(ResourcesTest, AFailedResizeIsTakenBack) {
  if (layout_.v2) GTEST_SKIP() << "v2 refuses no such limit";
  const CgroupDir group = MakeParent();
  const std::string pod = RunPod(sandbox_);
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_resources()->set_cpu_period(100000);
  config.mutable_linux()->mutable_resources()->set_cpu_quota(90000);
  StartContainer(pod, config, sandbox_);
  v1::UpdatePodSandboxResourcesRequest update;
  update.set_pod_sandbox_id(pod);
  update.mutable_resources()->set_cpu_shares(100);
  update.mutable_resources()->set_cpu_quota(50000);  // less than the container may use
  EXPECT_FALSE(client().Call(update).ok());
  EXPECT_EQ(Control(group, "cpu.shares"), "1024");
  EXPECT_EQ(Control(group, "cpu.cfs_quota_us"), "-1");
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  RemoveParent();
}

TEST_P(ResourcesTest, TheDefaultParentIsNobodysOwn) {
  const std::string pod = RunPod(sandbox_);
  StartContainer(pod, ContainerConfig("c", {"top"}), sandbox_);
  const CgroupDir parent(&layout_, daemon().default_cgroup_parent());
  const std::string before = Control(parent, SharesFile());
  v1::UpdatePodSandboxResourcesRequest update;
  update.set_pod_sandbox_id(pod);
  update.mutable_resources()->set_cpu_shares(77);
  EXPECT_THAT(client().Call(update), IsOk());
  EXPECT_EQ(Control(parent, SharesFile()), before);
}

TEST_P(ResourcesTest, AMemoryLimitBelowTheUsageIsRefused) {
  const std::string pod = RunPod(sandbox_);
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_resources()->set_memory_limit_in_bytes(128 << 20);
  const std::string id = StartContainer(pod, config, sandbox_);
  Shell(id, "dd if=/dev/zero of=/dev/shm/full bs=1M count=48 2>/dev/null");
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  update.mutable_linux()->set_memory_limit_in_bytes(24 << 20);
  EXPECT_FALSE(client().Call(update).ok());
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING);
  EXPECT_EQ(StatusOf(id).resources().linux().memory_limit_in_bytes(), 128 << 20);
  EXPECT_EQ(ControlOf(id, layout_.v2 ? "memory.max" : "memory.limit_in_bytes"), Cat(128 << 20));
  Shell(id, "rm /dev/shm/full");
  EXPECT_THAT(client().Call(update), IsOk());
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING);
}

// The same for the pod's own group: v1 refuses it, v2 would kill one of its containers.
TEST_P(ResourcesTest, APodsMemoryLimitBelowTheUsageIsRefused) {
  const CgroupDir group = MakeParent();
  const std::string memory = layout_.v2 ? "memory.max" : "memory.limit_in_bytes";
  const std::string pod = RunPod(sandbox_);
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_resources()->set_memory_limit_in_bytes(128 << 20);
  const std::string id = StartContainer(pod, config, sandbox_);
  const auto resize = [&](int64_t bytes) {
    v1::UpdatePodSandboxResourcesRequest update;
    update.set_pod_sandbox_id(pod);
    update.mutable_resources()->set_memory_limit_in_bytes(bytes);
    update.mutable_resources()->set_memory_swap_limit_in_bytes(bytes);
    return client().Call(update).status();
  };
  EXPECT_THAT(resize(200 << 20), IsOk());
  Shell(id, "dd if=/dev/zero of=/dev/shm/full bs=1M count=48 2>/dev/null");
  const Status refused = resize(24 << 20);
  EXPECT_FALSE(refused.ok());
  if (layout_.v2) {
    EXPECT_THAT(refused, HasCode(Code::kFailedPrecondition));
  }
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING);
  EXPECT_EQ(Control(group, memory), Cat(200 << 20));
  Shell(id, "rm /dev/shm/full");
  EXPECT_THAT(resize(24 << 20), IsOk());
  EXPECT_EQ(Control(group, memory), Cat(24 << 20));
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING);
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  RemoveParent();
}

TEST_P(ResourcesTest, WrongUpdates) {
  const CgroupDir group = MakeParent();
  const std::string pod = RunPod(sandbox_);
  const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox_);
  for (const char* file : {"../../x", "cgroup.freeze", "cgroup.procs", "noname"}) {
    v1::UpdatePodSandboxResourcesRequest of_pod;
    of_pod.set_pod_sandbox_id(pod);
    (*of_pod.mutable_resources()->mutable_unified())[file] = "1";
    EXPECT_THAT(client().Call(of_pod), HasCode(Code::kInvalidArgument)) << file;
  }
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  update.mutable_linux()->set_cpu_shares(-5);
  EXPECT_THAT(client().Call(update), HasCode(Code::kInvalidArgument));
  update.mutable_linux()->set_cpu_shares(0);
  update.mutable_linux()->set_memory_limit_in_bytes(-5);
  EXPECT_THAT(client().Call(update), HasCode(Code::kInvalidArgument));
  EXPECT_EQ(Shell(id, "echo runs"), "runs\n");
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  RemoveParent();
}

TEST_P(ResourcesTest, ALimitIsLifted) {
  const std::string pod = RunPod(sandbox_);
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_resources()->set_memory_limit_in_bytes(64 << 20);
  const std::string id = StartContainer(pod, config, sandbox_);
  const std::string file = layout_.v2 ? "memory.max" : "memory.limit_in_bytes";
  EXPECT_EQ(ControlOf(id, file), Cat(64 << 20));
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  update.mutable_linux()->set_memory_limit_in_bytes(-1);
  EXPECT_THAT(client().Call(update), IsOk());
  EXPECT_THAT(ControlOf(id, file), testing::AnyOf("max", testing::SizeIs(19)));
  EXPECT_EQ(StatusOf(id).resources().linux().memory_limit_in_bytes(), -1);
}

// What had no value before has the kernel's again.
TEST_P(ResourcesTest, AFailedUpdateIsTakenBack) {
  const std::string pod = RunPod(sandbox_);
  const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox_);
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  update.mutable_linux()->set_cpu_shares(10);
  update.mutable_linux()->set_cpuset_cpus("4095");
  EXPECT_FALSE(client().Call(update).ok());
  // On v2 runtimes have two formulas for 1024 shares; the kernel's own is the newer one's.
  if (layout_.v2) {
    EXPECT_THAT(ControlOf(id, "cpu.weight"), testing::AnyOf("39", "100"));
  } else {
    EXPECT_EQ(ControlOf(id, "cpu.shares"), "1024");
  }
  EXPECT_EQ(StatusOf(id).resources().linux().cpu_shares(), 0);
}

TEST_P(ResourcesTest, UpdateBeforeTheStart) {
  const std::string pod = RunPod(sandbox_);
  const std::string id = CreateContainer(pod, ContainerConfig("c", {"top"}), sandbox_);
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  update.mutable_linux()->set_cpuset_cpus("0");
  update.mutable_linux()->set_memory_limit_in_bytes(99 << 20);
  EXPECT_THAT(client().Call(update), IsOk());
  EXPECT_EQ(StatusOf(id).resources().linux().memory_limit_in_bytes(), 99 << 20);
  EXPECT_THAT(TryStart(id), IsOk());
  EXPECT_EQ(ControlOf(id, layout_.v2 ? "memory.max" : "memory.limit_in_bytes"), Cat(99 << 20));
  EXPECT_EQ(Shell(id, "grep Cpus_allowed_list /proc/1/status"), "Cpus_allowed_list:\t0\n");
}

TEST_P(ResourcesTest, Workloads) {
  Configure(
      "workloads:\n  management:\n    activation_annotation: test/activate\n"
      "    annotation_prefix: test.resources\n    cpu_shares: 300\n    cpuset: '0'\n");
  const auto plain = SandboxConfig("plain");
  const std::string plain_pod = RunPod(plain);
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_resources()->set_cpu_shares(1000);
  const std::string other = StartContainer(plain_pod, config, plain);
  EXPECT_EQ(StatusOf(other).resources().linux().cpu_shares(), 1000);

  (*sandbox_.mutable_annotations())["test/activate"] = "";
  (*sandbox_.mutable_annotations())["test.resources/d"] = R"({"cpushares": 40})";
  (*sandbox_.mutable_annotations())["test.resources/e"] = R"({"cpushares": "many"})";
  const std::string pod = RunPod(sandbox_);
  const std::string id = StartContainer(pod, config, sandbox_);
  EXPECT_EQ(StatusOf(id).resources().linux().cpu_shares(), 300);
  EXPECT_EQ(Shell(id, "grep Cpus_allowed_list /proc/1/status"), "Cpus_allowed_list:\t0\n");
  if (!layout_.v2) {
    EXPECT_EQ(ControlOf(id, "cpu.shares"), "300");
  }
  config.mutable_metadata()->set_name("d");
  EXPECT_EQ(StatusOf(StartContainer(pod, config, sandbox_)).resources().linux().cpu_shares(), 40);
  config.mutable_metadata()->set_name("e");
  const auto refused = TryCreate(pod, config, sandbox_);
  EXPECT_THAT(refused, HasCode(Code::kInvalidArgument));
  EXPECT_THAT(refused.status().message(), HasSubstr("test.resources/e"));
  // The kubelet's CPU manager gives every container its shared CPUs right after the start.
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  update.mutable_linux()->set_cpuset_cpus("0-1");
  EXPECT_THAT(client().Call(update), IsOk());
  EXPECT_EQ(ControlOf(id, "cpuset.cpus"), "0");
}

// What a workload is for the rest of the pod: its init process, and the annotations that count.
TEST_P(ResourcesTest, AWorkloadsInitProcessAndAnnotations) {
  Configure(
      "workloads:\n  management:\n    activation_annotation: test/activate\n"
      "    annotation_prefix: test.resources\n    cpu_shares: 300\n    cpuset: '0'\n"
      "    allowed_annotations: [io.allowed/]\n");
  const auto make = [this](const std::string& name) {
    auto sandbox = SandboxConfig(name);
    (*sandbox.mutable_annotations())["io.allowed/x"] = "passes";
    (*sandbox.mutable_annotations())["io.other/x"] = "does not";
    sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
        v1::POD);
    return sandbox;
  };
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(v1::POD);
  const auto spec_of = [this](const std::string& container) {
    return Must(ReadFile(daemon().Path(Cat("lib/containers/", container, "/bundle/config.json"))));
  };

  const auto plain = make("plain");
  const std::string other = StartContainer(RunPod(plain), config, plain);
  EXPECT_THAT(spec_of(other), Not(HasSubstr("io.allowed/x")));
  sandbox_ = make("of-the-workload");
  auto& annotations = *sandbox_.mutable_annotations();
  annotations["test/activate"] = "";
  annotations["test.resources/POD"] = R"({"cpushares": 40})";
  const std::string pod = RunPod(sandbox_);
  const std::string id = StartContainer(pod, config, sandbox_);
  EXPECT_EQ(ControlOf(pod, SharesFile()), layout_.v2 ? "2" : "40") << "crisp-init";
  EXPECT_EQ(Shell(id, "grep Cpus_allowed_list /proc/1/status"), "Cpus_allowed_list:\t0\n");
  EXPECT_EQ(StatusOf(id).resources().linux().cpu_shares(), 300);
  EXPECT_THAT(spec_of(id), AllOf(HasSubstr("io.allowed/x"), Not(HasSubstr("io.other/x"))));

  auto wrong = sandbox_;
  wrong.mutable_metadata()->set_name("wrong");
  (*wrong.mutable_annotations())["test.resources/POD"] = "[]";
  const auto refused = TryRunPod(wrong);
  EXPECT_THAT(refused, HasCode(Code::kInvalidArgument));
  EXPECT_THAT(refused.status().message(), HasSubstr("test.resources/POD"));
}

TEST_P(ResourcesTest, CpusAndGroupsOfCrispItself) {
  Configure("infra_ctr_cpuset: '0'\nown_cgroup_parent: /crisp-test-own\n");
  sandbox_.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::POD);
  const std::string pod = RunPod(sandbox_);
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(v1::POD);
  const std::string id = StartContainer(pod, config, sandbox_);
  EXPECT_EQ(Shell(id, "grep Cpus_allowed_list /proc/1/status"), "Cpus_allowed_list:\t0\n")
      << "crisp-init";
  const std::string node = Must(ReadFile("/proc/self/status"));
  if (node.find("Cpus_allowed_list:\t0-") != std::string::npos) {
    EXPECT_NE(Shell(id, "grep Cpus_allowed_list /proc/self/status"), "Cpus_allowed_list:\t0\n")
        << "a container has its own CPUs";
  }
  const CgroupDir own(&layout_, "/crisp-test-own");
  int monitors = 0;
  for (const pid_t pid : Must(own.Processes())) {
    if (pid == daemon().pid()) continue;  // its threads start programs there (v1)
    const auto read = ReadFile(Cat("/proc/", pid, "/status"));
    if (!read.ok()) continue;  // a helper that has ended meanwhile
    const std::string& status = *read;
    if (status.find("Name:\tcrisp-monitor") == std::string::npos) continue;
    ++monitors;
    EXPECT_THAT(status, HasSubstr("Cpus_allowed_list:\t0\n"));
  }
  EXPECT_EQ(monitors, 2);
  RemoveAllPods();
  Configure("");
  EXPECT_FALSE(own.Exists()) << "made by the daemon and taken away by it";
  // Which the daemon without pods took away as well; the fixture wants it as it was.
  if (!UsesSystemd()) {
    EXPECT_THAT(CgroupDir(&layout_, daemon().default_cgroup_parent()).EnsureCreated(), IsOk());
  }
}

CRISP_FOR_EACH_RUNTIME(ResourcesTest);

}  // namespace
}  // namespace crisp::test
