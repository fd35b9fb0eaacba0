// The seccomp notifier: blocked system calls are seen, counted and, if the pod wants it so, the end
// of the container.
#include "base/core/file.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kOwn[] = "io.crisp.seccompNotifierAction";
constexpr char kCrio[] = "io.kubernetes.cri-o.seccompNotifierAction";

class SeccompNotifierTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    Allow(true);
  }
  void Allow(bool allowed, const std::string& more = "") {
    ASSERT_THAT(EnsureDirectory(daemon().Path("conf.d")), IsOk());
    ASSERT_THAT(WriteFile(daemon().Path("conf.d/10-test.yaml"),
                          Cat("metrics:\n  address: 127.0.0.1:9099\nseccomp_notifier: ",
                              allowed ? "true" : "false", "\n", more)),
                IsOk());
    ASSERT_THAT(daemon().StopGracefully(), IsOk());
    ASSERT_THAT(daemon().Start(), IsOk());
  }
  v1::ContainerConfig Config(const std::string& name, const std::string& script) {
    auto config = ShellConfig(name, script);
    config.mutable_linux()->mutable_security_context()->mutable_seccomp()->set_profile_type(
        v1::SecurityProfile::RuntimeDefault);
    return config;
  }
  std::string Metrics() {
    RunOptions run;
    run.argv = {FindProgram("busybox"), "wget", "-q", "-O", "-", "http://127.0.0.1:9099/metrics"};
    run.deadline = MonoNow() + Patient(std::chrono::seconds(5));
    return Must(crisp::Run(run)).stdout_data;
  }

  v1::PodSandboxConfig sandbox_;
};

TEST_P(SeccompNotifierTest, BlockedCallsAreSeenAndFailAsBefore) {
  (*sandbox_.mutable_annotations())[kOwn] = "log";
  const std::string pod = RunPod(sandbox_);
  const auto config = Config("c",
                             "for i in 1 2 3; do mount -t tmpfs none /mnt 2>&1; done; "
                             "read line; exit 3");
  const std::string id = StartContainer(pod, config, sandbox_);
  const auto status = AwaitExit(id);
  EXPECT_EQ(status.exit_code(), 3);
  EXPECT_EQ(status.reason(), "Error");
  EXPECT_THAT(status.message(), HasSubstr("mount (3x)"));
  EXPECT_THAT(LogText(LogPath(sandbox_, config)), HasSubstr("permission denied"));
  EXPECT_THAT(
      Metrics(),
      HasSubstr(R"(crisp_pod_seccomp_blocked_total{container="test/pod/c",syscall="mount"} )"
                "3"));
  EXPECT_THAT(daemon().Log(), HasSubstr("seccomp blocked a system call"));
}

// The runtimes load the filter at another moment for these.
TEST_P(SeccompNotifierTest, NoNewPrivilegesUsersAndTerminals) {
  (*sandbox_.mutable_annotations())[kOwn] = "";
  const std::string pod = RunPod(sandbox_);
  auto config = Config("c", "unshare -m true; exit 4");
  config.set_tty(true);
  auto* security = config.mutable_linux()->mutable_security_context();
  security->set_no_new_privs(true);
  security->mutable_run_as_user()->set_value(1000);
  const std::string id = StartContainer(pod, config, sandbox_);
  const auto status = AwaitExit(id);
  EXPECT_EQ(status.exit_code(), 4);
  EXPECT_THAT(status.message(), HasSubstr("unshare (1x)"));
}

TEST_P(SeccompNotifierTest, StopEndsTheContainer) {
  (*sandbox_.mutable_annotations())[kCrio] = "stop";
  const std::string pod = RunPod(sandbox_);
  const std::string bad =
      StartContainer(pod, Config("bad", "mount -t tmpfs none /mnt; exec top"), sandbox_);
  const std::string good = StartContainer(pod, Config("good", "exec top"), sandbox_);
  const auto status = AwaitExit(bad, std::chrono::seconds(20));
  EXPECT_EQ(status.exit_code(), 137);
  EXPECT_EQ(status.reason(), "seccomp killed");
  EXPECT_THAT(status.message(), HasSubstr("mount (1x)"));
  EXPECT_GT(status.finished_at() - status.started_at(), 4'000'000'000);
  EXPECT_EQ(StatusOf(good).state(), v1::CONTAINER_RUNNING);
}

// Each exec brings a filter of its own. A daemon that is gone answers nobody: the kernel does, and
// later execs are seen again.
TEST_P(SeccompNotifierTest, ExecsAndRestarts) {
  (*sandbox_.mutable_annotations())[kOwn] = "log";
  const std::string pod = RunPod(sandbox_);
  const auto config = Config("c", "while sleep 0.1; do mount -t tmpfs none /mnt; done");
  const std::string id = StartContainer(pod, config, sandbox_);
  EXPECT_EQ(Shell(id, "unshare -m true 2>/dev/null || echo refused"), "refused\n");
  EXPECT_TRUE(
      Eventually([&] { return daemon().Log().find("syscall=unshare") != std::string::npos; }));
  EXPECT_THAT(Metrics(), HasSubstr("syscall=\"unshare\""));
  KillAndRestart();
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING);
  EXPECT_TRUE(Eventually([&] {
    return LogText(LogPath(sandbox_, config), "stderr").find("not implemented") !=
           std::string::npos;
  })) << "ENOSYS from now on";
  EXPECT_EQ(Shell(id, "unshare -m true 2>/dev/null || echo refused"), "refused\n");
  EXPECT_THAT(Metrics(), HasSubstr("syscall=\"unshare\""));
  EXPECT_THAT(TryStop(id, 0), IsOk());
}

TEST_P(SeccompNotifierTest, OnlyWhereItIsAllowedAndThereIsAProfile) {
  (*sandbox_.mutable_annotations())[kOwn] = "stop";
  const std::string pod = RunPod(sandbox_);
  auto config = ShellConfig("unconfined", "mount -t tmpfs none /mnt; exit 0");
  std::string id = StartContainer(pod, config, sandbox_);
  EXPECT_EQ(AwaitExit(id).message(), "");
  const std::string profile = daemon().Path("deny-mkdir.json");
  ASSERT_THAT(WriteFile(profile, R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]})"),
              IsOk());
  config = ShellConfig("local", "mkdir /tmp/x 2>&1; exit 0");
  auto* seccomp = config.mutable_linux()->mutable_security_context()->mutable_seccomp();
  seccomp->set_profile_type(v1::SecurityProfile::Localhost);
  seccomp->set_localhost_ref(profile);
  id = StartContainer(pod, config, sandbox_);
  EXPECT_THAT(AwaitExit(id).message(), HasSubstr("mkdir"));
  EXPECT_THAT(LogText(LogPath(sandbox_, config)), HasSubstr("Permission denied"));

  Allow(false);
  config.mutable_metadata()->set_name("again");
  id = StartContainer(pod, config, sandbox_);
  EXPECT_EQ(AwaitExit(id).message(), "");
  EXPECT_THAT(Metrics(), Not(HasSubstr("seccomp_blocked")));
  // For the pods of one handler alone.
  Allow(false, Cat("runtimes:\n  ", GetParam(), ":\n    allowed_annotations: [", kOwn, "]\n"));
  config.mutable_metadata()->set_name("by-handler");
  id = StartContainer(pod, config, sandbox_);
  EXPECT_THAT(AwaitExit(id).message(), HasSubstr("mkdir"));
  // For those of one workload alone, which this pod is not of.
  Allow(false, Cat("workloads:\n  w: {activation_annotation: test/w, allowed_annotations: [", kOwn,
                   "]}\n"));
  config.mutable_metadata()->set_name("by-no-workload");
  id = StartContainer(pod, config, sandbox_);
  EXPECT_EQ(AwaitExit(id).message(), "");
  (*sandbox_.mutable_annotations())["test/w"] = "";
  sandbox_.mutable_metadata()->set_name("of-the-workload");
  config.mutable_metadata()->set_name("by-workload");
  id = StartContainer(RunPod(sandbox_), config, sandbox_);
  EXPECT_THAT(AwaitExit(id).message(), HasSubstr("mkdir"));
}

CRISP_FOR_EACH_RUNTIME(SeccompNotifierTest);

}  // namespace
}  // namespace crisp::test
