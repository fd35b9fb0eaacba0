// The monitor's stdio with a real terminal in one process.
#include "conmon/stdio.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "tests/support/patience.h"

namespace crisp::conmon {
namespace {

struct NoClients final : ClientOwner {
  void OnPacket(Client*, const Packet&) override {}
  void OnAttachInputEnd() override {}
};

class TerminalTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/crisp-stdio-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    options_.terminal = true;
    options_.stdin_open = true;
    options_.log_path = dir_ + "/0.log";
    ASSERT_TRUE(poller_.Open().ok());
    ASSERT_TRUE(stdio_.OpenLog().ok());
    UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(master);
    ASSERT_EQ(::unlockpt(master.get()), 0);
    char slave[64];
    ASSERT_EQ(::ptsname_r(master.get(), slave, sizeof(slave)), 0);
    slave_path_ = slave;
    Hold();
    termios raw{};
    ASSERT_EQ(::tcgetattr(slave_.get(), &raw), 0);
    ::cfmakeraw(&raw);
    ASSERT_EQ(::tcsetattr(slave_.get(), TCSANOW, &raw), 0);
    ASSERT_TRUE(stdio_.Begin(std::move(master)).ok());
  }
  void TearDown() override { EXPECT_TRUE(RemoveTreeAt(dir_).ok()); }

  // As a process of the container does.
  void Hold() {
    slave_.Reset(::open(slave_path_.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    ASSERT_TRUE(slave_) << "the terminal is gone";
  }
  void LetGo() {
    slave_.Reset();
    Settle();
  }
  void Print(std::string_view text) { ASSERT_TRUE(WriteAll(slave_.get(), text).ok()); }

  // Until nothing is reported any more.
  void Settle() {
    for (int i = 0; i < 100; ++i) {
      if (poller_.Wait(0) == 0) return;
    }
    FAIL() << "it spins";
  }
  // As if the time until the next timer had passed.
  void PassTime() {
    const int64_t at = stdio_.DeadlineMs();
    if (at != INT64_MAX) stdio_.OnTimer(at);
    Settle();
  }
  bool PassTimeUntilLogged(std::string_view text) {
    for (int i = 0; i < 100; ++i) {
      if (ReadFile(options_.log_path)->find(text) != std::string::npos) return true;
      PassTime();
    }
    return false;
  }

  std::string dir_;
  std::string slave_path_;
  UniqueFd slave_;
  Options options_;
  Poller poller_;
  NoClients owner_;
  Clients clients_{&poller_, &owner_};
  Stdio stdio_{&options_, &poller_, &clients_};
};

TEST_F(TerminalTest, GoesOnWhenItIsHeldAgain) {
  Print("one\n");
  LetGo();
  EXPECT_TRUE(PassTimeUntilLogged("one"));
  EXPECT_TRUE(stdio_.Resize(80, 24).ok());
  Hold();
  Print("two\n");
  EXPECT_TRUE(PassTimeUntilLogged("two"));
  Print("three\n");
  LetGo();
  EXPECT_TRUE(PassTimeUntilLogged("three"));
  Hold();
  Print("four\n");
  slave_.Reset();  // gone before anybody looked
  EXPECT_TRUE(PassTimeUntilLogged("four"));
}

TEST_F(TerminalTest, WakesTheMonitorOnceASecondWhileNobodyHoldsIt) {
  LetGo();
  const int64_t start = NowMs();
  EXPECT_LE(stdio_.DeadlineMs(), start + 100);
  int wakeups = 0;
  while (stdio_.DeadlineMs() < start + 60000) {
    PassTime();
    ++wakeups;
  }
  EXPECT_LE(wakeups, 70);
  Hold();
  PassTime();
  EXPECT_EQ(stdio_.DeadlineMs(), INT64_MAX) << "held, and quiet";
  LetGo();
  EXPECT_LE(stdio_.DeadlineMs(), NowMs() + 100) << "soon again";
}

TEST_F(TerminalTest, TakesInputWhileNobodyHoldsIt) {
  LetGo();
  std::string sent;
  while (!stdio_.input_blocked()) {
    const std::string packet(kMaxBody_bytes, static_cast<char>('a' + sent.size() % 23));
    stdio_.WriteInput(packet);
    sent += packet;
    ASSERT_LT(sent.size(), size_t{16} << 20);
  }
  Settle();
  PassTime();
  EXPECT_TRUE(stdio_.stdin_open());
  Hold();
  std::string got;
  char data[4096];
  // The kernel moves a terminal's input in a thread of its own.
  EXPECT_TRUE(test::Eventually([&] {
    for (ssize_t n = 0; (n = ::read(slave_.get(), data, sizeof(data))) > 0;) {
      got.append(data, static_cast<size_t>(n));
      PassTime();
    }
    PassTime();
    return got.size() >= sent.size();
  })) << got.size()
      << " of " << sent.size();
  EXPECT_TRUE(got == sent);
}

TEST_F(TerminalTest, EndsInTheDrain) {
  Print("last words");
  LetGo();
  stdio_.BeginDrain();
  Settle();
  EXPECT_TRUE(stdio_.drained());
  EXPECT_FALSE(stdio_.Resize(80, 24).ok()) << "closed";
  EXPECT_TRUE(PassTimeUntilLogged(" stdout P last words\n"));
}

}  // namespace
}  // namespace crisp::conmon
