#include "server/streaming/tokens.h"

#include <gtest/gtest.h>

#include <set>

namespace crisp::streaming {
namespace {

runtime::v1::ExecRequest Exec(const std::string& id) {
  runtime::v1::ExecRequest out;
  out.set_container_id(id);
  return out;
}

class TokensTest : public ::testing::Test {
 protected:
  MonoTime now_ = MonoNow();
  TokenStore store_{3, std::chrono::minutes(1), [this] { return now_; }};
};

TEST_F(TokensTest, EightUrlSafeCharactersAndSingleUse) {
  const auto token = store_.Add(Exec("a"));
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->size(), 8u);
  EXPECT_EQ(
      token->find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
      std::string::npos);
  const auto request = store_.Take(Kind::kExec, *token);
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(std::get<runtime::v1::ExecRequest>(*request).container_id(), "a");
  EXPECT_FALSE(store_.Take(Kind::kExec, *token).has_value());
  EXPECT_FALSE(store_.Take(Kind::kExec, "AAAAAAAA").has_value());
}

TEST_F(TokensTest, WrongKindUsesItUp) {
  const auto token = store_.Add(Exec("a"));
  EXPECT_FALSE(store_.Take(Kind::kAttach, *token).has_value());
  EXPECT_FALSE(store_.Take(Kind::kExec, *token).has_value());
}

TEST_F(TokensTest, ExpireAfterAMinute) {
  const auto early = store_.Add(Exec("a"));
  now_ += std::chrono::seconds(59);
  const auto late = store_.Add(Exec("b"));
  now_ += std::chrono::milliseconds(999);
  EXPECT_EQ(store_.size(), 2u);
  now_ += std::chrono::milliseconds(1);
  EXPECT_FALSE(store_.Take(Kind::kExec, *early).has_value());
  EXPECT_TRUE(store_.Take(Kind::kExec, *late).has_value());
  EXPECT_EQ(store_.size(), 0u);
}

TEST_F(TokensTest, LimitedNumber) {
  std::set<std::string> tokens;
  for (int i = 0; i < 3; ++i) tokens.insert(store_.Add(Exec("a")).value());
  EXPECT_EQ(tokens.size(), 3u);
  EXPECT_EQ(store_.Add(Exec("a")).status().code(), Code::kResourceExhausted);
  EXPECT_TRUE(store_.Take(Kind::kExec, *tokens.begin()).has_value());
  EXPECT_TRUE(store_.Add(Exec("a")).ok());
  now_ += std::chrono::minutes(1);
  EXPECT_TRUE(store_.Add(Exec("a")).ok());
  EXPECT_EQ(store_.size(), 1u);
}

}  // namespace
}  // namespace crisp::streaming
