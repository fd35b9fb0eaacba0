// What is remembered of a try; what a try does needs a machine (userns_test of integration).
#include "pod/userns_probe.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <future>

#include "tests/support/patience.h"

namespace crisp::pod {
namespace {

class UserNamespacesTest : public ::testing::Test {
 protected:
  void TearDown() override { lane_.Shutdown(); }
  Status Try() {
    ++tries_;
    switch (answer_) {
      case Code::kOk:
        return OkStatus();
      case Code::kResourceExhausted:
        return ErrnoStatus(ENOSPC, "make directory /root/userns-probe");
      case Code::kDeadlineExceeded:
        return DeadlineExceeded("crisp-init did not make namespaces in time");
      default:
        return FailedPrecondition("overlayfs does not map the ids of its layers");
    }
  }

  Telemetry telemetry_;
  Lane lane_{"work", 1, 100, &telemetry_};
  std::atomic<int> tries_{0};
  std::atomic<Code> answer_{Code::kOk};
  UserNamespaces known_{[this] { return Try(); }, &lane_};
};

TEST_F(UserNamespacesTest, WhatTheMachineSaysIsRemembered) {
  for (const Code code : {Code::kOk, Code::kFailedPrecondition}) {
    answer_ = code;
    known_.Probe();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(known_.Check().code(), code);
  }
  lane_.Shutdown();  // when it has done what it has
  EXPECT_EQ(tries_, 2);
}

TEST_F(UserNamespacesTest, AFullDiskAndALateAnswerAreNot) {
  for (const Code code : {Code::kResourceExhausted, Code::kDeadlineExceeded}) {
    answer_ = code;
    known_.Probe();
    EXPECT_EQ(known_.Check().code(), code);
    answer_ = Code::kOk;
    EXPECT_TRUE(test::Eventually([this] { return known_.Check().ok(); }));
  }
  const int tries = tries_;
  EXPECT_TRUE(known_.Check().ok());
  answer_ = Code::kFailedPrecondition;
  known_.Probe();
  EXPECT_EQ(known_.Check().code(), Code::kFailedPrecondition);
  EXPECT_EQ(tries_, tries + 1);
}

// Whoever asks meanwhile is answered at once.
TEST_F(UserNamespacesTest, OneTryWaitsAtATime) {
  answer_ = Code::kResourceExhausted;
  known_.Probe();
  std::promise<void> go;
  ASSERT_TRUE(lane_.Submit([ready = go.get_future().share()] { ready.wait(); }).ok());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(known_.Check().code(), Code::kResourceExhausted);
  EXPECT_EQ(tries_, 1);
  answer_ = Code::kOk;
  go.set_value();
  EXPECT_TRUE(test::Eventually([this] { return known_.Check().ok(); }));
  EXPECT_EQ(tries_, 2);
}

}  // namespace
}  // namespace crisp::pod
