// SIGKILL of crispd at any time, then a new start: what ran runs on, what was half-made is undone
// or can be finished by the client, nothing is lost or left.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "base/core/file.h"
#include "base/database.h"
#include "tests/support/pod_test.h"
#include "tests/support/reboot.h"

namespace crisp::test {
namespace {

class RecoveryTest : public PodTest {
 protected:
  // The daemon's, while it does not run.
  std::unique_ptr<Database> OpenPods() {
    constexpr std::array<std::string_view, 3> kKnown = {"", "", ""};
    return Must(Database::Open(Cat(daemon().root(), "/pods.db"), Durability::kNormal, kKnown));
  }
};

TEST_P(RecoveryTest, ARunningContainerIsReadopted) {
  auto sandbox = SandboxConfig("pod");
  sandbox.add_port_mappings()->set_container_port(80);
  const std::string pod = RunPod(sandbox);
  const auto config = ShellConfig("c", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done");
  const std::string id = StartContainer(pod, config, sandbox);
  const auto before = StatusOf(id);
  const auto pod_before = PodStatusOf(pod);
  const int pid = PidOf(id);
  KillAndRestart();
  if (HasFatalFailure()) return;
  EXPECT_EQ(StatusOf(id).DebugString(), before.DebugString());
  EXPECT_EQ(PodStatusOf(pod).DebugString(), pod_before.DebugString());
  EXPECT_EQ(PidOf(id), pid);
  EXPECT_EQ(Shell(id, "echo still here"), "still here\n");
  EXPECT_THAT(TryRunPod(sandbox), HasCode(Code::kAlreadyExists)) << "the name is still taken";
  v1::ReopenContainerLogRequest reopen;
  reopen.set_container_id(id);
  EXPECT_THAT(client().Call(reopen), IsOk()) << "the monitor answers the new daemon";
  EXPECT_THAT(TryStop(id, 0), IsOk());
  EXPECT_EQ(StatusOf(id).exit_code(), 137);
  // No line was lost or written twice.
  const std::string text = LogText(LogPath(sandbox, config));
  std::string expected;
  const auto lines = std::count(text.begin(), text.end(), '\n');
  for (int i = 0; i < lines; ++i) expected += Cat(i, "\n");
  EXPECT_EQ(text, expected);
}

TEST_P(RecoveryTest, SharedPidPodSurvives) {
  auto sandbox = SandboxConfig("pod");
  sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::POD);
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(v1::POD);
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, config, sandbox);
  KillAndRestart();
  if (HasFatalFailure()) return;
  EXPECT_EQ(PodStatusOf(pod).state(), v1::SANDBOX_READY);
  config.mutable_metadata()->set_name("second");
  const std::string second = StartContainer(pod, config, sandbox);
  EXPECT_EQ(Shell(id, "readlink /proc/self/ns/pid"), Shell(second, "readlink /proc/self/ns/pid"));
}

TEST_P(RecoveryTest, ExitsWhileTheDaemonWasDown) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, ShellConfig("c", "sleep 0.5; exit 7"), sandbox);
  const int pid = PidOf(id);
  daemon().Kill();
  EXPECT_TRUE(Eventually([&] { return ::kill(pid, 0) != 0; }));
  ASSERT_THAT(daemon().Start(), IsOk());
  const auto status = AwaitExit(id, std::chrono::seconds(5));
  EXPECT_EQ(status.exit_code(), 7);
  EXPECT_EQ(status.reason(), "Error");
  EXPECT_GE(status.finished_at(), status.started_at());
}

TEST_P(RecoveryTest, CreatedAndStoppedThingsAreStillKnown) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  const std::string created = CreateContainer(pod, ContainerConfig("a", {"top"}), sandbox);
  const std::string exited = StartContainer(pod, ShellConfig("b", "exit 5"), sandbox);
  AwaitExit(exited);
  const auto stopped = SandboxConfig("stopped");
  const std::string stopped_pod = RunPod(stopped);
  EXPECT_THAT(TryStopPod(stopped_pod), IsOk());
  KillAndRestart();
  if (HasFatalFailure()) return;
  EXPECT_EQ(StatusOf(exited).exit_code(), 5);
  EXPECT_EQ(StatusOf(created).state(), v1::CONTAINER_CREATED);
  EXPECT_THAT(TryStart(created), IsOk());
  EXPECT_EQ(Shell(created, "echo yes"), "yes\n");
  EXPECT_EQ(PodStatusOf(stopped_pod).state(), v1::SANDBOX_NOTREADY);
}

TEST_P(RecoveryTest, GracefulRestartKeepsContainers) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox);
  const int pid = PidOf(id);
  // The idle connection of our client does not hold it up.
  const MonoTime start = MonoNow();
  ASSERT_THAT(daemon().StopGracefully(), IsOk());
  EXPECT_LT(MonoNow() - start, Patient(std::chrono::seconds(2)));
  EXPECT_EQ(::kill(pid, 0), 0);
  ASSERT_THAT(daemon().Start(), IsOk());
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING);
}

TEST_P(RecoveryTest, AStopThatWasUnderWay) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  const std::string id =
      StartContainer(pod, ShellConfig("c", "trap '' TERM; while :; do sleep 0.1; done"), sandbox);
  Eventually([] { return false; }, std::chrono::milliseconds(200));
  EXPECT_THAT(TryStop(id, 600, std::chrono::milliseconds(200)), HasCode(Code::kDeadlineExceeded));
  KillAndRestart();
  if (HasFatalFailure()) return;
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING);
  EXPECT_THAT(TryStop(id, 0), IsOk());
}

TEST_P(RecoveryTest, AnExecThatWasUnderWayIsEnded) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox);
  std::thread caller([&] { (void)TryExec(id, {"sleep", "4246"}, 60); });
  EXPECT_TRUE(
      Eventually([&] { return Shell(id, "ps -o args").find("sleep 4246") != std::string::npos; }));
  KillAndRestart();
  caller.join();
  if (HasFatalFailure()) return;
  EXPECT_TRUE(
      Eventually([&] { return Shell(id, "ps -o args").find("sleep 4246") == std::string::npos; }));
}

TEST_P(RecoveryTest, AMonitorThatWasKilled) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox);
  const int pid = PidOf(id);
  const std::string stat = Must(ReadFile(Cat("/proc/", pid, "/status")));
  const int monitor = std::atoi(stat.c_str() + stat.find("PPid:") + 5);
  ASSERT_GT(monitor, 2);
  ASSERT_EQ(::kill(monitor, SIGKILL), 0);
  Eventually([] { return false; }, std::chrono::milliseconds(300));
  // The container is still found, stopped and reported.
  EXPECT_THAT(TryStop(id, 0), IsOk());
  const auto status = StatusOf(id);
  EXPECT_EQ(status.state(), v1::CONTAINER_EXITED);
  // It has become crispd's child. Its output may have ended it before.
  EXPECT_THAT(status.exit_code(), testing::AnyOf(128 + SIGKILL, 128 + SIGPIPE));
  EXPECT_EQ(status.reason(), "Error");
}

TEST_P(RecoveryTest, AReboot) {
  auto sandbox = SandboxConfig("pod");
  sandbox.add_port_mappings()->set_container_port(80);
  const std::string pod = RunPod(sandbox);
  const std::string running = StartContainer(pod, ContainerConfig("a", {"top"}), sandbox);
  const std::string exited = StartContainer(pod, ShellConfig("b", "exit 5"), sandbox);
  AwaitExit(exited);
  const int pid = PidOf(running);
  ASSERT_THAT(daemon().StopGracefully(), IsOk());
  const auto reboot = Must(Reboot::Of(daemon(), {pid}));
  ASSERT_THAT(daemon().Start(), IsOk());
  EXPECT_EQ(PodStatusOf(pod).state(), v1::SANDBOX_NOTREADY);
  const auto status = StatusOf(running);
  EXPECT_EQ(status.state(), v1::CONTAINER_EXITED);
  EXPECT_EQ(status.exit_code(), 255);
  EXPECT_EQ(status.reason(), "Unknown");
  EXPECT_THAT(status.message(), testing::HasSubstr("restarted"));
  EXPECT_GE(status.finished_at(), status.started_at());
  EXPECT_EQ(StatusOf(exited).exit_code(), 5);
  // As a kubelet does: the old pod goes, a new one of the same name comes.
  EXPECT_THAT(TryStopPod(pod), IsOk());
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  sandbox.mutable_metadata()->set_attempt(1);
  const std::string next = RunPod(sandbox);
  const std::string id = StartContainer(next, ContainerConfig("a", {"top"}), sandbox);
  KillAndRestart();
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING) << "of this boot";
  EXPECT_EQ(PodStatusOf(next).state(), v1::SANDBOX_READY);
  RemoveAllPods();
}

// A state directory on a disk outlives the restart; nothing else of this pod would show it.
TEST_P(RecoveryTest, ARebootThatKeepsTheStateDirectory) {
  auto sandbox = SandboxConfig("pod");
  auto config = ContainerConfig("c", {"top"});
  for (v1::NamespaceOption* options :
       {sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options(),
        config.mutable_linux()->mutable_security_context()->mutable_namespace_options()}) {
    options->set_network(v1::NODE);
    options->set_ipc(v1::NODE);
  }
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, config, sandbox);
  ASSERT_THAT(daemon().StopGracefully(), IsOk());
  const std::string file = Cat(daemon().state(), "/boot_id");
  const std::string now = Must(ReadFile("/proc/sys/kernel/random/boot_id"));
  EXPECT_EQ(Must(ReadFile(file)), now);
  ASSERT_THAT(WriteFile(file, "00000000-1111-2222-3333-444444444444\n"), IsOk());
  ASSERT_THAT(daemon().Start(), IsOk());
  EXPECT_EQ(PodStatusOf(pod).state(), v1::SANDBOX_NOTREADY);
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_EXITED);
  EXPECT_THAT(StatusOf(id).message(), testing::HasSubstr("restarted"));
  EXPECT_EQ(Must(ReadFile(file)), now);
  // Without the file, as an earlier version left it, the same boot is no other one.
  sandbox.mutable_metadata()->set_attempt(1);
  const std::string next = RunPod(sandbox);
  const std::string running = StartContainer(next, config, sandbox);
  ASSERT_THAT(daemon().StopGracefully(), IsOk());
  ASSERT_EQ(::unlink(file.c_str()), 0);
  ASSERT_THAT(daemon().Start(), IsOk());
  EXPECT_EQ(PodStatusOf(next).state(), v1::SANDBOX_READY);
  EXPECT_EQ(StatusOf(running).state(), v1::CONTAINER_RUNNING);
  EXPECT_EQ(Must(ReadFile(file)), now);
}

// On a full disk a pod is stopped though its row cannot be written; then this pod has nothing but a
// directory to tell of it.
TEST_P(RecoveryTest, AStopThatWasNotWritten) {
  auto sandbox = SandboxConfig("pod");
  auto* options = sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  options->set_network(v1::NODE);
  options->set_ipc(v1::NODE);
  const std::string pod = RunPod(sandbox);
  KillAndRestart();
  EXPECT_EQ(PodStatusOf(pod).state(), v1::SANDBOX_READY);
  EXPECT_THAT(TryStopPod(pod), IsOk());
  ASSERT_THAT(daemon().StopGracefully(), IsOk());
  // SandboxState::kReady
  ASSERT_THAT(OpenPods()->Execute("UPDATE sandboxes SET state = 1"), IsOk());
  ASSERT_THAT(daemon().Start(), IsOk());
  EXPECT_EQ(PodStatusOf(pod).state(), v1::SANDBOX_NOTREADY);
}

// What needs the runtime says why it cannot be, and all of the pod can still go.
TEST_P(RecoveryTest, AHandlerThatIsNotConfiguredAnyMore) {
  ASSERT_THAT(EnsureDirectory(daemon().Path("conf.d")), IsOk());
  const std::string file = daemon().Path("conf.d/more.yaml");
  ASSERT_THAT(WriteFile(file, Cat("runtimes:\n  other:\n    path: ", FindProgram(Runtime()), "\n")),
              IsOk());
  KillAndRestart();
  if (HasFatalFailure()) return;
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox, "other");
  const std::string created = CreateContainer(pod, ContainerConfig("a", {"top"}), sandbox);
  const std::string running = StartContainer(pod, ContainerConfig("b", {"top"}), sandbox);
  ASSERT_EQ(::unlink(file.c_str()), 0);
  KillAndRestart();
  if (HasFatalFailure()) return;
  for (const Status& status : {TryStart(created), TryExec(running, {"true"}).status(),
                               TryCreate(pod, ContainerConfig("c", {"top"}), sandbox).status()}) {
    EXPECT_THAT(status, HasCode(Code::kFailedPrecondition));
    EXPECT_THAT(status.message(), testing::HasSubstr("handler 'other' is not configured any more"));
  }
  EXPECT_EQ(StatusOf(created).state(), v1::CONTAINER_CREATED);
  EXPECT_THAT(TryStop(running, 0), IsOk());
}

// What is left when a container was undone and its row could not be deleted.
TEST_P(RecoveryTest, ARowWithoutSandboxIsDropped) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  CreateContainer(pod, ContainerConfig("c", {"top"}), sandbox);
  ASSERT_THAT(daemon().StopGracefully(), IsOk());
  {
    const auto db = OpenPods();
    const std::string nobody(64, 'f');
    for (const std::string& sql :
         {std::string("CREATE TEMP TABLE orphan AS SELECT * FROM containers"),
          Cat("UPDATE orphan SET id = '", nobody, "', sandbox = '", nobody, "'"),
          std::string("INSERT INTO containers SELECT * FROM orphan")}) {
      ASSERT_THAT(db->Execute(sql), IsOk());
    }
  }
  ASSERT_THAT(daemon().Start(), IsOk());
  EXPECT_THAT(Must(ReadFile(daemon().Path("crispd.log"))),
              testing::HasSubstr("row of a container without sandbox dropped"));
}

// As if pods.db had been replaced by an older one: the census of the fixture finds nothing left.
TEST_P(RecoveryTest, ASandboxWithoutRowGoes) {
  const std::string pod = RunPod(SandboxConfig("pod"));
  ASSERT_THAT(daemon().StopGracefully(), IsOk());
  const std::string namespaces = Cat(daemon().state(), "/ns/", pod);
  EXPECT_TRUE(PathExists(namespaces + "/net"));
  ASSERT_THAT(OpenPods()->Execute("DELETE FROM sandboxes"), IsOk());
  ASSERT_THAT(daemon().Start(), IsOk());
  EXPECT_FALSE(PathExists(namespaces));
  EXPECT_FALSE(PathExists(Cat(daemon().state(), "/pods/", pod)));
}

// The daemon dies at a moment within each operation; then the client repeats what it did, as a
// kubelet would, and the census of the fixture finds nothing left.
class KilledDuringTest : public RecoveryTest {
 protected:
  // Calls `operation` on a thread and kills the daemon `delay_ms` later.
  void KillDuring(const std::function<void()>& operation, int delay_ms) {
    std::thread caller(operation);
    ::poll(nullptr, 0, delay_ms);
    daemon().Kill();
    caller.join();
    ASSERT_THAT(daemon().Start(), IsOk());
  }
};

constexpr int kDelays_ms[] = {0, 3, 8, 15, 30, 60, 120};

TEST_P(KilledDuringTest, RunPodSandbox) {
  for (const int delay : kDelays_ms) {
    const auto sandbox = SandboxConfig(Cat("pod", delay));
    KillDuring([&] { (void)TryRunPod(sandbox); }, delay);
    if (HasFatalFailure()) return;
    // What is listed is removed, as a kubelet does, and then the name is free.
    const auto pods = Must(client().Call(v1::ListPodSandboxRequest()));
    for (const auto& pod : pods.items()) {
      EXPECT_THAT(TryStopPod(pod.id()), IsOk()) << "killed after " << delay << " ms";
      EXPECT_THAT(TryRemovePod(pod.id()), IsOk());
    }
    EXPECT_THAT(TryRunPod(sandbox), IsOk()) << "killed after " << delay << " ms";
    RemoveAllPods();
    EXPECT_EQ(AwaitCensus(daemon(), census_before()), "") << "killed after " << delay << " ms";
  }
}

TEST_P(KilledDuringTest, CreateAndStartContainer) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  for (const int delay : kDelays_ms) {
    const auto config = ContainerConfig(Cat("c", delay), {"top"});
    KillDuring(
        [&] {
          const auto id = TryCreate(pod, config, sandbox);
          if (id.ok()) (void)TryStart(*id);
        },
        delay);
    if (HasFatalFailure()) return;
    const auto containers = Must(client().Call(v1::ListContainersRequest()));
    for (const auto& each : containers.containers()) {
      EXPECT_THAT(TryStop(each.id(), 0), IsOk()) << "killed after " << delay << " ms";
      EXPECT_THAT(TryRemove(each.id()), IsOk());
    }
    EXPECT_EQ(PodStatusOf(pod).state(), v1::SANDBOX_READY);
    const auto again = TryCreate(pod, config, sandbox);
    EXPECT_THAT(again, IsOk()) << "killed after " << delay << " ms";
    if (again.ok()) {
      EXPECT_THAT(TryStart(*again), IsOk());
      EXPECT_THAT(TryRemove(*again), IsOk());
    }
  }
}

TEST_P(KilledDuringTest, StopAndRemove) {
  for (const int delay : kDelays_ms) {
    const auto sandbox = SandboxConfig("pod");
    const std::string pod = RunPod(sandbox);
    StartContainer(pod, ContainerConfig("c", {"top"}), sandbox);
    KillDuring(
        [&] {
          (void)TryStopPod(pod);
          (void)TryRemovePod(pod);
        },
        delay);
    if (HasFatalFailure()) return;
    EXPECT_THAT(TryStopPod(pod), IsOk()) << "killed after " << delay << " ms";
    EXPECT_THAT(TryRemovePod(pod), IsOk()) << "killed after " << delay << " ms";
    EXPECT_EQ(AwaitCensus(daemon(), census_before()), "") << "killed after " << delay << " ms";
  }
}

CRISP_FOR_EACH_RUNTIME(RecoveryTest);
CRISP_FOR_EACH_RUNTIME(KilledDuringTest);

}  // namespace
}  // namespace crisp::test
