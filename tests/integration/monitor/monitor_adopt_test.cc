// What happens when crispd or the monitor goes away: adoption, lost monitors, upgrade, protocol.
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/file.h"
#include "monitor_fixture.h"
#include "oci/monitor_files.h"

namespace crisp::oci {
namespace {

using conmon::MessageType;

class MonitorAdoptTest : public MonitorTest {
 protected:
  // One request on a connection of its own; the answer.
  ReceivedPacket Ask(std::string_view packet) {
    Result<UniqueFd> fd = ConnectToMonitor(state_dir_);
    EXPECT_TRUE(fd.ok()) << fd.status().ToString();
    if (!fd.ok()) return {};
    EXPECT_EQ(::write(fd->get(), packet.data(), packet.size()),
              static_cast<ssize_t>(packet.size()));
    pollfd wait{fd->get(), POLLIN, 0};
    EXPECT_GT(::poll(&wait, 1, 5000), 0);
    Result<ReceivedPacket> received = ReceivePacket(fd->get());
    EXPECT_TRUE(received.ok()) << received.status().ToString();
    return received.ok() ? *std::move(received) : ReceivedPacket{};
  }
};

TEST_P(MonitorAdoptTest, ARunningContainerIsAdopted) {
  LaunchAndStart({.command = {"while test ! -e /go; do sleep 0.02; done; echo after; exit 11"}});
  Adopt();
  EXPECT_GE(monitor_->container_pidfd(), 0);
  EXPECT_TRUE(monitor_->ReopenLog(Soon()).ok());
  ASSERT_TRUE(WriteFile(dir_ + "/bundle/rootfs/go", "").ok());
  const SeenExit exit = WaitExit();
  EXPECT_TRUE(exit.known);
  EXPECT_EQ(exit.record.exit_code, 11);
  EXPECT_EQ(LogContent(), "after\n");
}

TEST_P(MonitorAdoptTest, AnExitWhileNobodyLookedIsKnown) {
  LaunchAndStart({.command = {"sleep 0.2; exit 12"}});
  const MonitorProcess process = monitor_->process();
  monitor_.reset();
  const MonoTime deadline = Soon();
  while (PathExists(StatePath(conmon::kSocketName)) && MonoNow() < deadline) ::usleep(5000);
  Result<std::shared_ptr<Monitor>> adopted =
      Monitor::Adopt(state_dir_, process, loop_.get(), &reaper_, MakeObserver());
  ASSERT_TRUE(adopted.ok());
  const SeenExit exit = WaitExit();
  EXPECT_TRUE(exit.known);
  EXPECT_EQ(exit.record.exit_code, 12);
  EXPECT_EQ(exit.count, 1);
  EXPECT_EQ((*adopted)->container_pidfd(), -1);
}

TEST_P(MonitorAdoptTest, APidFileIsEnoughToAdopt) {
  LaunchAndStart({.command = {"sleep 1000"}});
  const MonitorProcess process = monitor_->process();
  monitor_.reset();
  Result<std::shared_ptr<Monitor>> adopted =
      Monitor::Adopt(state_dir_, {}, loop_.get(), &reaper_, MakeObserver());
  ASSERT_TRUE(adopted.ok());
  EXPECT_EQ((*adopted)->process().container_pid, process.container_pid);
  EXPECT_EQ((*adopted)->process().monitor_pid, process.monitor_pid);
  EXPECT_EQ((*adopted)->process().container_start_time, process.container_start_time);
}

TEST_P(MonitorAdoptTest, AForeignProcessWithTheSamePidIsNotTheContainer) {
  MonitorProcess process;
  process.monitor_pid = 1;
  process.container_pid = ::getpid();
  process.container_start_time = 1;
  Result<std::shared_ptr<Monitor>> adopted =
      Monitor::Adopt(state_dir_, process, loop_.get(), &reaper_, MakeObserver());
  ASSERT_TRUE(adopted.ok());
  EXPECT_EQ((*adopted)->container_pidfd(), -1);
}

TEST_P(MonitorAdoptTest, AKilledMonitorLeavesTheContainerWatched) {
  LaunchAndStart({.command = {"sleep 1000"}});
  const MonitorProcess process = monitor_->process();
  ASSERT_EQ(::kill(process.monitor_pid, SIGKILL), 0);
  ::usleep(100000);
  reaper_.ReapAll();
  EXPECT_TRUE(ProcessAlive(process.container_pid));
  EXPECT_GE(monitor_->container_pidfd(), 0);
  EXPECT_EQ(monitor_->ReopenLog(Soon()).code(), Code::kUnavailable);
  ASSERT_EQ(::kill(process.container_pid, SIGKILL), 0);
  const SeenExit exit = WaitExit();
  EXPECT_TRUE(exit.known) << "it has become our child";
  EXPECT_EQ(exit.record.exit_code, 137);
  EXPECT_EQ(exit.record.signal, SIGKILL);
  EXPECT_EQ(exit.count, 1);
  EXPECT_FALSE(ProcessAlive(process.container_pid)) << "left as a zombie";
}

TEST_P(MonitorAdoptTest, AMonitorKilledBeforeAdoptionIsTheSame) {
  LaunchAndStart({.command = {"sleep 1000"}});
  const MonitorProcess process = monitor_->process();
  monitor_.reset();
  ASSERT_EQ(::kill(process.monitor_pid, SIGKILL), 0);
  ::usleep(50000);
  reaper_.ReapAll();
  Result<std::shared_ptr<Monitor>> adopted =
      Monitor::Adopt(state_dir_, process, loop_.get(), &reaper_, MakeObserver());
  ASSERT_TRUE(adopted.ok()) << adopted.status().ToString();
  EXPECT_GE((*adopted)->container_pidfd(), 0);
  ASSERT_EQ(::kill(process.container_pid, SIGKILL), 0);
  const SeenExit exit = WaitExit();
  EXPECT_TRUE(exit.known);
  EXPECT_EQ(exit.record.exit_code, 137);
}

TEST_P(MonitorAdoptTest, AStoppedMonitorHoldsNobodyBeyondTheDeadline) {
  LaunchAndStart({.command = {"sleep 1000"}});
  const pid_t monitor = monitor_->process().monitor_pid;
  ASSERT_EQ(::kill(monitor, SIGSTOP), 0);
  const MonoTime before = MonoNow();
  EXPECT_EQ(monitor_->ReopenLog(before + std::chrono::milliseconds(200)).code(),
            Code::kDeadlineExceeded);
  Adopt();
  EXPECT_LT(MonoNow() - before, std::chrono::seconds(1));
  ASSERT_EQ(::kill(monitor, SIGCONT), 0);
  EXPECT_TRUE(monitor_->ReopenLog(Soon()).ok());
}

TEST_P(MonitorAdoptTest, ShutdownEndsACreatedContainer) {
  Launch({.command = {"true"}});
  const MonitorProcess process = monitor_->process();
  monitor_->Shutdown();
  EXPECT_EQ(WaitExit().record.exit_code, 137);
  const MonoTime deadline = Soon();
  while (ProcessAlive(process.monitor_pid) && MonoNow() < deadline) ::usleep(5000);
  EXPECT_FALSE(ProcessAlive(process.monitor_pid));
}

TEST_P(MonitorAdoptTest, EnsureMonitorGoneIsIdempotent) {
  Launch({.command = {"true"}});
  const MonitorProcess process = monitor_->process();
  for (int i = 0; i < 2; ++i) {
    const Status gone = EnsureMonitorGone(state_dir_, Soon());
    EXPECT_TRUE(gone.ok()) << gone.ToString();
    EXPECT_FALSE(ProcessAlive(process.monitor_pid));
    EXPECT_FALSE(PathExists(StatePath(conmon::kSocketName)));
  }
}

TEST_P(MonitorAdoptTest, EnsureMonitorGoneKillsAStoppedOne) {
  Launch({.command = {"true"}});
  ASSERT_EQ(::kill(monitor_->process().monitor_pid, SIGSTOP), 0);
  EXPECT_TRUE(EnsureMonitorGone(state_dir_, Soon()).ok());
}

// --- the protocol, as an old monitor meets a new daemon ---

TEST_P(MonitorAdoptTest, UnknownRequestsAreAnsweredWithUnsupported) {
  Launch({.command = {"true"}});
  const ReceivedPacket answer = Ask(conmon::EncodePacket(static_cast<MessageType>(4711), 5));
  EXPECT_TRUE(answer.packet().is(MessageType::kUnsupported));
  EXPECT_EQ(answer.packet().header.request, 5u);
  const auto body = conmon::UnsupportedBody::Decode(answer.packet().body);
  ASSERT_TRUE(body);
  EXPECT_EQ(body->type, 4711);
}

TEST_P(MonitorAdoptTest, VersionsAreNegotiated) {
  Launch({.command = {"true"}});
  conmon::HelloBody hello;
  hello.min = 1;
  hello.max = 9;
  std::string packet = conmon::EncodePacket(MessageType::kHello, 1, hello.Encode());
  packet[0] = 9;  // the header of a newer daemon
  ReceivedPacket answer = Ask(packet);
  ASSERT_TRUE(answer.packet().is(MessageType::kHelloAck));
  const auto chosen = conmon::HelloBody::Decode(answer.packet().body);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->max, conmon::kProtocolMax);
  hello.min = 9;
  answer = Ask(conmon::EncodePacket(MessageType::kHello, 1, hello.Encode()));
  EXPECT_TRUE(answer.packet().is(MessageType::kUnsupported));
  packet = conmon::EncodePacket(MessageType::kStatus, 3);
  packet[0] = 9;
  EXPECT_TRUE(Ask(packet).packet().is(MessageType::kUnsupported));
}

TEST_P(MonitorAdoptTest, GarbageClosesOnlyItsOwnConnection) {
  LaunchAndStart({.command = {"sleep 1000"}});
  Result<UniqueFd> fd = ConnectToMonitor(state_dir_);
  ASSERT_TRUE(fd.ok());
  ASSERT_EQ(::write(fd->get(), "abc", 3), 3);
  char byte;
  pollfd wait{fd->get(), POLLIN, 0};
  ASSERT_GT(::poll(&wait, 1, 5000), 0);
  EXPECT_EQ(::read(fd->get(), &byte, 1), 0);
  EXPECT_TRUE(monitor_->ReopenLog(Soon()).ok());
}

TEST_P(MonitorAdoptTest, StatusTellsWhatIsSo) {
  LaunchAndStart({.command = {"echo x; sleep 1000"}});
  ASSERT_TRUE(WaitLogContains("x"));
  const conmon::StatusBody status = QueryStatus();
  EXPECT_EQ(status.state, conmon::MonitorState::kCreated);
  EXPECT_EQ(status.container_pid, monitor_->process().container_pid);
  EXPECT_EQ(status.monitor_pid, monitor_->process().monitor_pid);
  EXPECT_EQ(status.logged_bytes, ReadLog().size());
  EXPECT_EQ(status.dropped_bytes, 0u);
  EXPECT_EQ(status.oom_watched, 1);
}

// --- upgrade ---

TEST_P(MonitorAdoptTest, AnUpgradeKeepsContainerLogAndClients) {
  LaunchAndStart({.command = {"printf half; while test ! -e /go; do sleep 0.02; done; "
                              "echo -line; cat; exit 13"},
                  .stdin_open = true,
                  .stdin_once = true});
  AttachClient client(state_dir_, 7);
  Result<UniqueFd> fd = ConnectToMonitor(state_dir_);
  ASSERT_TRUE(fd.ok());
  ::usleep(200000);  // "half" is in the monitor's memory
  conmon::UpgradeBody body;
  body.program_path = CRISP_MONITOR_BINARY;
  const MonitorProcess before = monitor_->process();
  ASSERT_TRUE(SendPacket(fd->get(), MessageType::kUpgrade, 21, body.Encode(), Soon()).ok());
  pollfd wait{fd->get(), POLLIN, 0};
  ASSERT_GT(::poll(&wait, 1, 5000), 0);
  const Result<ReceivedPacket> answer = ReceivePacket(fd->get());
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_TRUE(answer->packet().is(MessageType::kOk));
  EXPECT_EQ(answer->packet().header.request, 21u);
  const Result<std::string> command = ReadFile(Cat("/proc/", before.monitor_pid, "/cmdline"));
  ASSERT_TRUE(command.ok());
  EXPECT_NE(command->find("--resume-fd"), std::string::npos);
  ASSERT_TRUE(WriteFile(dir_ + "/bundle/rootfs/go", "").ok());
  EXPECT_TRUE(client.ReadUntil("-line"));
  EXPECT_TRUE(monitor_->ReopenLog(Soon()).ok());
  client.SendInput("typed\n");
  client.SendInputEof();
  EXPECT_TRUE(client.ReadUntilEnd());
  EXPECT_EQ(WaitExit().record.exit_code, 13);
  EXPECT_EQ(LogContent(), "half-line\ntyped\n");
}

TEST_P(MonitorAdoptTest, AnUnfinishedLineIsShownAfterAnUpgrade) {
  LaunchAndStart({.command = {"printf question; exec sleep 1000"}});
  AttachClient client(state_dir_, 7);
  ::usleep(200000);  // it is in the monitor's memory
  ASSERT_EQ(ReadLog().find("question"), std::string::npos);
  conmon::UpgradeBody body;
  body.program_path = CRISP_MONITOR_BINARY;
  EXPECT_TRUE(Ask(conmon::EncodePacket(MessageType::kUpgrade, 21, body.Encode()))
                  .packet()
                  .is(MessageType::kOk));
  EXPECT_TRUE(WaitLogContains(" stdout P question\n")) << ReadLog();
}

TEST_P(MonitorAdoptTest, AnUpgradeKeepsATerminalThatNobodyHolds) {
  LaunchAndStart({.command = {"exec </dev/null >/dev/null 2>&1; echo >/let-go; "
                              "while test ! -e /go; do sleep 0.02; done; "
                              "echo again >/dev/console; exit 14"},
                  .terminal = true});
  ASSERT_TRUE(test::Eventually([this] { return PathExists(dir_ + "/bundle/rootfs/let-go"); }));
  conmon::UpgradeBody body;
  body.program_path = CRISP_MONITOR_BINARY;
  EXPECT_TRUE(Ask(conmon::EncodePacket(MessageType::kUpgrade, 21, body.Encode()))
                  .packet()
                  .is(MessageType::kOk));
  EXPECT_EQ(QueryStatus().state, conmon::MonitorState::kCreated);  // the new one knows it by now
  ASSERT_TRUE(WriteFile(dir_ + "/bundle/rootfs/go", "").ok());
  EXPECT_EQ(WaitExit().record.exit_code, 14);
  EXPECT_EQ(LogContent(), "again\r\n");
}

TEST_P(MonitorAdoptTest, AnUpgradeToAProgramThatCannotTakeOverIsRefused) {
  LaunchAndStart({.command = {"sleep 1000"}});
  for (const char* program : {"/bin/false", "/no/such/program", "relative"}) {
    SCOPED_TRACE(program);
    conmon::UpgradeBody body;
    body.program_path = program;
    const ReceivedPacket answer =
        Ask(conmon::EncodePacket(MessageType::kUpgrade, 1, body.Encode()));
    EXPECT_TRUE(answer.packet().is(MessageType::kError));
  }
  EXPECT_TRUE(monitor_->ReopenLog(Soon()).ok());
}

INSTANTIATE_TEST_SUITE_P(Runtimes, MonitorAdoptTest, testing::Values("runc", "crun"),
                         [](const auto& p) { return p.param; });

}  // namespace
}  // namespace crisp::oci
