// Attach, stdin, terminal and resize, through the monitor's socket (streaming.md section 6.6).
#include <poll.h>
#include <unistd.h>

#include "base/core/file.h"
#include "monitor_fixture.h"
#include "oci/attach_connection.h"
#include "oci/monitor_files.h"

namespace crisp::oci {
namespace {

using conmon::AttachBody;
constexpr uint8_t kAll = AttachBody::kStdin | AttachBody::kStdout | AttachBody::kStderr;
constexpr uint8_t kOutputs = AttachBody::kStdout | AttachBody::kStderr;

class MonitorAttachTest : public MonitorTest {};

TEST_P(MonitorAttachTest, AClientSeesBothStreamsAndTheExit) {
  Launch({.command = {"echo out; echo err >&2"}});
  AttachClient client(state_dir_, kOutputs);
  ASSERT_TRUE(StartContainer().ok());
  EXPECT_TRUE(client.ReadUntilEnd());
  EXPECT_EQ(client.output(), "out\n");
  EXPECT_EQ(client.errors(), "err\n");
  EXPECT_TRUE(client.saw_exit());
  WaitExit();
  EXPECT_EQ(LogContent(), "out\n");
}

TEST_P(MonitorAttachTest, StdinOnceEndsWithTheFirstClientsInput) {
  LaunchAndStart({.command = {"/bin/sh"}, .stdin_open = true, .stdin_once = true});
  AttachClient client(state_dir_, kAll);
  client.SendInput("printf hello\n");
  ASSERT_TRUE(client.ReadUntil("hello"));
  EXPECT_EQ(client.output(), "hello");
  client.SendInputEof();
  EXPECT_TRUE(client.ReadUntilEnd());
  EXPECT_TRUE(client.saw_exit());
  EXPECT_EQ(client.errors(), "");
  EXPECT_EQ(WaitExit().record.exit_code, 0);
}

TEST_P(MonitorAttachTest, StdinOnceEndsWithTheFirstClientsConnection) {
  LaunchAndStart({.command = {"cat; exit 4"}, .stdin_open = true, .stdin_once = true});
  AttachClient(state_dir_, kAll).SendInput("typed\n");
  EXPECT_EQ(WaitExit().record.exit_code, 4);
  EXPECT_EQ(LogContent(), "typed\n");
}

TEST_P(MonitorAttachTest, WithoutStdinOnceTheNextClientGoesOn) {
  LaunchAndStart({.command = {"cat"}, .stdin_open = true});
  {
    AttachClient client(state_dir_, kAll);
    client.SendInput("first\n");
    ASSERT_TRUE(client.ReadUntil("first"));
  }
  AttachClient client(state_dir_, kAll);
  client.SendInput("second\n");
  EXPECT_TRUE(client.ReadUntil("second"));
}

TEST_P(MonitorAttachTest, SeveralClientsSeeTheSame) {
  LaunchAndStart({.command = {"cat"}, .stdin_open = true});
  AttachClient one(state_dir_, kAll);
  AttachClient two(state_dir_, kOutputs);
  one.SendInput("shared\n");
  EXPECT_TRUE(one.ReadUntil("shared"));
  EXPECT_TRUE(two.ReadUntil("shared"));
  EXPECT_EQ(QueryStatus().attached, 2u);
}

TEST_P(MonitorAttachTest, InputWithoutStdinIsDiscarded) {
  LaunchAndStart({.command = {"cat; echo end; sleep 1000"}});
  AttachClient client(state_dir_, kAll);
  client.SendInput("nobody reads this\n");
  ASSERT_TRUE(WaitLogContains("end"));
  EXPECT_EQ(LogContent(), "end\n");
}

// More input than pipe and packet hold while nobody reads: the client waits, nothing is lost.
TEST_P(MonitorAttachTest, InputIsHeldBackUntilItIsRead) {
  LaunchAndStart(
      {.command = {"test ! -e /go; while test ! -e /go; do sleep 0.02; done; cat; exit 0"},
       .stdin_open = true,
       .stdin_once = true});
  std::string input;
  for (int i = 0; i < 100000; ++i) input += Cat(i, "\n");
  {
    AttachClient client(state_dir_, AttachBody::kStdin);
    std::thread opener([this] {
      ::usleep(300000);
      EXPECT_TRUE(WriteFile(dir_ + "/bundle/rootfs/go", "").ok());
    });
    client.SendInput(input);
    opener.join();
  }
  WaitExit();
  EXPECT_TRUE(LogContent() == input);
}

// Nobody notices that they left while their input waits, and kubectl attaches again and again.
TEST_P(MonitorAttachTest, WhoLeftABlockedStdinKeepsNobodyOut) {
  LaunchAndStart({.command = {"sleep 1000"}, .stdin_open = true});
  // More than the pipe and one packet.
  AttachClient(state_dir_, AttachBody::kStdin).SendInput(std::string(128 << 10, 'x'));
  for (int i = 0; i < 80; ++i) AttachClient(state_dir_, AttachBody::kStdin);
  EXPECT_EQ(QueryStatus().attached, 56u);
  Adopt();
  EXPECT_TRUE(monitor_->ReopenLog(Soon()).ok());
}

TEST_P(MonitorAttachTest, AttachedClientsLeaveRoomForRequests) {
  LaunchAndStart({.command = {"sleep 1000"}});
  std::vector<std::unique_ptr<AttachClient>> clients;
  for (int i = 0; i < 56; ++i) {
    clients.push_back(std::make_unique<AttachClient>(state_dir_, kOutputs));
  }
  const auto attach = [this] {
    return AttachConnection::Open(state_dir_, {.stdout_open = true}, Soon()).status();
  };
  EXPECT_EQ(attach().code(), Code::kResourceExhausted) << attach().ToString();
  EXPECT_EQ(QueryStatus().attached, 56u);
  EXPECT_TRUE(monitor_->ReopenLog(Soon()).ok());
  clients.pop_back();
  EXPECT_TRUE(test::Eventually([&] { return attach().ok(); }));
}

TEST_P(MonitorAttachTest, ASlowClientIsDroppedAndNothingElseSuffers) {
  LaunchAndStart({.command = {"seq 1 3000000; exit 6"}});
  AttachClient slow(state_dir_, kOutputs);  // does not read until all is over
  EXPECT_EQ(WaitExit().record.exit_code, 6);
  EXPECT_TRUE(slow.ReadUntilEnd());
  EXPECT_FALSE(slow.saw_exit()) << "it was not dropped";
  const std::string content = LogContent();
  EXPECT_EQ(content.substr(content.size() - 8), "3000000\n");
}

TEST_P(MonitorAttachTest, ABusyClientIsNotDropped) {
  Launch({.command = {"seq 1 1000000"}});
  AttachClient client(state_dir_, kOutputs);
  ASSERT_TRUE(StartContainer().ok());
  ::usleep(400000);  // far longer than its socket takes to fill
  EXPECT_TRUE(client.ReadUntilEnd());
  EXPECT_TRUE(client.saw_exit());
  EXPECT_EQ(client.output().size(), LogContent().size());
}

TEST_P(MonitorAttachTest, TerminalOutputIsAllStdoutAndResizes) {
  LaunchAndStart({.command = {"stty size; echo err >&2; read x; stty size; read y; stty size"},
                  .terminal = true,
                  .stdin_open = true});
  AttachClient client(state_dir_, AttachBody::kStdin | AttachBody::kStdout);
  ASSERT_TRUE(WaitLogContains("err"));
  EXPECT_EQ(LogContent("stderr"), "");
  ASSERT_TRUE(monitor_->Resize(100, 40, Soon()).ok());
  client.SendInput("\n");
  ASSERT_TRUE(client.ReadUntil("40 100\r\n"));
  client.Resize(132, 50);
  client.SendInput("\n");
  EXPECT_TRUE(client.ReadUntil("50 132\r\n")) << client.output();
  EXPECT_EQ(WaitExit().record.exit_code, 0);
}

TEST_P(MonitorAttachTest, ATerminalSurvivesADetach) {
  LaunchAndStart(
      {.command = {"/bin/sh"}, .terminal = true, .stdin_open = true, .stdin_once = true});
  AttachClient(state_dir_, kAll).SendInput("echo fi''rst\n");
  ASSERT_TRUE(WaitLogContains("first"));
  AttachClient client(state_dir_, kAll);
  client.SendInput("exit 9\n");
  EXPECT_EQ(WaitExit().record.exit_code, 9);
}

// As a shell or a getty does that opens its terminal again.
TEST_P(MonitorAttachTest, ATerminalThatNobodyHeldForAWhileGoesOn) {
  LaunchAndStart({.command = {"echo one; exec </dev/null >/dev/null 2>&1; echo >/let-go; "
                              "while test ! -e /go; do sleep 0.02; done; "
                              "exec 0<>/dev/console 1>&0 2>&0; echo two; read x; echo got $x; "
                              "exit 9"},
                  .terminal = true,
                  .stdin_open = true});
  AttachClient client(state_dir_, AttachBody::kStdin | AttachBody::kStdout);
  ASSERT_TRUE(test::Eventually([this] { return PathExists(dir_ + "/bundle/rootfs/let-go"); }));
  EXPECT_EQ(QueryStatus().attached, 1u);  // the monitor knows it by now
  ASSERT_TRUE(WriteFile(dir_ + "/bundle/rootfs/go", "").ok());
  ASSERT_TRUE(client.ReadUntil("two\r\n"));
  client.SendInput("in\n");
  EXPECT_TRUE(client.ReadUntil("got in\r\n")) << client.output();
  EXPECT_EQ(WaitExit().record.exit_code, 9);
  const std::string content = LogContent();
  EXPECT_TRUE(content.starts_with("one\r\ntwo\r\n")) << content;
}

TEST_P(MonitorAttachTest, ALongStateDirectoryWorksForTerminals) {
  state_dir_ = dir_ + "/" + std::string(120, 'd') + "/state";
  ASSERT_TRUE(EnsureDirectory(state_dir_, 0700).ok());
  LaunchAndStart({.command = {"echo tty"}, .terminal = true});
  EXPECT_EQ(WaitExit().record.exit_code, 0);
  EXPECT_EQ(LogContent(), "tty\r\n");
}

TEST_P(MonitorAttachTest, ResizeWithoutATerminalIsRefused) {
  LaunchAndStart({.command = {"sleep 1000"}});
  EXPECT_EQ(monitor_->Resize(80, 24, Soon()).code(), Code::kFailedPrecondition);
}

TEST_P(MonitorAttachTest, CloseStdinEndsTheInput) {
  LaunchAndStart({.command = {"cat; exit 8"}, .stdin_open = true});
  Result<UniqueFd> fd = ConnectToMonitor(state_dir_);
  ASSERT_TRUE(fd.ok());
  EXPECT_EQ(QueryStatus().stdin_open, 1);
  ASSERT_TRUE(SendPacket(fd->get(), conmon::MessageType::kCloseStdin, 1, {}, Soon()).ok());
  EXPECT_EQ(WaitExit().record.exit_code, 8);
}

INSTANTIATE_TEST_SUITE_P(Runtimes, MonitorAttachTest, testing::Values("runc", "crun"),
                         [](const auto& p) { return p.param; });

}  // namespace
}  // namespace crisp::oci
