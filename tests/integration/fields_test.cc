// Fields of the CRI's security contexts, mounts, devices and resources that no other test looks at
// from inside the container: oci/FIELDS.md names the test of each field.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <map>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "base/core/mount.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class FieldsTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
  }
  v1::LinuxContainerSecurityContext* Context(v1::ContainerConfig* config) {
    return config->mutable_linux()->mutable_security_context();
  }
  std::string Start(const v1::ContainerConfig& config) {
    return StartContainer(pod_, config, sandbox_);
  }
  void ExpectRefused(const v1::ContainerConfig& config, const std::string& words) {
    const auto refused = TryCreate(pod_, config, sandbox_);
    EXPECT_FALSE(refused.ok());
    EXPECT_THAT(refused.status().message(), HasSubstr(words));
  }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
};

TEST_P(FieldsTest, AmbientCapabilities) {
  auto config = ContainerConfig("ambient", {"top"});
  Context(&config)->mutable_run_as_user()->set_value(1000);
  Context(&config)->mutable_capabilities()->add_add_ambient_capabilities("NET_BIND_SERVICE");
  EXPECT_EQ(Shell(Start(config), "grep -E 'Cap(Eff|Amb)' /proc/self/status"),
            "CapEff:\t0000000000000400\nCapAmb:\t0000000000000400\n");
  config = ContainerConfig("plain", {"top"});
  Context(&config)->mutable_run_as_user()->set_value(1000);
  EXPECT_EQ(Shell(Start(config), "grep -E 'Cap(Eff|Amb|Inh)' /proc/self/status"),
            "CapInh:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n");
}

TEST_P(FieldsTest, AllCapabilitiesWithoutOne) {
  auto config = ContainerConfig("c", {"top"});
  Context(&config)->mutable_capabilities()->add_add_capabilities("ALL");
  Context(&config)->mutable_capabilities()->add_drop_capabilities("CHOWN");
  const std::string own = Must(ReadFile("/proc/self/status"));
  const size_t at = own.find("CapBnd:\t") + 8;
  const uint64_t all = std::stoull(own.substr(at, 16), nullptr, 16);
  const std::string found = Shell(Start(config), "grep CapBnd /proc/self/status | cut -f2");
  EXPECT_EQ(std::stoull(found, nullptr, 16), all & ~uint64_t{1});
}

TEST_P(FieldsTest, DeprecatedProfilePaths) {
  auto config = ContainerConfig("default", {"top"});
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  Context(&config)->set_seccomp_profile_path("runtime/default");
  EXPECT_EQ(Shell(Start(config), "grep Seccomp: /proc/self/status"), "Seccomp:\t2\n");
  config.mutable_metadata()->set_name("unconfined");
  Context(&config)->set_seccomp_profile_path("unconfined");
  EXPECT_EQ(Shell(Start(config), "grep Seccomp: /proc/self/status"), "Seccomp:\t0\n");
  config.mutable_metadata()->set_name("wrong");
  Context(&config)->set_seccomp_profile_path("somewhere");
  ExpectRefused(config, "seccomp_profile_path");
#pragma GCC diagnostic pop
}

TEST_P(FieldsTest, SeccompProfilesAreChecked) {
  auto config = ContainerConfig("c", {"top"});
  auto* seccomp = Context(&config)->mutable_seccomp();
  seccomp->set_localhost_ref("/x");
  ExpectRefused(config, "only allowed with profile type Localhost");
  seccomp->set_profile_type(v1::SecurityProfile::Localhost);
  const std::string profile = daemon().Path("profile.json");
  seccomp->set_localhost_ref(profile);
  ASSERT_THAT(WriteFile(profile, R"({"defaultAction": "SCMP_ACT_DANCE"})"), IsOk());
  ExpectRefused(config, "SCMP_ACT_DANCE");
  ASSERT_THAT(WriteFile(profile, R"({"defaultAction": "SCMP_ACT_ALLOW",
      "architectures": ["SCMP_ARCH_PDP11"]})"),
              IsOk());
  ExpectRefused(config, "SCMP_ARCH_PDP11");
  ASSERT_THAT(WriteFile(profile, R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["no_such_call", "mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]})"),
              IsOk());
  EXPECT_EQ(Shell(Start(config), "mkdir /x 2>/dev/null || echo denied"), "denied\n")
      << "unknown calls are skipped";
}

// crisp's own profile: what it allows depends on the capabilities.
TEST_P(FieldsTest, DefaultSeccompProfile) {
  const auto start = [this](const std::string& name, bool profile, bool admin) {
    auto config = ContainerConfig(name, {"top"});
    // Its default profile has no mounts.
    Context(&config)->mutable_apparmor()->set_profile_type(v1::SecurityProfile::Unconfined);
    if (profile) {
      Context(&config)->mutable_seccomp()->set_profile_type(v1::SecurityProfile::RuntimeDefault);
    }
    if (admin) Context(&config)->mutable_capabilities()->add_add_capabilities("SYS_ADMIN");
    return Start(config);
  };
  const char* const script = "unshare -m true 2>/dev/null && echo yes || echo no";
  EXPECT_EQ(Shell(start("admin", true, true), script), "yes\n");
  EXPECT_EQ(Shell(start("plain", true, false), script), "no\n");
  // Not the missing capability alone: a user namespace needs none.
  const char* const user = "unshare -U true 2>/dev/null && echo yes || echo no";
  if (Shell(start("unconfined", false, false), user) == "yes\n") {
    EXPECT_EQ(Shell(start("confined", true, false), user), "no\n");
  }
}

TEST_P(FieldsTest, ProcMountUnmasked) {
  auto config = ContainerConfig("c", {"top"});
  config.mutable_mounts();
  EXPECT_THAT(Shell(Start(config), "cat /proc/self/mountinfo"), Not(HasSubstr(" /proc/version ")));
  config = ContainerConfig("masked", {"top"});
  Context(&config)->add_masked_paths("/proc/version");
  Context(&config)->add_readonly_paths("/proc/sys");
  const std::string mounts = Shell(Start(config), "cat /proc/self/mountinfo");
  EXPECT_THAT(mounts, HasSubstr(" /proc/version "));
  EXPECT_THAT(mounts, HasSubstr(" /proc/sys ro"));
  Context(&config)->add_masked_paths("relative");
  config.mutable_metadata()->set_name("relative");
  ExpectRefused(config, "'relative' is not an absolute path");
}

TEST_P(FieldsTest, OptionsOfMounts) {
  ASSERT_THAT(EnsureDirectory(daemon().Path("volume")), IsOk());
  auto config = ContainerConfig("c", {"top"});
  auto* mount = config.add_mounts();
  mount->set_container_path("/volume");
  mount->set_host_path(daemon().Path("volume"));
  for (const char* option : {"noexec", "nodev", "nosuid"}) mount->add_mount_options(option);
  const std::string id = Start(config);
  EXPECT_THAT(Shell(id, "grep ' /volume ' /proc/self/mountinfo"),
              HasSubstr(" /volume rw,nosuid,nodev,noexec"));
  EXPECT_EQ(Shell(id, "cp /bin/busybox /volume/true; /volume/true 2>/dev/null || echo noexec"),
            "noexec\n");
  mount->add_mount_options("sync");
  config.mutable_metadata()->set_name("wrong");
  ExpectRefused(config, "sync");
}

TEST_P(FieldsTest, RecursiveReadOnly) {
  const std::string volume = daemon().Path("volume");
  ASSERT_THAT(EnsureDirectory(volume + "/below"), IsOk());
  ASSERT_THAT(Mount("tmpfs", volume + "/below", "tmpfs", 0, "size=64k"), IsOk());
  auto config = ContainerConfig("c", {"top"});
  auto* mount = config.add_mounts();
  mount->set_container_path("/volume");
  mount->set_host_path(volume);
  mount->set_recursive_read_only(true);
  v1::StatusRequest ask;
  bool offered = false;
  const v1::StatusResponse status = Must(client().Call(ask));
  for (const auto& handler : status.runtime_handlers()) {
    if (handler.name().empty()) offered = handler.features().recursive_read_only_mounts();
  }
  if (offered) {
    ExpectRefused(config, "read");  // not without readonly
    mount->set_readonly(true);
    config.mutable_metadata()->set_name("ok");
    EXPECT_EQ(Shell(Start(config), "touch /volume/below/x 2>/dev/null || echo ro"), "ro\n");
    mount->set_propagation(v1::PROPAGATION_HOST_TO_CONTAINER);
    config.mutable_metadata()->set_name("propagation");
    ExpectRefused(config, "propagation");
  } else {
    mount->set_readonly(true);
    ExpectRefused(config, "RROUnsupported: ");
  }
  RemoveAllPods();
  EXPECT_THAT(EnsureUnmounted(volume + "/below", /*detach=*/true), IsOk());
}

TEST_P(FieldsTest, DevicesAndTheirPermissions) {
  const std::string directory = daemon().Path("devices");
  ASSERT_THAT(EnsureDirectory(directory + "/deep"), IsOk());
  ASSERT_EQ(::mknod((directory + "/zero").c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
  ASSERT_EQ(::mknod((directory + "/deep/kmsg").c_str(), S_IFCHR | 0666, makedev(1, 11)), 0);
  auto config = ContainerConfig("all", {"top"});
  auto* device = config.add_devices();
  device->set_host_path(directory);
  device->set_container_path("/dev/some");
  device->set_permissions("rwm");
  EXPECT_EQ(Shell(Start(config), "cd /dev/some; test -c zero && test -c deep/kmsg && echo yes"),
            "yes\n");
  // /dev/kmsg is none of the standard nodes: what is not allowed is refused by the kernel.
  config = ContainerConfig("write", {"top"});
  device = config.add_devices();
  device->set_host_path(directory + "/deep/kmsg");
  device->set_container_path("/dev/kmsg");
  device->set_permissions("w");
  EXPECT_EQ(Shell(Start(config),
                  "true >/dev/kmsg && echo writable; "
                  "true 2>/dev/null </dev/kmsg || echo unreadable"),
            "writable\nunreadable\n");
  config.mutable_metadata()->set_name("wrong");
  device->set_permissions("rx");
  ExpectRefused(config, "rx");
}

// proc_pid_oom_score_adj(5): CAP_SYS_RESOURCE.
bool MayLowerOomScore() {
  const std::string status = Must(ReadFile("/proc/self/status"));
  const uint64_t effective =
      std::stoull(status.substr(status.find("CapEff:\t") + 8, 16), nullptr, 16);
  return (effective >> 24 & 1) != 0;
}

TEST_P(FieldsTest, OomScoreIsClampedWhereItCannotBeLowered) {
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_resources()->set_oom_score_adj(-998);
  const std::string id = Start(config);
  const int score = std::stoi(Shell(id, "cat /proc/1/oom_score_adj"));
  const int daemons = std::stoi(Must(ReadFile(Cat("/proc/", daemon().pid(), "/oom_score_adj"))));
  EXPECT_EQ(score, MayLowerOomScore() ? -998 : daemons);
  EXPECT_EQ(StatusOf(id).resources().linux().oom_score_adj(), -998) << "as it was asked for";
  config.mutable_metadata()->set_name("wrong");
  config.mutable_linux()->mutable_resources()->set_oom_score_adj(1001);
  ExpectRefused(config, "oom_score_adj: 1001");
}

// Of process 1, of what it starts, and of execs, also by the next daemon.
TEST_P(FieldsTest, NegativeOomScores) {
  if (!MayLowerOomScore()) GTEST_SKIP() << "needs CAP_SYS_RESOURCE";
  std::map<std::string, std::string> expected;
  for (const int score : {-998, -1, 0, 1000}) {
    for (const int user : {0, 1000}) {
      auto config =
          ShellConfig(Cat("c", user, "-", score), "sleep 1000 & echo $! >/tmp/child; wait");
      Context(&config)->mutable_run_as_user()->set_value(user);
      config.mutable_linux()->mutable_resources()->set_oom_score_adj(score);
      expected[Start(config)] = Cat(score, "\n", score, "\n", score, "\n");
    }
  }
  const char* const script =
      "until [ -s /tmp/child ]; do sleep 0.05; done; cd /proc; "
      "cat 1/oom_score_adj $(cat /tmp/child)/oom_score_adj self/oom_score_adj";
  const auto check = [&] {
    for (const auto& [id, scores] : expected) EXPECT_EQ(Shell(id, script), scores);
  };
  check();
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(expected.begin()->first);
  update.mutable_linux()->set_cpu_shares(512);
  EXPECT_THAT(client().Call(update), IsOk());
  check();
  KillAndRestart();
  check();
}

TEST_P(FieldsTest, SwapAndHugepages) {
  const CgroupLayout layout = Must(CgroupLayout::Detect());
  auto config = ContainerConfig("c", {"top"});
  auto* resources = config.mutable_linux()->mutable_resources();
  resources->set_memory_limit_in_bytes(64 << 20);
  resources->set_memory_swap_limit_in_bytes(80 << 20);
  resources->set_cpuset_mems("0");
  auto* huge = resources->add_hugepage_limits();
  huge->set_page_size("2MB");
  huge->set_limit(0);
  const std::string id = Start(config);
  const CgroupDir group(&layout, daemon().CgroupOf(id));
  const auto swap = layout.v2 ? group.ReadFile("memory", "memory.swap.max")
                              : group.ReadFile("memory", "memory.memsw.limit_in_bytes");
  if (swap.ok()) {
    EXPECT_EQ(Trim(*swap), Cat(layout.v2 ? 16 << 20 : 80 << 20));
  }
  EXPECT_EQ(Trim(Must(group.ReadFile("cpuset", "cpuset.mems"))), "0");
  const auto pages = layout.v2 ? group.ReadFile("hugetlb", "hugetlb.2MB.max")
                               : group.ReadFile("hugetlb", "hugetlb.2MB.limit_in_bytes");
  if (pages.ok()) {
    EXPECT_EQ(Trim(*pages), "0");
  }
  config.mutable_metadata()->set_name("wrong");
  huge->set_page_size("2 MB");
  ExpectRefused(config, "page size '2 MB'");
}

// On a host without SELinux labels have no effect; without AppArmor a profile is refused.
TEST_P(FieldsTest, SecurityModulesOfTheHost) {
  auto config = ContainerConfig("selinux", {"top"});
  Context(&config)->mutable_selinux_options()->set_level("s0:c1,c2");
  if (!PathExists("/sys/fs/selinux/enforce")) {
    v1::Mount* mount = config.add_mounts();
    mount->set_host_path(daemon().Path("volume"));
    mount->set_container_path("/volume");
    mount->set_selinux_relabel(true);
    EXPECT_EQ(Shell(Start(config), "echo runs"), "runs\n");
    EXPECT_LT(::getxattr(daemon().Path("volume").c_str(), "security.selinux", nullptr, 0), 0);
  }
  config = ContainerConfig("apparmor", {"top"});
  Context(&config)->mutable_apparmor()->set_profile_type(v1::SecurityProfile::Localhost);
  Context(&config)->mutable_apparmor()->set_localhost_ref("no-such-profile");
  ExpectRefused(config, "pparmor");
  Context(&config)->clear_apparmor();
  Context(&config)->mutable_apparmor()->set_profile_type(v1::SecurityProfile::Unconfined);
  EXPECT_EQ(Shell(Start(config), "echo runs"), "runs\n");
}

// A sandbox has no process of its own that its context could apply to: it is checked, and what
// containers inherit is theirs.
TEST_P(FieldsTest, SecurityContextOfASandbox) {
  auto config = SandboxConfig("other");
  auto* security = config.mutable_linux()->mutable_security_context();
  security->mutable_run_as_group()->set_value(5);
  EXPECT_THAT(TryRunPod(config), HasCode(Code::kInvalidArgument));
  security->mutable_run_as_user()->set_value(5);
  security->set_readonly_rootfs(true);
  security->add_supplemental_groups(7);
  security->mutable_seccomp()->set_profile_type(v1::SecurityProfile::RuntimeDefault);
  security->mutable_namespace_options()->set_ipc(v1::TARGET);
  EXPECT_THAT(TryRunPod(config), HasCode(Code::kInvalidArgument));
  security->mutable_namespace_options()->set_ipc(v1::POD);
  const std::string pod = RunPod(config);
  const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), config);
  EXPECT_EQ(Shell(id, "id -u; id -G; touch /x; grep Seccomp: /proc/self/status"),
            "0\n0\nSeccomp:\t0\n");
}

CRISP_FOR_EACH_RUNTIME(FieldsTest);

}  // namespace
}  // namespace crisp::test
