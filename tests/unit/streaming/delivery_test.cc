#include "server/streaming/delivery.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>

namespace crisp::streaming {
namespace {

class Recorder final : public Channels::Observer {
 public:
  size_t OnData(Channel channel, std::string_view data) override {
    log += Cat(static_cast<int>(channel), ':', data.size() > 20 ? "much" : data, ' ');
    const size_t taken = std::min(data.size(), takes);
    bytes += taken;
    if (on_data) on_data();
    return taken;
  }
  void OnInputEnd(Channel channel) override { log += Cat("end:", static_cast<int>(channel), ' '); }
  void OnClosed(const Status& why) override { log += Cat("closed:", why.message(), ' '); }
  std::string log;
  size_t bytes = 0;
  size_t takes = 1 << 20;  // at a time; who sets less pauses as well
  std::function<void()> on_data;
};

class DeliveryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    thread_ = IoThread::Start("test").value();
    budget_ = std::make_shared<HeldBudget>(
        Delivery::kHeld_bytes, [this](bool full) { full_ += full ? "full " : "room "; });
    delivery_ = std::make_shared<Delivery>(thread_->io(), budget_);
  }
  // On the thread, and everything that is posted by it.
  void Run(std::function<void()> work) {
    std::promise<void> done;
    Post(thread_->io(), [&] {
      work();
      Post(thread_->io(), [&] { done.set_value(); });
    });
    done.get_future().wait();
  }

  std::unique_ptr<IoThread> thread_;
  std::shared_ptr<HeldBudget> budget_;
  std::shared_ptr<Delivery> delivery_;
  Recorder recorder_;
  std::string full_;
};

TEST_F(DeliveryTest, HoldsUntilStartThenPasses) {
  Run([&] {
    delivery_->Data(Channel::kStdin, "a");
    delivery_->Data(Channel::kStdin, "b");
    delivery_->Data(Channel::kResize, "r");
    delivery_->End(Channel::kStdin);
    delivery_->End(Channel::kStdin);
    delivery_->Data(Channel::kStdin, "late");
    delivery_->Start(&recorder_);
    EXPECT_EQ(recorder_.log, "");
  });
  EXPECT_EQ(recorder_.log, "0:ab 4:r end:0 ");
  Run([&] {
    delivery_->Data(Channel::kResize, "s");
    EXPECT_EQ(recorder_.log, "0:ab 4:r end:0 4:s ");
    delivery_->Closed(Unavailable("gone"));
    delivery_->Data(Channel::kResize, "t");
  });
  EXPECT_EQ(recorder_.log, "0:ab 4:r end:0 4:s closed:gone ");
}

TEST_F(DeliveryTest, PausedIsBounded) {
  Run([&] {
    delivery_->Start(&recorder_);
    delivery_->Pause();
    const std::string block(32 << 10, 'x');
    for (size_t i = 0; i < Delivery::kHeld_bytes / block.size(); ++i) {
      EXPECT_EQ(full_, "");
      delivery_->Data(Channel::kStdin, block);
    }
    EXPECT_EQ(full_, "full ");
    delivery_->Resume();
  });
  EXPECT_EQ(full_, "full room ");
  EXPECT_EQ(recorder_.bytes, Delivery::kHeld_bytes);
}

TEST_F(DeliveryTest, SeveralShareABudget) {
  const auto other = std::make_shared<Delivery>(thread_->io(), budget_);
  Run([&] {
    delivery_->Data(Channel::kData, std::string(Delivery::kHeld_bytes / 2, 'x'));
    EXPECT_EQ(full_, "");
    other->Data(Channel::kData, std::string(Delivery::kHeld_bytes / 2, 'y'));
    EXPECT_EQ(full_, "full ") << "each holds half";
    delivery_->Data(Channel::kData, "z");
    other->Stop();
    EXPECT_EQ(full_, "full room ");
    delivery_->Start(&recorder_);
  });
  EXPECT_EQ(full_, "full room ");
  EXPECT_EQ(delivery_->held_bytes(), 0u);
  EXPECT_EQ(recorder_.bytes, Delivery::kHeld_bytes / 2 + 1);
}

// Of both what passes by and what was held.
TEST_F(DeliveryTest, WhatIsNotTakenComesAgain) {
  recorder_.takes = 2;
  recorder_.on_data = [&] { delivery_->Pause(); };
  Run([&] { delivery_->Start(&recorder_); });
  Run([&] {
    delivery_->Data(Channel::kStdin, "abcde");
    delivery_->End(Channel::kStdin);
  });
  EXPECT_EQ(recorder_.log, "0:abcde ");
  Run([&] { delivery_->Resume(); });
  EXPECT_EQ(recorder_.log, "0:abcde 0:cde ");
  EXPECT_GT(delivery_->held_bytes(), 0u);
  Run([&] { delivery_->Resume(); });
  EXPECT_EQ(recorder_.log, "0:abcde 0:cde 0:e ");
  Run([&] { delivery_->Resume(); });
  EXPECT_EQ(recorder_.log, "0:abcde 0:cde 0:e end:0 ");
  EXPECT_EQ(delivery_->held_bytes(), 0u);
}

TEST_F(DeliveryTest, StopWithinACallbackThatTakesLess) {
  recorder_.takes = 0;
  recorder_.on_data = [&] { delivery_->Stop(); };
  Run([&] {
    delivery_->Start(&recorder_);
    delivery_->Data(Channel::kStdin, "held");
  });
  EXPECT_EQ(recorder_.log, "0:held ");
  EXPECT_EQ(delivery_->held_bytes(), 0u);
}

// A byte of each of two channels in turns is a piece each.
TEST_F(DeliveryTest, SmallPiecesCountWithTheirCost) {
  size_t sent = 0;
  Run([&] {
    for (; full_.empty() && sent < Delivery::kHeld_bytes; ++sent) {
      delivery_->Data(sent % 2 == 0 ? Channel::kStdin : Channel::kResize, "x");
    }
  });
  EXPECT_LT(sent, Delivery::kHeld_bytes / 32);
}

TEST_F(DeliveryTest, ClosedReachesAPausedSession) {
  Run([&] {
    delivery_->Start(&recorder_);
    delivery_->Pause();
    delivery_->Data(Channel::kStdin, "unwanted");
    delivery_->Closed(Unavailable("gone"));
  });
  EXPECT_EQ(recorder_.log, "closed:gone ");
}

TEST_F(DeliveryTest, StopWithinACallback) {
  recorder_.on_data = [&] { delivery_->Stop(); };
  Run([&] {
    delivery_->Data(Channel::kStdin, "a");
    delivery_->Data(Channel::kResize, "b");
    delivery_->Start(&recorder_);
  });
  EXPECT_EQ(recorder_.log, "0:a ");
}

TEST_F(DeliveryTest, PauseWithinACallback) {
  recorder_.on_data = [&] { delivery_->Pause(); };
  Run([&] {
    delivery_->Data(Channel::kStdin, "a");
    delivery_->Data(Channel::kResize, "b");
    delivery_->Start(&recorder_);
  });
  EXPECT_EQ(recorder_.log, "0:a ");
  Run([&] { delivery_->Resume(); });
  EXPECT_EQ(recorder_.log, "0:a 4:b ");
}

}  // namespace
}  // namespace crisp::streaming
