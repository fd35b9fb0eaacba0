#include "base/core/epoll_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <future>

namespace crisp {
namespace {

using std::chrono::milliseconds;

class EpollLoopTest : public testing::Test {
 protected:
  EpollLoopTest() : loop_(EpollLoop::Create().value()), thread_([this] { loop_->Run(); }) {}
  ~EpollLoopTest() override {
    loop_->Stop();
    thread_.join();
  }
  // Runs `work` on the loop's thread and waits for it.
  void OnLoop(std::function<void()> work) {
    std::promise<void> done;
    loop_->Post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  std::unique_ptr<EpollLoop> loop_;
  std::thread thread_;
};

TEST_F(EpollLoopTest, PostedFunctionsRunInOrderOnTheLoopThread) {
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) {
    loop_->Post([&order, i] { order.push_back(i); });
  }
  bool inside = false;
  OnLoop([&] { inside = loop_->InLoopThread(); });
  EXPECT_TRUE(inside);
  EXPECT_FALSE(loop_->InLoopThread());
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(EpollLoopTest, PostFromACallback) {
  std::promise<void> done;
  loop_->Post([&] { loop_->Post([&] { done.set_value(); }); });
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

TEST_F(EpollLoopTest, WatchModifyUnwatch) {
  const FdPair pipe = MakePipe(O_NONBLOCK).value();
  std::atomic<int> calls = 0;
  std::promise<uint32_t> seen;
  auto id = loop_->Watch(pipe.first.get(), EPOLLIN, [&](uint32_t events) {
    char buffer[16];
    [[maybe_unused]] const ssize_t n = ::read(pipe.first.get(), buffer, sizeof(buffer));
    if (++calls == 1) seen.set_value(events);
  });
  ASSERT_TRUE(id.ok());
  ASSERT_EQ(::write(pipe.second.get(), "x", 1), 1);
  EXPECT_EQ(seen.get_future().get(), static_cast<uint32_t>(EPOLLIN));
  ASSERT_TRUE(loop_->Modify(*id, 0).ok());
  ASSERT_EQ(::write(pipe.second.get(), "x", 1), 1);
  OnLoop([] {});
  OnLoop([] {});
  EXPECT_EQ(calls, 1);
  loop_->Unwatch(*id);
  loop_->Unwatch(*id);
  EXPECT_EQ(loop_->Modify(*id, EPOLLIN).code(), Code::kNotFound);
}

TEST_F(EpollLoopTest, WatchReportsErrno) {
  EXPECT_EQ(loop_->Watch(-1, EPOLLIN, [](uint32_t) {}).status().sys_errno(), EBADF);
}

TEST_F(EpollLoopTest, AWatchMayBeRemovedWithinAnyCallback) {
  const FdPair a = MakePipe().value();
  const FdPair b = MakePipe().value();
  std::atomic<int> calls = 0;
  EpollLoop::WatchId ids[2];
  // Both are readable in one round; the first one that runs removes both.
  OnLoop([&] {
    const auto remove_both = [&](uint32_t) {
      ++calls;
      for (const auto id : ids) loop_->Unwatch(id);
    };
    ids[0] = loop_->Watch(a.first.get(), EPOLLIN, remove_both).value();
    ids[1] = loop_->Watch(b.first.get(), EPOLLIN, remove_both).value();
    ASSERT_EQ(::write(a.second.get(), "x", 1), 1);
    ASSERT_EQ(::write(b.second.get(), "x", 1), 1);
  });
  std::this_thread::sleep_for(milliseconds(50));
  OnLoop([] {});  // the loop's last use of the descriptors is over
  EXPECT_EQ(calls, 1);
}

TEST_F(EpollLoopTest, WhatACallbackCapturedMayCallTheLoopWhenItDies) {
  const FdPair pipe = MakePipe().value();
  // Such as a connection that is kept alive by its own watch and ends its timer in the destructor.
  struct Connection {
    EpollLoop* loop;
    EpollLoop::TimerId timer;
    std::promise<void>* gone;
    Connection(EpollLoop* l, EpollLoop::TimerId t, std::promise<void>* g)
        : loop(l), timer(t), gone(g) {}
    ~Connection() {
      (void)loop->Cancel(timer);
      gone->set_value();
    }
  };
  std::promise<void> gone;
  auto connection = std::make_shared<Connection>(
      loop_.get(), loop_->RunAt(MonoNow() + std::chrono::hours(1), [] {}), &gone);
  const auto id =
      loop_->Watch(pipe.first.get(), EPOLLIN, [c = std::move(connection)](uint32_t) {}).value();
  loop_->Unwatch(id);
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);

  std::promise<void> gone2;
  auto other = std::make_shared<Connection>(loop_.get(), 0, &gone2);
  const auto timer = loop_->RunAt(MonoNow() + std::chrono::hours(1), [c = std::move(other)] {});
  EXPECT_TRUE(loop_->Cancel(timer));
  EXPECT_EQ(gone2.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

TEST_F(EpollLoopTest, TimersRunInOrderOfTheirTime) {
  std::vector<int> order;
  std::promise<void> done;
  const MonoTime now = MonoNow();
  loop_->RunAt(now + milliseconds(60), [&] { done.set_value(); });
  loop_->RunAt(now + milliseconds(40), [&] { order.push_back(2); });
  loop_->RunAt(now + milliseconds(20), [&] { order.push_back(1); });
  loop_->RunAt(now + milliseconds(40), [&] { order.push_back(3); });
  done.get_future().wait();
  EXPECT_GE(MonoNow(), now + milliseconds(60));
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_F(EpollLoopTest, AnEarlierTimerWakesTheLoop) {
  loop_->RunAt(MonoNow() + std::chrono::hours(1), [] {});
  OnLoop([] {});
  std::promise<void> done;
  loop_->RunAt(MonoNow() + milliseconds(10), [&] { done.set_value(); });
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

TEST_F(EpollLoopTest, CancelSaysWhetherItWasInTime) {
  std::atomic<bool> ran = false;
  const auto late = loop_->RunAt(MonoNow() + std::chrono::hours(1), [&] { ran = true; });
  EXPECT_TRUE(loop_->Cancel(late));
  EXPECT_FALSE(loop_->Cancel(late));
  std::promise<void> done;
  const auto soon = loop_->RunAt(MonoNow(), [&] { done.set_value(); });
  done.get_future().wait();
  EXPECT_FALSE(loop_->Cancel(soon));
  EXPECT_FALSE(ran);
}

TEST_F(EpollLoopTest, ManyThreads) {
  std::atomic<int> count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        loop_->Post([&] { ++count; });
        (void)loop_->Cancel(loop_->RunAt(MonoNow() + std::chrono::hours(1), [] {}));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  OnLoop([] {});
  EXPECT_EQ(count, 2000);
}

// What a callback holds may use the loop when it goes, and other callbacks may go with it.
class LoopUser {
 public:
  LoopUser(EpollLoop* loop, int* ended) : loop_(loop), ended_(ended) {
    watch_ = loop_->Watch(pipe_.first.get(), EPOLLIN, [](uint32_t) {}).value();
    timer_ = loop_->RunAt(MonoNow(), [] {});
  }
  ~LoopUser() {
    loop_->Unwatch(watch_);
    loop_->Cancel(timer_);
    loop_->Post([] {});
    ++*ended_;
  }

 private:
  EpollLoop* const loop_;
  int* const ended_;
  const FdPair pipe_ = MakePipe().value();
  EpollLoop::WatchId watch_ = 0;
  EpollLoop::TimerId timer_ = 0;
};

TEST(EpollLoopStopTest, CallbacksAreDroppedWithWhatTheyHold) {
  auto loop = EpollLoop::Create().value();
  const FdPair pipe = MakePipe().value();
  int ended = 0;
  std::vector<UniqueFd> descriptors;
  for (int i = 0; i < 20; ++i) {
    const auto user = std::make_shared<LoopUser>(loop.get(), &ended);
    descriptors.push_back(pipe.first.Duplicate().value());
    ASSERT_TRUE(loop->Watch(descriptors.back().get(), EPOLLIN, [user](uint32_t) {}).ok());
    loop->Post([other = std::make_shared<LoopUser>(loop.get(), &ended)] {});
  }
  loop.reset();
  EXPECT_EQ(ended, 40);
}

TEST(EpollLoopStopTest, StopBeforeRun) {
  auto loop = EpollLoop::Create().value();
  loop->Stop();
  loop->Run();
}

}  // namespace
}  // namespace crisp
