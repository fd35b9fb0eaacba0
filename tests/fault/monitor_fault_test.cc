// Monitors of running containers that are killed or stopped (SIGSTOP).
#include <signal.h>

#include <cstdlib>
#include <thread>

#include "base/core/file.h"
#include "tests/fault/fault_fixture.h"

namespace crisp::test {
namespace {

class MonitorFaultTest : public FaultTest {
 protected:
  void Start() {
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
    id_ =
        StartContainer(pod_, ShellConfig("c", "while :; do echo line; sleep 0.1; done"), sandbox_);
    const std::string status = Must(ReadFile(Cat("/proc/", PidOf(id_), "/status")));
    monitor_ = std::atoi(status.c_str() + status.find("PPid:") + 5);
    ASSERT_GT(monitor_, 2);
  }
  void Signal(int signal) { ASSERT_EQ(::kill(monitor_, signal), 0); }
  Status Reopen(Duration limit) {
    v1::ReopenContainerLogRequest request;
    request.set_container_id(id_);
    return client().Call(request, limit).status();
  }
  // What goes on without a monitor.
  void ExpectUsable() {
    EXPECT_EQ(StatusOf(id_).state(), v1::CONTAINER_RUNNING);
    EXPECT_EQ(Shell(id_, "echo works"), "works\n");
    v1::ContainerStatsRequest stats;
    stats.set_container_id(id_);
    EXPECT_THAT(client().Call(stats, Patient(std::chrono::seconds(2))), IsOk());
    LiveBeside();
  }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  std::string id_;
  pid_t monitor_ = 0;
};

TEST_P(MonitorFaultTest, Killed) {
  Start();
  Signal(SIGKILL);
  ExpectUsable();
  EXPECT_THAT(Timed([&] { return Reopen(limit()); }), HasCode(Code::kUnavailable));
  KillAndRestart();
  ExpectUsable();
  EXPECT_THAT(Timed([&] { return TryStop(id_, 0); }), IsOk());
  EXPECT_EQ(StatusOf(id_).exit_code(), 255);
  EXPECT_EQ(StatusOf(id_).reason(), "Unknown");
  EXPECT_THAT(TryRemove(id_), IsOk());
  StartContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
  CleanUpAndLive();
}

// Stopped and later continued: nothing was lost.
TEST_P(MonitorFaultTest, StoppedForAWhile) {
  Start();
  Signal(SIGSTOP);
  EXPECT_THAT(Reopen(std::chrono::milliseconds(300)), HasCode(Code::kDeadlineExceeded));
  ExpectUsable();
  // A new daemon is not held up either.
  daemon().Kill();
  EXPECT_THAT(Timed([&] { return daemon().Start(); }), IsOk());
  ExpectUsable();
  Signal(SIGCONT);
  EXPECT_TRUE(Eventually([&] { return Reopen(limit()).ok(); }));
  EXPECT_THAT(TryStop(id_, 0), IsOk());
  EXPECT_EQ(StatusOf(id_).exit_code(), 137);
  EXPECT_EQ(StatusOf(id_).reason(), "Error");
}

// It never comes back: the container's end is seen by its own pidfd, and the monitor is killed.
// A container's exit record is waited for (10 s), so this is for the full matrix.
TEST_P(MonitorFaultTest, StoppedForGood) {
  if (!WantsAllFaults()) return;
  ASSERT_THAT(WriteFile(daemon().Path("conf.d/more.yaml"), "timeouts:\n  kill: 15s\n"), IsOk());
  KillAndRestart();
  Start();
  Signal(SIGSTOP);
  Status stopped;
  std::thread stop([&] { stopped = Timed([&] { return TryStop(id_, 0); }); });
  LiveBeside();
  stop.join();
  EXPECT_THAT(stopped, IsOk());
  EXPECT_EQ(StatusOf(id_).reason(), "Unknown");
  EXPECT_THAT(Timed([&] { return TryStopPod(pod_); }), IsOk());
  EXPECT_THAT(Timed([&] { return TryRemovePod(pod_); }), IsOk());
  CleanUpAndLive();
}

INSTANTIATE_TEST_SUITE_P(Monitors, MonitorFaultTest, testing::Values("monitor"), FaultCaseName);

}  // namespace
}  // namespace crisp::test
