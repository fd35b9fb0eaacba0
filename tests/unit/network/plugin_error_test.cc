#include "network/plugin_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace crisp::network {
namespace {

using testing::HasSubstr;

RunOutput Failed(std::string out, std::string err = "", int code = 1, int signal = 0) {
  RunOutput output;
  output.status.code = code;
  output.status.signal = signal;
  output.stdout_data = std::move(out);
  output.stderr_data = std::move(err);
  return output;
}

TEST(PluginErrorTest, ReadsTheObject) {
  const auto failure = DescribeFailure(Failed(
      R"({"cniVersion": "1.0.0", "code": 11, "msg": "no addresses left", "details": "range a"})"));
  EXPECT_EQ(failure.cni_code, 11);
  EXPECT_EQ(failure.status.code(), Code::kUnavailable);
  EXPECT_EQ(failure.status.message(), "no addresses left; range a (CNI code 11)");
}

TEST(PluginErrorTest, FindsTheObjectBehindLogLines) {
  const auto failure =
      DescribeFailure(Failed("time={x} starting\n{\"code\": 7, \"msg\": \"bad\"}\n"));
  EXPECT_EQ(failure.cni_code, 7);
  EXPECT_EQ(failure.status.code(), Code::kFailedPrecondition);
}

TEST(PluginErrorTest, QuotesRubbishInOneLine) {
  const auto failure = DescribeFailure(Failed("panic:\n\x01\xff oops", "trace\n", 2));
  EXPECT_EQ(failure.cni_code, 0);
  EXPECT_EQ(failure.status.code(), Code::kInternal);
  EXPECT_EQ(failure.status.message(),
            "exited with 2 without a CNI error object; stderr: trace; stdout: panic: ?? oops");
}

TEST(PluginErrorTest, SilenceAndSignals) {
  EXPECT_EQ(DescribeFailure(Failed("")).status.message(),
            "exited with 1 without a CNI error object");
  EXPECT_EQ(DescribeFailure(Failed("", "", 137, 9)).status.message(),
            "was killed by signal 9 without a CNI error object");
}

TEST(PluginErrorTest, WrongTypesAndHugeTexts) {
  const auto odd = DescribeFailure(Failed(R"({"code": "7", "msg": 5})"));
  EXPECT_EQ(odd.cni_code, 0);
  EXPECT_EQ(odd.status.message(), "exited with 1");
  const auto huge = DescribeFailure(Failed(std::string(100000, 'x')));
  EXPECT_LT(huge.status.message().size(), 700u);
  EXPECT_THAT(DescribeFailure(Failed("[1, 2]")).status.message(), HasSubstr("stdout: [1, 2]"));
}

}  // namespace
}  // namespace crisp::network
