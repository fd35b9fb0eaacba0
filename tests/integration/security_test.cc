// Users, groups, capabilities, seccomp, privileged, masked and read-only paths (cri-contract 9).
#include "base/core/file.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SecurityTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    sandbox_.mutable_linux()->mutable_security_context()->set_privileged(true);
    pod_ = RunPod(sandbox_);
  }

  v1::LinuxContainerSecurityContext* Context(v1::ContainerConfig* config) {
    return config->mutable_linux()->mutable_security_context();
  }
  std::string Start(const v1::ContainerConfig& config) {
    return StartContainer(pod_, config, sandbox_);
  }
  Result<std::string> Create(const v1::ContainerConfig& config) {
    return TryCreate(pod_, config, sandbox_);
  }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
};

TEST_P(SecurityTest, UserByNumberAndName) {
  auto config = ContainerConfig("number", {"top"});
  Context(&config)->mutable_run_as_user()->set_value(1000);
  std::string id = Start(config);
  EXPECT_EQ(Shell(id, "id -u; id -g; echo $HOME"), "1000\n1000\n/home\n");
  EXPECT_EQ(StatusOf(id).user().linux().uid(), 1000);
  EXPECT_EQ(StatusOf(id).user().linux().gid(), 1000);

  config = ContainerConfig("name", {"top"});
  Context(&config)->set_run_as_username("alice");
  id = Start(config);
  EXPECT_EQ(Shell(id, "id -un"), "alice\n");

  config = ContainerConfig("unknown-number", {"top"});
  Context(&config)->mutable_run_as_user()->set_value(4321);
  Context(&config)->mutable_run_as_group()->set_value(77);
  EXPECT_EQ(Shell(Start(config), "id -u; id -g"), "4321\n77\n");

  config = ContainerConfig("unknown-name", {"top"});
  Context(&config)->set_run_as_username("bob");
  EXPECT_FALSE(Create(config).ok());

  config = ContainerConfig("group-only", {"top"});
  Context(&config)->mutable_run_as_group()->set_value(77);
  EXPECT_FALSE(Create(config).ok());
}

TEST_P(SecurityTest, SupplementalGroups) {
  auto config = ContainerConfig("merge", {"top"});
  Context(&config)->mutable_run_as_user()->set_value(1000);
  Context(&config)->add_supplemental_groups(1234);
  std::string id = Start(config);
  EXPECT_EQ(Shell(id, "id -G"), "1000 1234 50000\n");
  EXPECT_THAT(StatusOf(id).user().linux().supplemental_groups(),
              testing::UnorderedElementsAre(1000, 1234, 50000));

  config = ContainerConfig("strict", {"top"});
  Context(&config)->mutable_run_as_user()->set_value(1000);
  Context(&config)->add_supplemental_groups(1234);
  Context(&config)->set_supplemental_groups_policy(v1::Strict);
  id = Start(config);
  EXPECT_EQ(Shell(id, "id -G"), "1000 1234\n");
  EXPECT_THAT(StatusOf(id).user().linux().supplemental_groups(),
              testing::UnorderedElementsAre(1000, 1234));
}

TEST_P(SecurityTest, Capabilities) {
  auto config = ContainerConfig("default", {"top"});
  EXPECT_THAT(Shell(Start(config), "ip link add d0 type dummy 2>&1 || echo refused"),
              HasSubstr("refused"));
  config = ContainerConfig("add", {"top"});
  Context(&config)->mutable_capabilities()->add_add_capabilities("NET_ADMIN");
  EXPECT_EQ(Shell(Start(config), "ip link set lo down && ip link set lo up && echo yes"), "yes\n");
  config = ContainerConfig("drop-all", {"top"});
  Context(&config)->mutable_capabilities()->add_drop_capabilities("ALL");
  EXPECT_EQ(Shell(Start(config), "grep CapBnd /proc/self/status"), "CapBnd:\t0000000000000000\n");
  config = ContainerConfig("wrong", {"top"});
  Context(&config)->mutable_capabilities()->add_add_capabilities("NO_SUCH");
  const auto wrong = Create(config);
  EXPECT_THAT(wrong, HasCode(Code::kInvalidArgument));
  EXPECT_THAT(wrong.status().message(), HasSubstr("NO_SUCH"));
}

TEST_P(SecurityTest, Seccomp) {
  auto config = ContainerConfig("none", {"top"});
  EXPECT_EQ(Shell(Start(config), "grep Seccomp: /proc/self/status"), "Seccomp:\t0\n");
  config = ContainerConfig("default", {"top"});
  Context(&config)->mutable_seccomp()->set_profile_type(v1::SecurityProfile::RuntimeDefault);
  EXPECT_EQ(Shell(Start(config), "grep Seccomp: /proc/self/status"), "Seccomp:\t2\n");

  const std::string profile = daemon().Path("deny-mkdir.json");
  ASSERT_THAT(WriteFile(profile, R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]})"),
              IsOk());
  config = ContainerConfig("local", {"top"});
  Context(&config)->mutable_seccomp()->set_profile_type(v1::SecurityProfile::Localhost);
  Context(&config)->mutable_seccomp()->set_localhost_ref(profile);
  EXPECT_EQ(Shell(Start(config), "mkdir /tmp/x 2>/dev/null || echo denied"), "denied\n");

  config = ContainerConfig("missing", {"top"});
  Context(&config)->mutable_seccomp()->set_profile_type(v1::SecurityProfile::Localhost);
  Context(&config)->mutable_seccomp()->set_localhost_ref(daemon().Path("none.json"));
  EXPECT_FALSE(Create(config).ok());
}

TEST_P(SecurityTest, Privileged) {
  auto config = ContainerConfig("p", {"top"});
  Context(&config)->set_privileged(true);
  Context(&config)->mutable_seccomp()->set_profile_type(v1::SecurityProfile::RuntimeDefault);
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "grep Seccomp: /proc/self/status"), "Seccomp:\t0\n");
  EXPECT_EQ(Shell(id, "mount -t tmpfs none /mnt && echo mounted"), "mounted\n");
  EXPECT_EQ(Shell(id, "test -w /proc/sys/kernel/hostname && echo writable"), "writable\n");
  EXPECT_THAT(Shell(id, "grep ' /sys ' /proc/self/mountinfo"), HasSubstr(" /sys rw"));
  // All nodes of the host's /dev, but not its terminals and file systems.
  if (PathExists("/dev/kmsg")) {
    EXPECT_EQ(Shell(id, "true </dev/kmsg && echo opened"), "opened\n");
  }
  EXPECT_EQ(Shell(id, "mknod /tmp/full c 1 7 && echo x >/tmp/full 2>/dev/null || echo full"),
            "full\n");

  const auto plain = SandboxConfig("plain");
  const std::string plain_pod = RunPod(plain);
  config.mutable_metadata()->set_name("refused");
  EXPECT_FALSE(TryCreate(plain_pod, config, plain).ok()) << "the sandbox is not privileged";
}

TEST_P(SecurityTest, PathsAndNoNewPrivileges) {
  auto config = ContainerConfig("c", {"top"});
  Context(&config)->add_masked_paths("/etc/group");
  Context(&config)->add_masked_paths("/var");
  Context(&config)->add_readonly_paths("/tmp");
  Context(&config)->set_no_new_privs(true);
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "wc -c < /etc/group"), "0\n");
  EXPECT_EQ(Shell(id, "ls -A /var | wc -l"), "0\n");
  EXPECT_EQ(Shell(id, "touch /tmp/x 2>/dev/null || echo ro"), "ro\n");
  EXPECT_EQ(Shell(id, "grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1\n");
}

TEST_P(SecurityTest, ReadonlyRootfs) {
  auto config = ContainerConfig("c", {"top"});
  Context(&config)->set_readonly_rootfs(true);
  const std::string id = Start(config);
  const auto response = Must(TryExec(id, {"touch", "/test.go"}));
  EXPECT_NE(response.exit_code(), 0);
  EXPECT_THAT(response.stderr(), HasSubstr("Read-only file system"));
  EXPECT_EQ(Shell(id, "touch /dev/shm/x && echo shm-works"), "shm-works\n");
}

TEST_P(SecurityTest, Devices) {
  auto config = ContainerConfig("c", {"top"});
  auto* device = config.add_devices();
  device->set_host_path("/dev/null");
  device->set_container_path("/dev/extra");
  device->set_permissions("rwm");
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "echo x > /dev/extra && test -c /dev/extra && echo yes"), "yes\n");
  config.mutable_metadata()->set_name("missing");
  device->set_host_path("/dev/no-such-device");
  EXPECT_FALSE(Create(config).ok());
}

CRISP_FOR_EACH_RUNTIME(SecurityTest);

}  // namespace
}  // namespace crisp::test
