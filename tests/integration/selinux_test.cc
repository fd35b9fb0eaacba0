// SELinux from inside the container, where the host has it: labels, pods apart, volumes
// (cri-contract 9.9). Other hosts: tests/unit/oci/selinux_test.cc.
#include <sys/xattr.h>

#include "base/core/file.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

std::string LabelOf(const std::string& path) {
  char buffer[512];
  const ssize_t size = ::getxattr(path.c_str(), "security.selinux", buffer, sizeof(buffer));
  return size > 0 ? std::string(buffer) : std::string();
}

// "s0:c1,c2" of "u:r:t:s0:c1,c2".
std::string LevelOf(const std::string& label) {
  size_t at = 0;
  for (int i = 0; i < 3; ++i) at = label.find(':', at) + 1;
  return label.substr(at);
}

class SelinuxTest : public PodTest {
 protected:
  void SetUp() override {
    if (!PathExists("/sys/fs/selinux/enforce")) GTEST_SKIP() << "the host has no SELinux";
    PodTest::SetUp();
  }
  // Of the process that an exec starts.
  std::string ProcessLabel(const std::string& id) {
    return Shell(id, "tr -d '\\000' </proc/self/attr/current");
  }
};

TEST_P(SelinuxTest, PodsAreApart) {
  std::vector<std::string> levels;
  for (const char* name : {"one", "two"}) {
    const auto sandbox = SandboxConfig(name);
    const std::string pod = RunPod(sandbox);
    const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox);
    const std::string label = ProcessLabel(id);
    EXPECT_THAT(label, MatchesRegex(".*:container_t:s0:c[0-9]+,c[0-9]+"));
    EXPECT_EQ(Shell(id, "tr -d '\\000' </proc/1/attr/current"), label) << "PID 1 as an exec";
    levels.push_back(LevelOf(label));
    const std::string mounts = Shell(id, "cat /proc/self/mountinfo");
    EXPECT_THAT(mounts, HasSubstr(Cat("container_file_t:", levels.back())));
    const auto second = ContainerConfig("d", {"top"});
    EXPECT_EQ(LevelOf(ProcessLabel(StartContainer(pod, second, sandbox))), levels.back());
    EXPECT_EQ(Shell(id, "echo x >>/etc/hosts && echo x >/dev/shm/x && touch /x && echo works"),
              "works\n");
  }
  EXPECT_NE(levels[0], levels[1]);
  KillAndRestart();
}

TEST_P(SelinuxTest, OptionsAndDomains) {
  auto sandbox = SandboxConfig("pod");
  auto* security = sandbox.mutable_linux()->mutable_security_context();
  security->set_privileged(true);
  security->mutable_selinux_options()->set_level("s0:c4,c5");
  const std::string pod = RunPod(sandbox);
  auto config = ContainerConfig("inherits", {"top"});
  EXPECT_EQ(LevelOf(ProcessLabel(StartContainer(pod, config, sandbox))), "s0:c4,c5");
  config = ContainerConfig("own", {"top"});
  auto* own = config.mutable_linux()->mutable_security_context();
  own->mutable_selinux_options()->set_level("s0:c6,c7");
  EXPECT_EQ(LevelOf(ProcessLabel(StartContainer(pod, config, sandbox))), "s0:c6,c7");
  config = ContainerConfig("privileged", {"top"});
  config.mutable_linux()->mutable_security_context()->set_privileged(true);
  EXPECT_THAT(ProcessLabel(StartContainer(pod, config, sandbox)), HasSubstr(":spc_t:s0"));
  config = ContainerConfig("wrong", {"top"});
  own = config.mutable_linux()->mutable_security_context();
  own->mutable_selinux_options()->set_level("s0,c4");
  const auto refused = TryCreate(pod, config, sandbox);
  EXPECT_THAT(refused, HasCode(Code::kInvalidArgument));
  EXPECT_THAT(refused.status().message(), HasSubstr("selinux_options.level: 's0,c4'"));
  own->mutable_selinux_options()->set_level("s0:c4");
  own->mutable_selinux_options()->set_type("no_such_type_t");
  EXPECT_THAT(TryCreate(pod, config, sandbox).status().message(), HasSubstr("no_such_type_t"));
}

TEST_P(SelinuxTest, VolumesAreRelabelled) {
  const std::string volume = daemon().Path("volume");
  ASSERT_THAT(EnsureDirectory(volume + "/deep"), IsOk());
  ASSERT_THAT(WriteFile(volume + "/deep/file", "x\n"), IsOk());
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  auto config = ContainerConfig("c", {"top"});
  v1::Mount* mount = config.add_mounts();
  mount->set_host_path(volume);
  mount->set_container_path("/volume");
  const std::string before = LabelOf(volume);
  StartContainer(pod, config, sandbox);
  EXPECT_EQ(LabelOf(volume), before) << "only where it is asked for";
  mount->set_selinux_relabel(true);
  config.mutable_metadata()->set_name("relabel");
  const std::string id = StartContainer(pod, config, sandbox);
  EXPECT_EQ(Shell(id, "cat /volume/deep/file"), "x\n");
  const std::string level = LevelOf(ProcessLabel(id));
  for (const char* name : {"", "/deep", "/deep/file"}) {
    EXPECT_THAT(LabelOf(volume + name), HasSubstr(Cat(":container_file_t:", level))) << name;
  }
}

TEST_P(SelinuxTest, OthersFilesAreDenied) {
  const auto enforcing = ReadFile("/sys/fs/selinux/enforce");
  if (!enforcing.ok() || !enforcing->starts_with("1")) GTEST_SKIP() << "SELinux does not enforce";
  const std::string volume = daemon().Path("volume");
  ASSERT_THAT(EnsureDirectory(volume), IsOk());
  ASSERT_THAT(WriteFile(volume + "/file", "x\n"), IsOk());
  auto config = ContainerConfig("c", {"top"});
  v1::Mount* mount = config.add_mounts();
  mount->set_host_path(volume);
  mount->set_container_path("/volume");
  const auto read = [&](const std::string& pod, const v1::PodSandboxConfig& sandbox) {
    return Shell(StartContainer(pod, config, sandbox), "cat /volume/file 2>&1 || true");
  };
  const std::string denied = "cat: can't open '/volume/file': Permission denied\n";
  const auto sandbox = SandboxConfig("one"), other_sandbox = SandboxConfig("two");
  const std::string pod = RunPod(sandbox), other = RunPod(other_sandbox);
  EXPECT_EQ(read(pod, sandbox), denied) << "the host's";
  mount->set_selinux_relabel(true);
  config.mutable_metadata()->set_name("relabel");
  EXPECT_EQ(read(pod, sandbox), "x\n");
  mount->set_selinux_relabel(false);
  EXPECT_EQ(read(other, other_sandbox), denied) << "another pod's";
  config.mutable_metadata()->set_name("privileged");
  config.mutable_linux()->mutable_security_context()->set_privileged(true);
  auto privileged = SandboxConfig("three");
  privileged.mutable_linux()->mutable_security_context()->set_privileged(true);
  EXPECT_EQ(read(RunPod(privileged), privileged), "x\n");
}

CRISP_FOR_EACH_RUNTIME(SelinuxTest);

}  // namespace
}  // namespace crisp::test
