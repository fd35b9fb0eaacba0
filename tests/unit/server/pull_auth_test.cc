#include "server/rpc/pull_auth.h"

#include <gtest/gtest.h>

namespace crisp::rpc {
namespace {

TEST(PullAuthTest, FieldsAreTaken) {
  ::runtime::v1::AuthConfig auth;
  auth.set_username("u");
  auth.set_password("p");
  auth.set_identity_token("i");
  auth.set_registry_token("r");
  auth.set_server_address("s");
  const auto out = ToRegistryAuth(auth);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->username, "u");
  EXPECT_EQ(out->password, "p");
  EXPECT_EQ(out->identity_token, "i");
  EXPECT_EQ(out->registry_token, "r");
  EXPECT_EQ(out->server_address, "s");
}

TEST(PullAuthTest, EncodedPairIsDecoded) {
  ::runtime::v1::AuthConfig auth;
  auth.set_auth("dXNlcjpwYTpzcw==");  // user:pa:ss
  auto out = ToRegistryAuth(auth);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->username, "user");
  EXPECT_EQ(out->password, "pa:ss");
  auth.set_auth("dXNlcjpwYXNzAAA=");  // user:pass and two NUL bytes
  out = ToRegistryAuth(auth);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->password, "pass");
}

TEST(PullAuthTest, NonsenseIsRefusedWithoutShowingIt) {
  for (const char* text : {"not base64!", "dXNlcg=="}) {  // the second has no colon
    ::runtime::v1::AuthConfig auth;
    auth.set_auth(text);
    const auto out = ToRegistryAuth(auth);
    ASSERT_FALSE(out.ok());
    EXPECT_EQ(out.status().code(), Code::kInvalidArgument);
    EXPECT_EQ(out.status().message().find(text), std::string::npos);
  }
}

}  // namespace
}  // namespace crisp::rpc
