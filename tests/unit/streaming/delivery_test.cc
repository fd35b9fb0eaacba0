#include "server/streaming/delivery.h"

#include <gtest/gtest.h>

#include <future>

namespace crisp::streaming {
namespace {

class Recorder final : public Channels::Observer {
 public:
  void OnData(Channel channel, std::string_view data) override {
    log += Cat(static_cast<int>(channel), ':', data.size() > 20 ? "much" : data, ' ');
    bytes += data.size();
    if (on_data) on_data();
  }
  void OnInputEnd(Channel channel) override { log += Cat("end:", static_cast<int>(channel), ' '); }
  void OnClosed(const Status& why) override { log += Cat("closed:", why.message(), ' '); }
  std::string log;
  size_t bytes = 0;
  std::function<void()> on_data;
};

class DeliveryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    thread_ = IoThread::Start("test").value();
    delivery_ = std::make_shared<Delivery>(
        thread_->io(), [this](bool full) { full_ += full ? "full " : "room "; });
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
