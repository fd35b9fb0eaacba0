#include "pod/stopper.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <condition_variable>
#include <thread>

#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/pidfd.h"
#include "pod_fixtures.h"

namespace crisp::pod {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A monitor of nothing: it only knows the pidfd of a process of the test's own.
class FakeMonitor : public oci::Monitor {
 public:
  explicit FakeMonitor(pid_t pid) : pid_(pid), pidfd_(::pidfd_open(pid, 0)) {}
  oci::MonitorProcess process() const override { return {pid_, pid_, 0}; }
  int container_pidfd() const override { return pidfd_.get(); }
  Status ReopenLog(MonoTime) override { return OkStatus(); }
  Status Resize(uint16_t, uint16_t, MonoTime) override { return OkStatus(); }
  void Shutdown() override {}

 private:
  pid_t pid_;
  UniqueFd pidfd_;
};

// Collects the answer of one Stop call.
class Outcome {
 public:
  Stopper::DoneFn Callback() {
    return [this](Status status) {
      std::lock_guard lock(mutex_);
      status_ = std::move(status);
      done_ = true;
      changed_.notify_all();
    };
  }
  bool WaitFor(Duration limit) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [this] { return done_; });
  }
  Status status() {
    std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  Status status_;
};

class StopperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    loop_ = std::move(EpollLoop::Create()).value();
    thread_ = std::thread([this] { loop_->Run(); });
    std::string pattern = ::testing::TempDir() + "crisp-stopper-XXXXXX";
    groups_ = ::mkdtemp(pattern.data());
    layout_.v2 = true;
    layout_.mounts = {{"", groups_}};
    Options options;
    options.loop = loop_.get();
    options.work_lane = &lane_;
    options.cgroup_layout = &layout_;
    options.kill_deadline = milliseconds(300);
    env_ = std::make_unique<Environment>(std::move(options));
    stopper_ = std::make_unique<Stopper>(env_.get());
  }
  void TearDown() override {
    lane_.Shutdown();
    loop_->Stop();
    thread_.join();
    EXPECT_TRUE(RemoveTreeAt(groups_).ok());
  }

  // A running container whose PID 1 is `script` in a shell; the PID namespace is what its config
  // says, in a pod whose containers have their own.
  ContainerPtr StartContainer(const std::string& script,
                              v1::NamespaceMode pid_mode = v1::CONTAINER) {
    SpawnOptions spawn;
    spawn.argv = {"/bin/sh", "-c", script};
    FdPair ready = std::move(MakePipe()).value();
    spawn.fds = {{ready.second.get(), 1}};
    child_ = std::move(ChildProcess::Spawn(spawn)).value();
    ready.second.Reset();
    char byte;
    EXPECT_EQ(::read(ready.first.get(), &byte, 1), 1) << "the shell says that its trap is set";
    ContainerRow row = MakeContainerRow("c", "c1");
    row.stop_signal = SIGTERM;
    row.config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
        pid_mode);
    SandboxRow sandbox = MakeSandboxRow("p", "11");
    sandbox.config.mutable_linux()
        ->mutable_security_context()
        ->mutable_namespace_options()
        ->set_pid(v1::CONTAINER);
    ContainerPtr container = MakeContainer(std::move(row), MakeSandbox(std::move(sandbox)));
    container->set_monitor(std::make_shared<FakeMonitor>(child_.pid()));
    return container;
  }
  // What ContainerLifecycle does when the monitor reports the exit.
  ExitStatus ReportExit(const ContainerPtr& container) {
    auto status = child_.Wait(MonoNow() + seconds(10));
    EXPECT_TRUE(status.ok());
    container->Update([](ContainerRow& row) { row.state = ContainerState::kExited; });
    stopper_->OnExit(container);
    return status.ok() ? *status : ExitStatus();
  }

  Telemetry telemetry_;
  Lane lane_{"work", 4, 100, &telemetry_};
  std::string groups_;
  CgroupLayout layout_;
  std::unique_ptr<EpollLoop> loop_;
  std::thread thread_;
  std::unique_ptr<Environment> env_;
  std::unique_ptr<Stopper> stopper_;
  ChildProcess child_;
};

constexpr char kObedient[] = "trap 'exit 7' TERM; echo; while :; do sleep 0.05; done";
constexpr char kStubborn[] = "trap '' TERM; echo; while :; do sleep 0.05; done";

TEST_F(StopperTest, TheStopSignalIsDeliveredAndTheExitAwaited) {
  const ContainerPtr container = StartContainer(kObedient);
  Outcome outcome;
  stopper_->Stop(container, seconds(60), CancelToken(), outcome.Callback());
  EXPECT_EQ(ReportExit(container).code, 7);
  ASSERT_TRUE(outcome.WaitFor(seconds(10)));
  EXPECT_TRUE(outcome.status().ok());
}

TEST_F(StopperTest, NoGraceKillsAtOnce) {
  const ContainerPtr container = StartContainer(kStubborn);
  Outcome outcome;
  stopper_->Stop(container, Duration::zero(), CancelToken(), outcome.Callback());
  EXPECT_EQ(ReportExit(container).signal, SIGKILL);
  ASSERT_TRUE(outcome.WaitFor(seconds(10)));
  EXPECT_TRUE(outcome.status().ok());
}

TEST_F(StopperTest, ALaterCallShortensTheWaitAndBothAreAnswered) {
  const ContainerPtr container = StartContainer(kStubborn);
  Outcome patient, hurried;
  stopper_->Stop(container, seconds(3600), CancelToken(), patient.Callback());
  EXPECT_FALSE(patient.WaitFor(milliseconds(50)));
  stopper_->Stop(container, milliseconds(100), CancelToken(), hurried.Callback());
  EXPECT_EQ(ReportExit(container).signal, SIGKILL);
  ASSERT_TRUE(patient.WaitFor(seconds(10)));
  ASSERT_TRUE(hurried.WaitFor(seconds(10)));
  EXPECT_TRUE(patient.status().ok());
}

TEST_F(StopperTest, AClientThatLeavesEndsItsOwnWaitingOnly) {
  const ContainerPtr container = StartContainer(kStubborn);
  CancelSource client;
  Outcome leaver, stayer;
  stopper_->Stop(container, milliseconds(300), client.token(), leaver.Callback());
  stopper_->Stop(container, milliseconds(300), CancelToken(), stayer.Callback());
  client.Cancel();
  ASSERT_TRUE(leaver.WaitFor(seconds(10)));
  EXPECT_EQ(leaver.status().code(), Code::kCancelled);
  EXPECT_EQ(ReportExit(container).signal, SIGKILL) << "the container is stopped all the same";
  ASSERT_TRUE(stayer.WaitFor(seconds(10)));
  EXPECT_TRUE(stayer.status().ok());
}

TEST_F(StopperTest, AnExitThatNeverComesIsAnErrorAndCanBeRetried) {
  const ContainerPtr container = StartContainer(kStubborn);
  Outcome first, second;
  stopper_->Stop(container, Duration::zero(), CancelToken(), first.Callback());
  ASSERT_TRUE(first.WaitFor(seconds(10)));
  EXPECT_EQ(first.status().code(), Code::kDeadlineExceeded);
  stopper_->Stop(container, Duration::zero(), CancelToken(), second.Callback());
  ReportExit(container);
  ASSERT_TRUE(second.WaitFor(seconds(10)));
  EXPECT_TRUE(second.status().ok());
}

// There its PID 1 is nobody's init, whatever the pod's other containers have.
TEST_F(StopperTest, InAPidNamespaceOfOthersTheRestIsKilledToo) {
  for (const v1::NamespaceMode mode : {v1::NODE, v1::TARGET}) {
    const ContainerPtr container = StartContainer(kStubborn, mode);
    SpawnOptions spawn;
    spawn.argv = {"sleep", "60"};
    ChildProcess rest = std::move(ChildProcess::Spawn(spawn)).value();
    // Files that play the container's group.
    const std::string group = groups_ + env_->CgroupOf(*container).path();
    ASSERT_TRUE(EnsureDirectory(group).ok());
    ASSERT_TRUE(WriteFile(group + "/cgroup.procs", Cat(rest.pid(), "\n")).ok());
    Outcome outcome;
    stopper_->Stop(container, Duration::zero(), CancelToken(), outcome.Callback());
    EXPECT_EQ(ReportExit(container).signal, SIGKILL);
    const auto ended = rest.Wait(MonoNow() + seconds(10));
    ASSERT_TRUE(ended.ok()) << ended.status().ToString();
    EXPECT_EQ(ended->signal, SIGKILL);
    ASSERT_TRUE(outcome.WaitFor(seconds(10)));
  }
}

TEST_F(StopperTest, AContainerThatHasExitedIsDone) {
  const ContainerPtr container = StartContainer(kObedient);
  container->Update([](ContainerRow& row) { row.state = ContainerState::kExited; });
  Outcome outcome;
  stopper_->Stop(container, seconds(60), CancelToken(), outcome.Callback());
  ASSERT_TRUE(outcome.WaitFor(seconds(10)));
  EXPECT_TRUE(outcome.status().ok());
  EXPECT_FALSE(child_.Poll().has_value()) << "no signal was sent";
}

}  // namespace
}  // namespace crisp::pod
