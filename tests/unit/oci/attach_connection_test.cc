#include "oci/attach_connection.h"

#include <vector>

#include "fake_monitor.h"

namespace crisp::oci {
namespace {

using conmon::AttachBody;
using conmon::MessageType;
using Event = AttachConnection::Event;

MonoTime Soon() { return MonoNow() + std::chrono::seconds(5); }

class AttachConnectionTest : public testing::Test {
 protected:
  void Open() {
    monitor_.Serve();
    auto opened = AttachConnection::Open(monitor_.dir(), {true, true, true}, Soon());
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    connection_ = *std::move(opened);
    monitor_.AwaitServed();
  }
  // The next event, as text.
  std::string Next() {
    pollfd wait{connection_->fd(), POLLIN, 0};
    ::poll(&wait, 1, 2000);
    const auto received = connection_->Receive();
    if (!received.ok()) return std::string(CodeName(received.status().code()));
    const char* names[] = {"nothing", "out ", "err ", "exit"};
    return Cat(names[static_cast<int>(received->event)], received->data);
  }

  FakeMonitor monitor_;
  std::unique_ptr<AttachConnection> connection_;
};

TEST_F(AttachConnectionTest, OutputAndExit) {
  Open();
  EXPECT_EQ(monitor_.streams(), 7);
  EXPECT_EQ(connection_->Receive()->event, Event::kNothing);
  monitor_.Send(MessageType::kAttachStdout, 0, "one");
  EXPECT_EQ(Next(), "out one");
  monitor_.Send(MessageType::kAttachStderr, 0, "two");
  monitor_.Send(MessageType::kOom, 0, "");
  monitor_.Send(MessageType::kOk, 3, "");
  monitor_.Send(MessageType::kAttachStdout, 0, std::string(conmon::kMaxBody_bytes, 'x'));
  monitor_.Send(MessageType::kExit, 0, conmon::ExitRecord().Encode());
  EXPECT_EQ(Next(), "err two");
  EXPECT_EQ(Next(), "out " + std::string(conmon::kMaxBody_bytes, 'x'));
  EXPECT_EQ(Next(), "exit");
}

// The caller is the loop of all streams.
TEST_F(AttachConnectionTest, AFloodOfOthersHoldsNobody) {
  Open();
  for (int i = 0; i < 40; ++i) monitor_.Send(MessageType::kOom, 0, "");
  monitor_.Send(MessageType::kAttachStdout, 0, "behind");
  EXPECT_EQ(Next(), "nothing");
  EXPECT_EQ(Next(), "out behind");
}

TEST_F(AttachConnectionTest, InputInPackets) {
  Open();
  const std::string input(conmon::kMaxBody_bytes + 10, 'i');
  EXPECT_EQ(*connection_->SendStdin(input), input.size());
  EXPECT_TRUE(*connection_->Resize(132, 50));
  EXPECT_TRUE(*connection_->EndStdin());
  EXPECT_EQ(monitor_.Expect(MessageType::kAttachStdin).size(), conmon::kMaxBody_bytes);
  EXPECT_EQ(monitor_.Expect(MessageType::kAttachStdin), std::string(10, 'i'));
  const auto size = conmon::ResizeBody::Decode(monitor_.Expect(MessageType::kResize));
  ASSERT_TRUE(size);
  EXPECT_EQ(size->columns, 132);
  EXPECT_EQ(size->rows, 50);
  monitor_.Expect(MessageType::kAttachStdinEof);
}

TEST_F(AttachConnectionTest, AFullSocketTakesNoMore) {
  Open();
  const std::string input(1 << 20, 'i');
  size_t sent = 0;
  for (;;) {
    const size_t taken = *connection_->SendStdin(input);
    sent += taken;
    if (taken < input.size()) break;
    ASSERT_LT(sent, 64u << 20);
  }
  EXPECT_EQ(*connection_->SendStdin("x"), 0u);
  EXPECT_FALSE(*connection_->EndStdin());
  EXPECT_FALSE(*connection_->Resize(1, 1));
  size_t received = 0;
  while (received < sent) received += monitor_.Expect(MessageType::kAttachStdin).size();
  EXPECT_EQ(received, sent) << "a piece was taken twice or cut";
  EXPECT_TRUE(*connection_->EndStdin());
}

TEST_F(AttachConnectionTest, ADroppedClient) {
  Open();
  monitor_.Send(MessageType::kAttachStdout, 0, "last");
  EXPECT_EQ(*connection_->SendStdin("never read"), 10u);
  monitor_.Hangup();
  EXPECT_EQ(Next(), "out last");
  EXPECT_EQ(Next(), "UNAVAILABLE");
  EXPECT_EQ(connection_->SendStdin("x").status().code(), Code::kUnavailable);
  EXPECT_EQ(connection_->EndStdin().status().code(), Code::kUnavailable);
}

TEST_F(AttachConnectionTest, GarbageIsAnError) {
  Open();
  ASSERT_EQ(::send(monitor_.client(), "x", 1, 0), 1);
  EXPECT_EQ(Next(), "DATA_LOSS");
}

TEST_F(AttachConnectionTest, ALongMessageIsNotCut) {
  Open();
  monitor_.Send(MessageType::kAttachStdout, 0, std::string(conmon::kMaxBody_bytes + 1, 'x'));
  EXPECT_EQ(Next(), "DATA_LOSS");
}

TEST_F(AttachConnectionTest, RefusalsKeepTheirCodes) {
  conmon::ErrorBody error;
  error.code = static_cast<uint32_t>(Code::kFailedPrecondition);
  error.text = "attach: the container is not running";
  monitor_.Serve(MessageType::kError, error.Encode());
  const auto opened = AttachConnection::Open(monitor_.dir(), {true, false, false}, Soon());
  EXPECT_EQ(opened.status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(opened.status().message(), error.text);
}

TEST_F(AttachConnectionTest, AnExitedContainer) {
  monitor_.Serve(MessageType::kExit, conmon::ExitRecord().Encode());
  EXPECT_EQ(AttachConnection::Open(monitor_.dir(), {true, true, true}, Soon()).status().code(),
            Code::kFailedPrecondition);
}

TEST_F(AttachConnectionTest, NobodyThere) {
  EXPECT_EQ(AttachConnection::Open("/nowhere", {true, true, true}, Soon()).status().code(),
            Code::kNotFound);
  EXPECT_EQ(AttachConnection::Open(monitor_.dir(), {}, Soon()).status().code(),
            Code::kInvalidArgument);
  // It accepts, and says nothing.
  EXPECT_EQ(AttachConnection::Open(monitor_.dir(), {true, true, true},
                                   MonoNow() + std::chrono::milliseconds(50))
                .status()
                .code(),
            Code::kDeadlineExceeded);
}

// A monitor that was stopped, with so many clients waiting that the kernel takes no more of them.
TEST_F(AttachConnectionTest, AFullBacklogIsWaitedFor) {
  const std::vector<UniqueFd> waiting = monitor_.FillBacklog();
  const Status refused = AttachConnection::Open(monitor_.dir(), {true, true, true},
                                                MonoNow() + std::chrono::milliseconds(50))
                             .status();
  ASSERT_EQ(refused.code(), Code::kDeadlineExceeded) << refused.ToString();
  EXPECT_EQ(refused.message(), "the container's monitor does not answer");

  std::thread goes_on([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (size_t i = 0; i < waiting.size(); ++i) monitor_.Accept();
    monitor_.Serve();
  });
  auto opened = AttachConnection::Open(monitor_.dir(), {true, true, true}, Soon());
  goes_on.join();
  EXPECT_TRUE(opened.ok()) << opened.status().ToString();
}

}  // namespace
}  // namespace crisp::oci
