#include "image/pull/registry_answer.h"

#include <gtest/gtest.h>

namespace crisp::image {
namespace {

TEST(RegistryAnswerTest, ErrorDetail) {
  EXPECT_EQ(ErrorDetail(R"({"errors":[{"code":"DENIED","message":"no\u001b[2J"},{"code":"B"}]})"),
            ": DENIED: no\\x1b[2J");
  EXPECT_EQ(ErrorDetail(R"({"errors":[{"code":"DENIED"}]})"), ": DENIED: ");
  for (const char* text : {"", "<html>", "{}", R"({"errors":[]})", R"({"errors":[1]})",
                           R"({"errors":[{"code":1}]})", R"({"errors":{"code":"A"}})"}) {
    EXPECT_EQ(ErrorDetail(text), "") << text;
  }
}

TEST(RegistryAnswerTest, Token) {
  EXPECT_EQ(*ParseTokenAnswer(R"({"token":"a.b","access_token":"c"})"), "a.b");
  EXPECT_EQ(*ParseTokenAnswer(R"({"token":"","access_token":"c"})"), "c");
  for (const char* text : {"", "[]", "{}", R"({"token":1})", R"({"token":"secret\r\nHost: x"})",
                           R"({"token":"se cret"})"}) {
    const Status status = ParseTokenAnswer(text).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << text;
    EXPECT_EQ(status.message().find("cret"), std::string::npos) << status.message();
  }
}

TEST(RegistryAnswerTest, RetryAfter) {
  constexpr time_t kNow = 1764000000;  // Mon, 24 Nov 2025 16:00:00 GMT
  EXPECT_EQ(ParseRetryAfter("120", kNow), std::chrono::seconds(120));
  EXPECT_EQ(ParseRetryAfter("999999999", kNow), std::chrono::seconds(999999999));
  EXPECT_EQ(ParseRetryAfter("Mon, 24 Nov 2025 16:01:00 GMT", kNow), std::chrono::seconds(60));
  EXPECT_EQ(ParseRetryAfter("Fri, 31 Dec 9999 23:59:59 GMT", kNow), std::chrono::hours(24));
  for (const char* text :
       {"", "0", "-1", "1.5", " 1", "9999999999", "Mon, 24 Nov 2025 15:59:59 GMT",
        "Mon, 24 Nov 2025 16:01:00 UTC", "Mon, 24 Nov 2025 16:01:00 GMT x"}) {
    EXPECT_EQ(ParseRetryAfter(text, kNow), Duration::zero()) << text;
  }
  EXPECT_EQ(ParseRetryAfter(std::string("Mon, 24 Nov 2025 16:01:00 GMT\0x", 31), kNow),
            Duration::zero());
}

}  // namespace
}  // namespace crisp::image
