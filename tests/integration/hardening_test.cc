// Hardening of crisp itself: what other users of the node may see, what monitors keep, what
// containers can do with a log directory, and which limits and environment are passed on.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "conmon/protocol.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class HardeningTest : public PodTest {
 protected:
  static constexpr rlim_t kGiven = 1000;

  // The daemon is started with a soft limit below its hard one, and with a secret in its
  // environment.
  void SetUp() override {
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit low{kGiven, before_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    ::setenv("HTTPS_PROXY", "http://user:secret@proxy", 1);  // NOLINT(concurrency-mt-unsafe)
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
  }
  void TearDown() override {
    PodTest::TearDown();
    ::unsetenv("HTTPS_PROXY");  // NOLINT(concurrency-mt-unsafe)
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }

  conmon::PidFile Monitor(const std::string& container) {
    const std::string path = daemon().Path(Cat("run/containers/", container, "/pid"));
    const auto file = conmon::PidFile::FromText(Must(ReadFile(path), "pid file"));
    EXPECT_TRUE(file.has_value());
    return file.value_or(conmon::PidFile{});
  }
  static std::string ProcFile(int pid, const std::string& name) {
    return Must(ReadFile(Cat("/proc/", pid, "/", name)), "read /proc");
  }
  // The value of a line "key:\tvalue" of /proc/<pid>/status.
  static std::string StatusLine(int pid, const std::string& key) {
    const std::string text = "\n" + ProcFile(pid, "status");
    const size_t at = text.find("\n" + key + ":\t");
    if (at == std::string::npos) return "missing";
    const size_t begin = at + key.size() + 3;
    return text.substr(begin, text.find('\n', begin) - begin);
  }
  static std::string SoftLimit(int pid) {
    const std::string text = ProcFile(pid, "limits");
    const std::string name = "Max open files";
    const size_t begin = text.find_first_not_of(' ', text.find(name) + name.size());
    return text.substr(begin, text.find(' ', begin) - begin);
  }

  rlimit before_{};
  v1::PodSandboxConfig sandbox_;
  std::string pod_;
};

TEST_P(HardeningTest, AMonitorKeepsWhatItNeeds) {
  const std::string id = StartContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
  const int monitor = Monitor(id).monitor_pid;
  EXPECT_EQ(StatusLine(monitor, "CapEff"), "0000000000000020");  // CAP_KILL
  EXPECT_EQ(StatusLine(monitor, "CapPrm"), "0000000000000020");
  EXPECT_EQ(StatusLine(monitor, "CapBnd"), "0000000000000020");
  EXPECT_EQ(StatusLine(monitor, "NoNewPrivs"), "1");
  EXPECT_EQ(StatusLine(monitor, "Seccomp"), "2");
  EXPECT_THAT(ProcFile(monitor, "environ"), Not(HasSubstr("secret")));
  EXPECT_THAT(ProcFile(Monitor(id).container_pid, "environ"), Not(HasSubstr("secret")));
}

// A root in a pod with the host's processes, with all default capabilities: as many as the monitor
// has, which is all that ptrace(2) asks for in a process that may be traced.
TEST_P(HardeningTest, AHostPidContainerCannotLookIntoMonitors) {
  v1::PodSandboxConfig sandbox = SandboxConfig("host-pid");
  sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::NODE);
  const std::string pod = RunPod(sandbox);
  v1::ContainerConfig config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::NODE);
  const std::string id = StartContainer(pod, config, sandbox);
  const int monitor = Monitor(id).monitor_pid;
  EXPECT_EQ(Shell(id, Cat("test -d /proc/", monitor, " && echo seen")), "seen\n");
  EXPECT_EQ(Shell(id, Cat("ls /proc/", monitor, "/root/ 2>/dev/null || echo refused")),
            "refused\n");
  EXPECT_EQ(Shell(id, Cat("readlink /proc/", monitor, "/fd/0 || echo refused")), "refused\n");
  EXPECT_EQ(Shell(id, Cat("cat /proc/", monitor, "/environ 2>/dev/null || echo refused")),
            "refused\n");
}

// The way from a shared PID namespace to the host's sysctls would be process 1's /proc.
TEST_P(HardeningTest, TheInitOfASharedPidNamespaceIsNoWayOut) {
  v1::PodSandboxConfig sandbox = SandboxConfig("shared-pid");
  v1::ContainerConfig config = ContainerConfig("plain", {"top"});
  for (auto* context :
       {sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options(),
        config.mutable_linux()->mutable_security_context()->mutable_namespace_options()}) {
    context->set_pid(v1::POD);
  }
  const std::string pod = RunPod(sandbox);
  const std::string plain = StartContainer(pod, config, sandbox);
  const std::string look = "ls /proc/1/root/ 2>/dev/null || echo refused";
  EXPECT_EQ(Shell(plain, look), "refused\n");
  config.mutable_metadata()->set_name("tracer");
  config.mutable_linux()->mutable_security_context()->mutable_capabilities()->add_add_capabilities(
      "SYS_PTRACE");
  const std::string tracer = StartContainer(pod, config, sandbox);
  if (Shell(tracer, look) == "refused\n") return;  // by AppArmor
  const std::string write =
      "f=/proc/1/root/proc/sys/kernel/core_pattern; v=$(cat $f); "
      "(echo \"$v\" >$f) 2>/dev/null && echo written || echo refused";
  EXPECT_EQ(Shell(tracer, write), "refused\n");
  EXPECT_EQ(Shell(tracer, "cat /proc/1/root/proc/keys | wc -c"), "0\n");
}

TEST_P(HardeningTest, OtherUsersOfTheNodeSeeNothingOfPods) {
  const std::string id = StartContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
  const auto mode = [this](const std::string& path) {
    struct stat st {};
    EXPECT_EQ(::stat(daemon().Path(path).c_str(), &st), 0) << path;
    return st.st_mode & 07777;
  };
  for (const std::string& path :
       {Cat("run/pods/", pod_), Cat("run/ns/", pod_), Cat("run/containers/", id),
        Cat("lib/containers/", id), std::string("lib/layers"), std::string("lib/images")}) {
    EXPECT_EQ(mode(path) & 0077, 0u) << path;
  }
  for (const std::string& path : {Cat("lib/containers/", id, "/bundle/config.json"),
                                  std::string("lib/pods.db"), std::string("lib/images.db")}) {
    EXPECT_EQ(mode(path), 0600u) << path;
  }
  EXPECT_EQ(mode("run/crisp.sock"), 0660u);
}

// The files that a pod shares are in memory of their own, not in the node's /run.
TEST_P(HardeningTest, AContainerCannotFillTheNodesRun) {
  const std::string id = StartContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
  struct statvfs before {};
  ASSERT_EQ(::statvfs(daemon().Path("run").c_str(), &before), 0);
  const auto filled =
      Must(TryExec(id, {"dd", "if=/dev/zero", "of=/etc/hosts", "bs=1M", "count=40"}));
  EXPECT_NE(filled.exit_code(), 0);
  EXPECT_THAT(filled.stderr(), HasSubstr("No space left"));
  struct statvfs after {};
  ASSERT_EQ(::statvfs(daemon().Path("run").c_str(), &after), 0);
  EXPECT_GE(after.f_bfree + (1 << 20) / after.f_frsize, before.f_bfree);
  EXPECT_EQ(Shell(id, ": >/etc/hosts; echo 127.0.0.1 x >>/etc/hosts; cat /etc/hosts"),
            "127.0.0.1 x\n");
}

TEST_P(HardeningTest, TheRaisedDescriptorLimitIsCrispdsAlone) {
  if (before_.rlim_max <= kGiven) GTEST_SKIP() << "the hard limit is " << before_.rlim_max;
  const std::string id = StartContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
  EXPECT_EQ(SoftLimit(daemon().pid()), Cat(std::min<rlim_t>(before_.rlim_max, 1 << 20)));
  EXPECT_EQ(SoftLimit(Monitor(id).monitor_pid), Cat(kGiven));
  // A runc made with Go 1.19 or 1.20 raises its own limit at its start and passes that on, whatever
  // it was given; only rlimits in the spec (default_ulimits) help there.
  const auto given =
      testing::AnyOf(Cat(kGiven), Cat(Runtime() == "runc" ? before_.rlim_max : kGiven));
  EXPECT_THAT(SoftLimit(Monitor(id).container_pid), given);
  EXPECT_THAT(std::string(Trim(Shell(id, "ulimit -Sn"))), given);
}

// A container of the pod that has the pod's log directory replaces a part of it by a link, and the
// kubelet rotates.
TEST_P(HardeningTest, LogsStayInTheirDirectory) {
  const std::string target = daemon().Path("target");
  ASSERT_THAT(EnsureDirectory(target), IsOk());
  v1::ContainerConfig config = ShellConfig("c", "while :; do echo line; sleep 0.1; done");
  config.set_log_path("sub/0.log");
  const std::string id = StartContainer(pod_, config, sandbox_);
  const std::string sub = Cat(sandbox_.log_directory(), "/sub");
  ASSERT_EQ(::rename(sub.c_str(), (sub + ".moved").c_str()), 0);
  ASSERT_EQ(::symlink(target.c_str(), sub.c_str()), 0);
  ASSERT_EQ(::unlink((sub + ".moved/0.log").c_str()), 0);
  v1::ReopenContainerLogRequest reopen;
  reopen.set_container_id(id);
  EXPECT_THAT(client().Call(reopen), IsOk());
  EXPECT_TRUE(PathExists(sub + ".moved/0.log"));
  EXPECT_FALSE(PathExists(target + "/0.log"));
  // The next container of the pod finds the link.
  config.mutable_metadata()->set_name("next");
  EXPECT_FALSE(TryCreate(pod_, config, sandbox_).ok());
  EXPECT_FALSE(PathExists(target + "/0.log"));
  config.set_log_path("../other/0.log");
  EXPECT_THAT(TryCreate(pod_, config, sandbox_), HasCode(Code::kInvalidArgument));
}

CRISP_FOR_EACH_RUNTIME(HardeningTest);

}  // namespace
}  // namespace crisp::test
