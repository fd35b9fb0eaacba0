#include "server/rpc/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cri-api/api.pb.h"

namespace crisp::rpc {
namespace {

namespace v1 = ::runtime::v1;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(RedactTest, CredentialsNeverShow) {
  v1::PullImageRequest request;
  request.mutable_image()->set_image("busybox");
  request.mutable_auth()->set_username("USER-SECRET");
  request.mutable_auth()->set_password("PASS-SECRET");
  request.mutable_auth()->set_registry_token("TOKEN-SECRET");
  const std::string text = DescribeRequest(request);
  EXPECT_THAT(text, HasSubstr("busybox"));
  EXPECT_THAT(text, Not(HasSubstr("SECRET")));
  EXPECT_EQ(request.auth().password(), "PASS-SECRET");  // a copy was redacted
}

TEST(RedactTest, EnvironmentAnnotationsAndCommands) {
  v1::CreateContainerRequest create;
  auto* env = create.mutable_config()->add_envs();
  env->set_key("DB");
  env->set_value("VALUE-SECRET");
  (*create.mutable_config()->mutable_annotations())["a"] = "NOTE-SECRET";
  (*create.mutable_sandbox_config()->mutable_annotations())["a"] = "NOTE-SECRET";
  const std::string text = DescribeRequest(create);
  EXPECT_THAT(text, HasSubstr("DB"));
  EXPECT_THAT(text, Not(HasSubstr("SECRET")));

  v1::ExecSyncRequest exec;
  exec.set_container_id("c");
  exec.add_cmd("mysql");
  exec.add_cmd("-pSECRET");
  EXPECT_THAT(DescribeRequest(exec), HasSubstr("mysql"));
  EXPECT_THAT(DescribeRequest(exec), Not(HasSubstr("SECRET")));
}

}  // namespace
}  // namespace crisp::rpc
