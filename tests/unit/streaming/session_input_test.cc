#include "server/streaming/session_input.h"

#include "session_fixtures.h"

namespace crisp::streaming {
namespace {

class SessionInputTest : public SessionTest, public InputSink {
 protected:
  SessionInputTest() {
    auto watch = SocketWatch::Create(&io_, pipe_.second.get());
    EXPECT_TRUE(watch.ok());
    watch_ = *std::move(watch);
  }

  Result<size_t> WriteInput(std::string_view data) override {
    return WriteSome(pipe_.second.get(), data);
  }
  bool EndInput() override {
    ++end_calls_;
    return end_calls_ > refused_ends_;
  }

  FdPair pipe_ = NonBlockingPipe();
  FakeChannels channels_{&client_};
  std::unique_ptr<SocketWatch> watch_;
  std::shared_ptr<InputQueue> queue_ = std::make_shared<InputQueue>(&channels_);
  int end_calls_ = 0;
  int refused_ends_ = 0;
};

TEST_F(SessionInputTest, WritesAtOnce) {
  queue_->Open(this, watch_.get());
  queue_->Add("hello");
  EXPECT_EQ(ReadNow(pipe_.first.get()), "hello");
  queue_->End();
  EXPECT_EQ(end_calls_, 1);
  EXPECT_TRUE(queue_->done());
  queue_->Add("too late");
  EXPECT_EQ(ReadNow(pipe_.first.get()), "");
}

TEST_F(SessionInputTest, KeepsWhatComesBeforeItIsOpen) {
  queue_->Add("a");
  queue_->Add("b");
  queue_->End();
  EXPECT_EQ(end_calls_, 0);
  queue_->Open(this, watch_.get());
  EXPECT_EQ(ReadNow(pipe_.first.get()), "ab");
  EXPECT_EQ(end_calls_, 1);
}

TEST_F(SessionInputTest, IsBoundedAndInOrder) {
  queue_->Open(this, watch_.get());
  std::string sent;
  for (int i = 0; !client_.paused; ++i) {
    const std::string piece(100000, static_cast<char>('a' + i % 26));
    sent += piece.substr(0, queue_->Add(piece));
    ASSERT_LT(sent.size(), 2 * InputQueue::kLimit_bytes);
  }
  EXPECT_EQ(sent.size(),
            InputQueue::kLimit_bytes + static_cast<size_t>(Pending(pipe_.first.get())));
  queue_->End();
  std::string received;
  EXPECT_TRUE(RunUntil([&] {
    received += ReadNow(pipe_.first.get());
    return end_calls_ > 0;
  }));
  received += ReadNow(pipe_.first.get());
  EXPECT_TRUE(received == sent);
  EXPECT_FALSE(client_.paused);
  EXPECT_EQ(client_.pauses, 1);
}

TEST_F(SessionInputTest, KeepsNoMoreThanItsOwnLimit) {
  const auto small = std::make_shared<InputQueue>(&channels_, 4096);
  const std::string sent(1 << 20, 'x');
  EXPECT_EQ(small->Add(sent), 4096u);
  EXPECT_TRUE(client_.paused);
  small->Open(this, watch_.get());
  EXPECT_FALSE(client_.paused);
  const size_t taken = small->Add(std::string_view(sent).substr(4096));
  EXPECT_TRUE(client_.paused);
  EXPECT_EQ(4096 + taken, static_cast<size_t>(Pending(pipe_.first.get())) + 4096);
  small->Stop();
}

TEST_F(SessionInputTest, PausesAlsoBeforeItIsOpen) {
  queue_->Add(std::string(InputQueue::kLimit_bytes, 'x'));
  EXPECT_TRUE(client_.paused);
  queue_->Discard();
  EXPECT_FALSE(client_.paused);
  EXPECT_TRUE(queue_->done());
}

TEST_F(SessionInputTest, ABrokenSinkGetsNoMore) {
  queue_->Open(this, watch_.get());
  while (!client_.paused) queue_->Add(std::string(65536, 'x'));
  pipe_.first.Reset();
  EXPECT_TRUE(RunUntil([&] { return queue_->done(); }));
  EXPECT_FALSE(client_.paused) << "what comes is dropped, not held";
  for (int i = 0; i < 100; ++i) queue_->Add(std::string(65536, 'x'));
  EXPECT_FALSE(client_.paused);
  queue_->End();
  EXPECT_EQ(end_calls_, 0);
}

TEST_F(SessionInputTest, AnEndThatIsRefusedIsToldAgain) {
  refused_ends_ = 2;
  queue_->Open(this, watch_.get());
  queue_->End();
  EXPECT_FALSE(queue_->done());
  EXPECT_TRUE(RunUntil([&] { return queue_->done(); }));
  EXPECT_EQ(end_calls_, 3);
}

TEST_F(SessionInputTest, StoppedIsStopped) {
  queue_->Open(this, watch_.get());
  while (!client_.paused) queue_->Add(std::string(65536, 'x'));
  queue_->Stop();
  EXPECT_FALSE(client_.paused);
  while (!ReadNow(pipe_.first.get()).empty()) {
  }
  RunFor(std::chrono::milliseconds(30));
  EXPECT_EQ(ReadNow(pipe_.first.get()), "");
  queue_->Add("x");
  queue_->End();
  EXPECT_EQ(end_calls_, 0);
}

}  // namespace
}  // namespace crisp::streaming
