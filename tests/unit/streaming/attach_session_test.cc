#include "fake_monitor.h"
#include "fake_pods.h"
#include "server/streaming/sessions.h"
#include "session_fixtures.h"

namespace crisp::streaming {
namespace {

namespace v1 = ::runtime::v1;
using conmon::MessageType;
using testing::ElementsAre;
using testing::HasSubstr;

class AttachSessionTest : public SessionTest {
 protected:
  AttachSessionTest() {
    request_.set_container_id("c");
    request_.set_stdin(true);
    request_.set_stdout(true);
    request_.set_stderr(true);
    pods_.on_attach = [this](v1::AttachRequest,
                             pod::Done<std::unique_ptr<oci::AttachConnection>> done) {
      monitor_.Serve();
      done(oci::AttachConnection::Open(monitor_.dir(), {true, true, true},
                                       MonoNow() + std::chrono::seconds(5)));
      monitor_.AwaitServed();
    };
  }
  void Start() {
    StartAttachSession({&io_, &pods_, &telemetry_}, request_,
                       std::make_unique<FakeChannels>(&client_), [this] {
                         EXPECT_TRUE(client_.gone());
                         ++ended_;
                       });
    RunFor(std::chrono::milliseconds(20));
  }
  bool AwaitEnd() {
    return RunUntil([&] { return ended_ > 0; });
  }
  bool MonitorSeesEnd() { return monitor_.Receive().empty(); }
  std::string& error() { return client_.received[Channel::kError]; }

  oci::FakeMonitor monitor_;
  rpc::FakePods pods_;
  Telemetry telemetry_;
  v1::AttachRequest request_;
  int ended_ = 0;
};

TEST_F(AttachSessionTest, OutputUntilTheContainerExits) {
  Start();
  monitor_.Send(MessageType::kAttachStdout, 0, "out1 ");
  monitor_.Send(MessageType::kAttachStderr, 0, "err");
  monitor_.Send(MessageType::kAttachStdout, 0, "out2");
  conmon::ExitRecord record;
  record.exit_code = 9;
  monitor_.Send(MessageType::kExit, 0, record.Encode());
  EXPECT_TRUE(AwaitEnd());
  EXPECT_EQ(client_.received[Channel::kStdout], "out1 out2");
  EXPECT_EQ(client_.received[Channel::kStderr], "err");
  EXPECT_EQ(error(), R"({"metadata":{},"status":"Success"})") << "the exit code is not reported";
  EXPECT_THAT(client_.events,
              ElementsAre("finish stdout", "finish stderr", "finish error", "close", "gone"));
}

TEST_F(AttachSessionTest, InputResizeAndTheirEnd) {
  request_.set_tty(true);
  request_.set_stderr(false);
  Start();
  client_.Sends(Channel::kStdin, "typed");
  client_.Sends(Channel::kResize, R"({"Width":132,"Height":50})");
  client_.Ends(Channel::kStdin);
  EXPECT_EQ(monitor_.Expect(MessageType::kAttachStdin), "typed");
  EXPECT_EQ(conmon::ResizeBody::Decode(monitor_.Expect(MessageType::kResize))->columns, 132);
  monitor_.Expect(MessageType::kAttachStdinEof);
  EXPECT_TRUE(AwaitEnd()) << "the end of a terminal's input is a detach";
  EXPECT_EQ(error(), R"({"metadata":{},"status":"Success"})");
  EXPECT_TRUE(MonitorSeesEnd());
}

TEST_F(AttachSessionTest, TheEndOfInputIsNotTheEndWithoutATerminal) {
  Start();
  client_.Ends(Channel::kStdin);
  monitor_.Expect(MessageType::kAttachStdinEof);
  RunFor(std::chrono::milliseconds(30));
  EXPECT_EQ(ended_, 0);
  monitor_.Send(MessageType::kAttachStdout, 0, "later");
  EXPECT_TRUE(RunUntil([&] { return client_.received[Channel::kStdout] == "later"; }));
}

TEST_F(AttachSessionTest, AClientThatVanishesIsDetached) {
  Start();
  client_.Vanishes();
  EXPECT_EQ(ended_, 1);
  EXPECT_TRUE(MonitorSeesEnd());
}

// The monitor is not read: it decides how long it waits for this client.
TEST_F(AttachSessionTest, ASlowClientFillsTheMonitorsSocketOnly) {
  Start();
  client_.reads = false;
  const std::string packet =
      conmon::EncodePacket(MessageType::kAttachStdout, 0, std::string(16384, 'x'));
  size_t sent = 0;
  while (sent < (64u << 20)) {
    RunFor(std::chrono::milliseconds(5));
    const ssize_t n = ::send(monitor_.client(), packet.data(), packet.size(), MSG_DONTWAIT);
    if (n < 0) break;
    sent += static_cast<size_t>(n);
  }
  EXPECT_LT(sent, 4u << 20);
  EXPECT_EQ(client_.on_the_way.size(), 1u);
  monitor_.Hangup();
  client_.ReadAgain();
  EXPECT_TRUE(AwaitEnd());
  EXPECT_THAT(error(), HasSubstr("error attaching to container: this client was too slow"));
}

TEST_F(AttachSessionTest, WhatCannotBeAttachedTo) {
  pods_.on_attach = [](v1::AttachRequest, pod::Done<std::unique_ptr<oci::AttachConnection>> done) {
    done(FailedPrecondition("container c has exited"));
  };
  Start();
  EXPECT_TRUE(AwaitEnd());
  EXPECT_THAT(error(), HasSubstr("error attaching to container: container c has exited"));
}

TEST_F(AttachSessionTest, MoreInputThanTheContainerTakes) {
  Start();
  size_t sent = 0;
  while (!client_.paused) {
    sent += client_.Sends(Channel::kStdin, std::string(65536, 'x'));
    ASSERT_LT(sent, 64u << 20);
  }
  client_.Ends(Channel::kStdin);
  size_t received = 0;
  for (;;) {
    const std::string bytes = monitor_.Receive();
    const auto packet = conmon::DecodePacket(bytes);
    ASSERT_TRUE(packet);
    if (packet->is(MessageType::kAttachStdinEof)) break;
    received += packet->body.size();
    RunFor(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(received, sent);
  EXPECT_FALSE(client_.paused);
}

}  // namespace
}  // namespace crisp::streaming
