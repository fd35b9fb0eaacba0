#include "server/streaming/session_output.h"

#include <pty.h>

#include "session_fixtures.h"

namespace crisp::streaming {
namespace {

class SessionOutputTest : public SessionTest {
 protected:
  SessionOutputTest() {
    auto watch = SocketWatch::Create(&io_, pipe_.first.get());
    EXPECT_TRUE(watch.ok());
    watch_ = *std::move(watch);
    pump_ = std::make_shared<OutputPump>(&io_, pipe_.first.get(), watch_.get(), channels_.get(),
                                         Channel::kStdout, [this] { ++ends_; });
    pump_->Start();
  }
  ~SessionOutputTest() override { pump_->Stop(); }

  std::string& received() { return client_.received[Channel::kStdout]; }
  bool ended() const { return ends_ > 0; }

  FdPair pipe_ = NonBlockingPipe();
  std::unique_ptr<FakeChannels> channels_ = std::make_unique<FakeChannels>(&client_);
  std::unique_ptr<SocketWatch> watch_;
  std::shared_ptr<OutputPump> pump_;
  int ends_ = 0;
};

TEST_F(SessionOutputTest, CopiesUntilTheEnd) {
  ASSERT_TRUE(WriteAll(pipe_.second.get(), "hello ").ok());
  EXPECT_TRUE(RunUntil([&] { return received() == "hello "; }));
  ASSERT_TRUE(WriteAll(pipe_.second.get(), "world").ok());
  pipe_.second.Reset();
  EXPECT_TRUE(RunUntil([&] { return ended(); }));
  EXPECT_EQ(received(), "hello world");
  EXPECT_TRUE(pump_->ended());
  RunFor(std::chrono::milliseconds(20));
  EXPECT_EQ(ends_, 1);
}

TEST_F(SessionOutputTest, ASlowClientSlowsTheWriter) {
  client_.reads = false;
  ::fcntl(pipe_.second.get(), F_SETPIPE_SZ, 1 << 20);
  size_t written = Fill(pipe_.second.get(), 'a');
  RunFor(std::chrono::milliseconds(50));
  written += Fill(pipe_.second.get(), 'b');
  RunFor(std::chrono::milliseconds(50));
  EXPECT_EQ(Fill(pipe_.second.get(), 'c'), 0u) << "it is read although the client takes nothing";
  EXPECT_LE(written, (1u << 20) + kBlock_bytes);
  pipe_.second.Reset();
  RunFor(std::chrono::milliseconds(50));
  EXPECT_FALSE(ended()) << "not everything was sent";
  client_.ReadAgain();
  EXPECT_TRUE(RunUntil([&] { return ended(); }));
  EXPECT_EQ(received().size(), written);
}

TEST_F(SessionOutputTest, AHeldPipeEndsSoonAfterTheExit) {
  ASSERT_TRUE(WriteAll(pipe_.second.get(), "last words").ok());
  const MonoTime start = MonoNow();
  pump_->Drain();
  EXPECT_TRUE(RunUntil([&] { return ended(); }));
  EXPECT_EQ(received(), "last words");
  EXPECT_GE(MonoNow() - start, OutputPump::kQuiet - std::chrono::milliseconds(50));
  EXPECT_LT(MonoNow() - start, OutputPump::kLimit);
}

TEST_F(SessionOutputTest, AnEndedPipeEndsAtOnceAfterTheExit) {
  pipe_.second.Reset();
  pump_->Drain();
  EXPECT_TRUE(ended());
}

TEST_F(SessionOutputTest, AnEndlessWriterIsCutOffAfterTheExit) {
  const MonoTime start = MonoNow();
  pump_->Drain();
  EXPECT_TRUE(RunUntil([&] {
    (void)!::write(pipe_.second.get(), "x", 1);
    return ended();
  }));
  EXPECT_GE(MonoNow() - start, OutputPump::kLimit - std::chrono::milliseconds(50));
}

// Nothing that the command itself wrote is lost, however long the client takes.
TEST_F(SessionOutputTest, WhatWasWrittenBeforeTheExitReachesASlowClient) {
  client_.reads = false;
  ::fcntl(pipe_.second.get(), F_SETPIPE_SZ, 1 << 20);
  const size_t written = Fill(pipe_.second.get(), 'a');
  RunFor(std::chrono::milliseconds(20));
  pump_->Drain();
  RunFor(OutputPump::kLimit + std::chrono::milliseconds(100));
  EXPECT_FALSE(ended());
  client_.ReadAgain();
  EXPECT_TRUE(RunUntil([&] { return ended(); }));
  EXPECT_EQ(received().size(), written);
}

TEST_F(SessionOutputTest, StoppedIsStopped) {
  ASSERT_TRUE(WriteAll(pipe_.second.get(), "x").ok());
  pump_->Drain();
  pump_->Stop();
  pump_->Drain();
  RunFor(std::chrono::milliseconds(400));
  EXPECT_EQ(ends_, 0);
}

TEST_F(SessionOutputTest, ReadsWhatTheChannelsAllow) {
  client_.send_limit = 1000;
  client_.reads = false;
  ASSERT_TRUE(WriteAll(pipe_.second.get(), std::string(3000, 'x')).ok());
  EXPECT_TRUE(RunUntil([&] { return !client_.on_the_way.empty(); }));
  EXPECT_EQ(Pending(pipe_.first.get()), 2000);
  pipe_.second.Reset();
  client_.ReadAgain();
  EXPECT_TRUE(RunUntil([&] { return ended(); }));
  EXPECT_EQ(received().size(), 3000u);
}

// A process that lives may let go of its terminal, and open it again.
TEST_F(SessionOutputTest, ATerminalThatNobodyHoldsIsNoEnd) {
  int fds[2];
  char name[64];
  ASSERT_EQ(::openpty(&fds[0], &fds[1], name, nullptr, nullptr), 0);
  UniqueFd master(fds[0]);
  UniqueFd slave(fds[1]);
  ASSERT_TRUE(SetNonBlocking(master.get()).ok());
  auto watch = SocketWatch::Create(&io_, master.get());
  ASSERT_TRUE(watch.ok());
  int ends = 0;
  const auto pump = std::make_shared<OutputPump>(&io_, master.get(), watch->get(), channels_.get(),
                                                 Channel::kStdout, [&ends] { ++ends; });
  pump->Start();
  ASSERT_TRUE(WriteAll(slave.get(), "before").ok());
  EXPECT_TRUE(RunUntil([&] { return received() == "before"; }));
  slave.Reset();
  size_t handlers = 0;
  for (const MonoTime end = MonoNow() + std::chrono::milliseconds(500); MonoNow() < end;) {
    io_.restart();
    handlers += io_.run_for(std::chrono::milliseconds(5));
  }
  EXPECT_LT(handlers, 20u) << "a busy loop";
  EXPECT_EQ(ends, 0);
  slave.Reset(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(slave.valid());
  ASSERT_TRUE(WriteAll(slave.get(), ", after").ok());
  EXPECT_TRUE(RunUntil([&] { return received() == "before, after"; }));
  slave.Reset();
  RunFor(std::chrono::milliseconds(20));
  EXPECT_EQ(ends, 0);
  pump->Drain();  // its exit
  EXPECT_EQ(ends, 1);
  pump->Stop();
}

// A block that is on its way to the client outlives everything else.
TEST_F(SessionOutputTest, DataLivesAsLongAsItsSend) {
  client_.reads = false;
  ASSERT_TRUE(WriteAll(pipe_.second.get(), "kept").ok());
  EXPECT_TRUE(RunUntil([&] { return !client_.on_the_way.empty(); }));
  pump_->Stop();
  watch_.reset();
  pump_ = std::make_shared<OutputPump>(&io_, -1, nullptr, channels_.get(), Channel::kStdout, [] {});
  client_.ReadAgain();
  EXPECT_TRUE(RunUntil([&] { return received() == "kept"; }));
}

}  // namespace
}  // namespace crisp::streaming
