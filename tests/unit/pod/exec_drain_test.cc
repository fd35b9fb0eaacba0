#include "pod/exec_drain.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace crisp::pod {
namespace {

class ExecDrainTest : public testing::Test {
 protected:
  ExecDrainTest() {
    ::signal(SIGPIPE, SIG_IGN);
    auto loop = EpollLoop::Create();
    EXPECT_TRUE(loop.ok());
    loop_ = *std::move(loop);
    thread_ = std::thread([this] { loop_->Run(); });
    auto pipe = MakePipe();
    EXPECT_TRUE(pipe.ok());
    pipe_ = *std::move(pipe);
    EXPECT_TRUE(SetNonBlocking(pipe_.first.get()).ok());
  }
  ~ExecDrainTest() override {
    loop_->Stop();
    thread_.join();
  }

  std::unique_ptr<EpollLoop> loop_;
  std::thread thread_;
  FdPair pipe_;
};

TEST_F(ExecDrainTest, AWriterGoesOnAndTheEndIsSeen) {
  const int reading_end = pipe_.first.get();
  DrainOutput(loop_.get(), std::move(pipe_.first));
  const std::string chunk(65536, 'x');
  for (int i = 0; i < 80; ++i) {  // 5 MiB: more than any pipe holds
    ASSERT_EQ(::write(pipe_.second.get(), chunk.data(), chunk.size()),
              static_cast<ssize_t>(chunk.size()));
  }
  pipe_.second.Reset();
  for (int i = 0; i < 500 && ::fcntl(reading_end, F_GETFD) >= 0; ++i) ::usleep(10000);
  EXPECT_LT(::fcntl(reading_end, F_GETFD), 0) << "still open after the end";
}

TEST_F(ExecDrainTest, AnEndlessWriterIsThrottled) {
  DrainOutput(loop_.get(), std::move(pipe_.first));
  const std::string chunk(65536, 'x');
  size_t written = 0;
  const MonoTime end = MonoNow() + std::chrono::milliseconds(300);
  while (MonoNow() < end) {
    written += static_cast<size_t>(::write(pipe_.second.get(), chunk.data(), chunk.size()));
  }
  EXPECT_LT(written, 64u << 20);
}

TEST_F(ExecDrainTest, NothingIsFine) { DrainOutput(loop_.get(), UniqueFd()); }

}  // namespace
}  // namespace crisp::pod
