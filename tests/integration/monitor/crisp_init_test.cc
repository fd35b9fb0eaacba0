// crisp-init as the OCI runtime runs it: alone in its rootfs, PID 1 of a namespace that others
// join.
#include <signal.h>
#include <unistd.h>

#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "monitor_fixture.h"

namespace crisp::oci {
namespace {

class CrispInitTest : public MonitorTest {
 protected:
  Status RunHere(std::vector<std::string> argv) {
    RunOptions run;
    run.argv = std::move(argv);
    run.deadline = Soon();
    run.reaper = &reaper_;
    const RunOutput output = CRISP_TRY(crisp::Run(run));
    return output.status.success() ? OkStatus() : Internal(output.stderr_data);
  }
  std::string ChildrenOf(pid_t pid) {
    const Result<std::string> text = ReadFile(Cat("/proc/", pid, "/task/", pid, "/children"));
    return text.ok() ? *text : text.status().ToString();
  }
};

TEST_P(CrispInitTest, ReapsWhatIsLeftToItAndEndsOnSigterm) {
  const std::string rootfs = dir_ + "/bundle/rootfs";
  ASSERT_TRUE(RemoveTreeAt(rootfs).ok());
  ASSERT_TRUE(EnsureDirectory(rootfs).ok());
  ASSERT_TRUE(RunHere({"/bin/cp", CRISP_INIT_BINARY, rootfs + "/crisp-init"}).ok());
  // More than one word, so that it is not given to a shell, which this rootfs has not.
  WriteBundle({.command = {"/crisp-init", ""}});
  Result<std::string> config = ReadFile(dir_ + "/bundle/config.json");
  ASSERT_TRUE(config.ok());
  config->replace(config->find(",\"\"]"), 4, "]");
  ASSERT_TRUE(WriteFile(dir_ + "/bundle/config.json", *config).ok());
  Result<std::shared_ptr<Monitor>> launched = Monitor::Launch(MakeLaunch({}), MakeObserver());
  ASSERT_TRUE(launched.ok()) << launched.status().ToString();
  monitor_ = *std::move(launched);
  ASSERT_TRUE(StartContainer().ok());

  const pid_t init = monitor_->process().container_pid;
  // Three orphans inside the namespace: they become children of its PID 1, and zombies there.
  const Status orphans = RunHere({"/usr/bin/nsenter", "--pid", "--target", Cat(init), "/bin/sh",
                                  "-c", "for i in 1 2 3; do (sleep 0.2 &); done"});
  ASSERT_TRUE(orphans.ok()) << orphans.ToString();
  const MonoTime deadline = Soon();
  while (!ChildrenOf(init).empty() && MonoNow() < deadline) ::usleep(10000);
  EXPECT_EQ(ChildrenOf(init), "");
  for (int ignored : {SIGHUP, SIGUSR1, SIGINT}) ASSERT_EQ(::kill(init, ignored), 0);
  ::usleep(50000);
  EXPECT_GE(monitor_->container_pidfd(), 0);
  ASSERT_EQ(::kill(init, SIGTERM), 0);
  const SeenExit exit = WaitExit();
  EXPECT_EQ(exit.record.exit_code, 0);
  EXPECT_EQ(exit.record.signal, 0);
}

INSTANTIATE_TEST_SUITE_P(Runtimes, CrispInitTest, testing::Values("runc", "crun"),
                         [](const auto& p) { return p.param; });

}  // namespace
}  // namespace crisp::oci
