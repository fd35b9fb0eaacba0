#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/cli/run_pod.h"

namespace crisp::cli {
namespace {

using ::testing::ElementsAre;

TEST(RunPodTest, PodConfig) {
  RunRequest request;
  request.image = "busybox";
  const auto config = MakePodConfig(request, "0123456789abcdef", "/logs");
  EXPECT_EQ(config.metadata().name(), "run-01234567");
  EXPECT_EQ(config.metadata().namespace_(), "crisp");
  EXPECT_EQ(config.metadata().uid(), "0123456789abcdef");
  EXPECT_EQ(config.hostname(), "run-01234567");
  EXPECT_EQ(config.log_directory(), "/logs");
  EXPECT_EQ(config.linux().security_context().namespace_options().network(), v1::POD);
  EXPECT_EQ(config.linux().security_context().namespace_options().pid(), v1::CONTAINER);

  request.pod_name = "web";
  request.host_network = true;
  const auto host = MakePodConfig(request, "0123456789abcdef", "/logs");
  EXPECT_EQ(host.metadata().name(), "web");
  EXPECT_EQ(host.hostname(), "");
  EXPECT_EQ(host.linux().security_context().namespace_options().network(), v1::NODE);
}

TEST(RunPodTest, ContainerConfig) {
  RunRequest request;
  request.image = "busybox";
  request.args = {"echo", "hi"};
  request.env = {{"A", "1"}};
  const auto config = MakeContainerConfig(request, "sha256:x");
  EXPECT_EQ(config.image().image(), "sha256:x");
  EXPECT_EQ(config.image().user_specified_image(), "busybox");
  EXPECT_THAT(config.args(), ElementsAre("echo", "hi"));
  EXPECT_EQ(config.command_size(), 0);
  EXPECT_EQ(config.envs(0).key(), "A");
  EXPECT_EQ(config.log_path(), "0.log");
}

TEST(RunPodTest, NobodyThere) {
  Client client("/nonexistent/crisp.sock");
  RunRequest request;
  request.image = "busybox";
  const Result<int> code = RunPod(&client, request);
  ASSERT_FALSE(code.ok());
  EXPECT_EQ(code.status().code(), Code::kUnavailable);
  EXPECT_THAT(code.status().message(), ::testing::HasSubstr("nobody serves /nonexistent"));
}

}  // namespace
}  // namespace crisp::cli
