// Exec, Attach and PortForward: checks, codes, URLs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes.h"

namespace crisp::rpc {
namespace {

using ::testing::HasSubstr;

class StreamRpcsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    streaming::Options options;
    options.max_tokens = 3;
    auto opened = streaming::StreamingServer::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    streaming_ = std::move(*opened);
    rooms_.backend.streaming = streaming_.get();
    exec_.set_container_id("c");
    exec_.set_stdout(true);
    attach_.set_container_id("c");
    attach_.set_stdin(true);
    forward_.set_pod_sandbox_id("p");
  }
  Code Exec() { return AnswerExec(rooms_.backend, exec_, &exec_answer_).code(); }
  Code Attach() { return AnswerAttach(rooms_.backend, attach_, &attach_answer_).code(); }
  Code Forward() { return AnswerPortForward(rooms_.backend, forward_, &forward_answer_).code(); }

  FakeRooms rooms_;
  std::unique_ptr<streaming::StreamingServer> streaming_;
  v1::ExecRequest exec_;
  v1::AttachRequest attach_;
  v1::PortForwardRequest forward_;
  v1::ExecResponse exec_answer_;
  v1::AttachResponse attach_answer_;
  v1::PortForwardResponse forward_answer_;
};

TEST_F(StreamRpcsTest, Urls) {
  ASSERT_EQ(Exec(), Code::kOk);
  ASSERT_EQ(Attach(), Code::kOk);
  ASSERT_EQ(Forward(), Code::kOk);
  EXPECT_THAT(exec_answer_.url(), HasSubstr("http://127.0.0.1:"));
  EXPECT_THAT(exec_answer_.url(), HasSubstr("/exec/"));
  EXPECT_THAT(attach_answer_.url(), HasSubstr("/attach/"));
  EXPECT_THAT(forward_answer_.url(), HasSubstr("/portforward/"));
  EXPECT_EQ(Exec(), Code::kResourceExhausted);
}

TEST_F(StreamRpcsTest, WhatThePodsSay) {
  rooms_.pods.check = NotFound("container c");
  EXPECT_EQ(Exec(), Code::kNotFound);
  EXPECT_EQ(Attach(), Code::kNotFound);
  EXPECT_EQ(Forward(), Code::kNotFound);
}

TEST_F(StreamRpcsTest, Off) {
  rooms_.backend.streaming = nullptr;
  EXPECT_EQ(Exec(), Code::kFailedPrecondition);
  EXPECT_EQ(Attach(), Code::kFailedPrecondition);
  EXPECT_EQ(Forward(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace crisp::rpc
