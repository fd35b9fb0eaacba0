// Monitors of running containers that are killed or stopped (SIGSTOP).
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "base/core/file.h"
#include "conmon/protocol.h"
#include "tests/fault/fault_fixture.h"

namespace crisp::test {
namespace {

// Sits on a monitor's socket and refuses every hello.
class OldMonitor {
 public:
  explicit OldMonitor(const std::string& path)
      : listener_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    EXPECT_LT(path.size(), sizeof(address.sun_path));
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_.get(), 5), 0);
    thread_ = std::thread([this] { Serve(); });
  }
  ~OldMonitor() {
    ::shutdown(listener_.get(), SHUT_RDWR);  // ends the accept
    thread_.join();
  }
  int refusals() const { return refusals_; }

 private:
  void Serve() {
    conmon::UnsupportedBody body;
    body.type = static_cast<uint16_t>(conmon::MessageType::kHello);
    const std::string answer =
        conmon::EncodePacket(conmon::MessageType::kUnsupported, 0, body.Encode());
    for (;;) {
      clients_.emplace_back(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!clients_.back()) return;
      ::send(clients_.back().get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      ++refusals_;
    }
  }

  UniqueFd listener_;
  std::vector<UniqueFd> clients_;
  std::atomic<int> refusals_ = 0;
  std::thread thread_;  // last: it uses the others
};

class MonitorFaultTest : public WriterFaultTest {
 protected:
  void Start() {
    StartWriter();
    const std::string status = Must(ReadFile(Cat("/proc/", PidOf(id_), "/status")));
    monitor_ = std::atoi(status.c_str() + status.find("PPid:") + 5);
    ASSERT_GT(monitor_, 2);
    // A shell that is ended before its first line has no log.
    ASSERT_TRUE(
        Eventually([&] { return !ReadLog(LogPath(sandbox_, ContainerConfig("c", {}))).empty(); }));
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
  // The machine's process 1 has inherited it; crispd may see the zombie before it is collected.
  const auto ended = StatusOf(id_);
  EXPECT_THAT(std::pair(ended.exit_code(), ended.reason()),
              testing::AnyOf(std::pair(255, "Unknown"), std::pair(137, "Error")));
  EXPECT_THAT(TryRemove(id_), IsOk());
  StartContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
  CleanUpAndLive();
}

// The daemon that started it inherits its container, and with it the exit code.
TEST_P(MonitorFaultTest, KilledAndNotRestarted) {
  Start();
  Signal(SIGKILL);
  EXPECT_TRUE(Eventually([&] { return Reopen(limit()).code() == Code::kUnavailable; }));
  EXPECT_THAT(Timed([&] { return TryStop(id_, 0); }), IsOk());
  EXPECT_EQ(StatusOf(id_).exit_code(), 137);
  EXPECT_EQ(StatusOf(id_).reason(), "Error");
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

// Nobody continues it but crispd, which wants its record when the container has ended.
TEST_P(MonitorFaultTest, StoppedUntilTheEnd) {
  Start();
  Signal(SIGSTOP);
  const MonoTime begin = MonoNow();
  EXPECT_THAT(Timed([&] { return TryStop(id_, 0); }), IsOk());
  EXPECT_LT(MonoNow() - begin, Patient(std::chrono::seconds(2)));
  EXPECT_EQ(StatusOf(id_).exit_code(), 137);
  EXPECT_EQ(StatusOf(id_).reason(), "Error");
  const auto lines = ReadLog(LogPath(sandbox_, ContainerConfig("c", {})));
  EXPECT_FALSE(lines.empty());
  CleanUpAndLive();
}

// A tracer holds it, so that SIGCONT does not help: the container's end is seen by its own pidfd.
// The exit record is waited for (10 s), so this is for the full matrix.
TEST_P(MonitorFaultTest, HeldForGood) {
  if (!WantsAllFaults()) return;
  ASSERT_THAT(WriteFile(daemon().Path("conf.d/more.yaml"), "timeouts:\n  kill: 15s\n"), IsOk());
  KillAndRestart();
  Start();
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, monitor_, nullptr, nullptr), 0) << std::strerror(errno);
  ASSERT_EQ(::ptrace(PTRACE_INTERRUPT, monitor_, nullptr, nullptr), 0);
  int ignored = 0;
  ASSERT_EQ(::waitpid(monitor_, &ignored, __WALL), monitor_);
  Status stopped;
  std::thread stop([&] { stopped = Timed([&] { return TryStop(id_, 0); }); });
  LiveBeside();
  stop.join();
  EXPECT_THAT(stopped, IsOk());
  EXPECT_EQ(StatusOf(id_).exit_code(), 137) << "the kernel says it of a zombie";
  EXPECT_EQ(StatusOf(id_).reason(), "Error");
  EXPECT_THAT(Timed([&] { return TryStopPod(pod_); }), IsOk());
  // A tracee is a zombie until its tracer has looked.
  Status removed;
  std::thread remove([&] { removed = Timed([&] { return TryRemovePod(pod_); }); });
  EXPECT_EQ(::waitpid(monitor_, &ignored, __WALL), monitor_);
  remove.join();
  EXPECT_THAT(removed, IsOk());
  CleanUpAndLive();
}

// A daemon of a later time that the monitor does not understand: its container is seen, used and
// stopped, and its exit code is known, because the record's file is as old as the first monitor.
TEST_P(MonitorFaultTest, SpeaksAnOlderProtocol) {
  Start();
  daemon().Kill();
  const std::string socket = daemon().Path(Cat("run/containers/", id_, "/monitor.sock"));
  ASSERT_EQ(::rename(socket.c_str(), (socket + ".real").c_str()), 0);
  OldMonitor old(socket);
  EXPECT_THAT(Timed([&] { return daemon().Start(); }), IsOk());
  EXPECT_TRUE(Eventually([&] { return old.refusals() > 0; }));
  ExpectUsable();
  EXPECT_THAT(Timed([&] { return Reopen(limit()); }), HasCode(Code::kUnavailable));
  const MonoTime begin = MonoNow();
  EXPECT_THAT(Timed([&] { return TryStop(id_, 0); }), IsOk());
  EXPECT_LT(MonoNow() - begin, Patient(std::chrono::seconds(2)));
  EXPECT_EQ(StatusOf(id_).exit_code(), 137);
  EXPECT_EQ(StatusOf(id_).reason(), "Error");
  EXPECT_THAT(TryRemove(id_), IsOk());
  CleanUpAndLive();
}

INSTANTIATE_TEST_SUITE_P(Monitors, MonitorFaultTest, testing::Values("monitor"), FaultCaseName);

}  // namespace
}  // namespace crisp::test
