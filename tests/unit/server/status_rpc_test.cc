#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes.h"
#include "server/config/yaml_reader.h"

namespace crisp::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(VersionRpcTest, IsWhatTheKubeletWants) {
  v1::VersionResponse response;
  ASSERT_TRUE(AnswerVersion(&response).ok());
  EXPECT_EQ(response.version(), "0.1.0");
  EXPECT_EQ(response.runtime_name(), "crisp");
  EXPECT_EQ(response.runtime_version(), CRISP_VERSION);
  EXPECT_EQ(response.runtime_api_version(), "v1");
}

TEST(StatusRpcTest, ReadyConditionsHaveNoReason) {
  FakeRooms rooms;
  v1::StatusResponse response;
  ASSERT_TRUE(AnswerStatus(rooms.backend, v1::StatusRequest(), &response).ok());
  ASSERT_EQ(response.status().conditions_size(), 2);
  EXPECT_EQ(response.status().conditions(0).type(), "RuntimeReady");
  EXPECT_TRUE(response.status().conditions(0).status());
  EXPECT_EQ(response.status().conditions(1).type(), "NetworkReady");
  EXPECT_TRUE(response.status().conditions(1).status());
  EXPECT_EQ(response.status().conditions(1).reason(), "");
  EXPECT_TRUE(response.features().supplemental_groups_policy());
  EXPECT_TRUE(response.features().mount_options());
  EXPECT_EQ(response.info_size(), 0);
}

TEST(StatusRpcTest, NetworkThatIsNotReadySaysWhy) {
  FakeRooms rooms;
  rooms.network.ready = {false, "NetworkPluginNotReady", "no file in /etc/cni/net.d\xFF", "", ""};
  v1::StatusRequest request;
  request.set_verbose(true);
  v1::StatusResponse response;
  ASSERT_TRUE(AnswerStatus(rooms.backend, request, &response).ok());
  EXPECT_FALSE(response.status().conditions(1).status());
  EXPECT_EQ(response.status().conditions(1).reason(), "NetworkPluginNotReady");
  EXPECT_EQ(response.status().conditions(1).message(), "no file in /etc/cni/net.d\xEF\xBF\xBD");
  EXPECT_THAT(response.info().at("lastCNILoadStatus"), HasSubstr("no file"));
  EXPECT_FALSE(response.info().contains("cniconfig"));
}

TEST(StatusRpcTest, HandlersIncludeTheUnnamedDefault) {
  FakeRooms rooms;
  v1::StatusResponse response;
  ASSERT_TRUE(AnswerStatus(rooms.backend, v1::StatusRequest(), &response).ok());
  std::vector<std::string> names;
  for (const auto& handler : response.runtime_handlers()) names.push_back(handler.name());
  EXPECT_THAT(names, ElementsAre("", "crun", "runc"));
  EXPECT_EQ(response.runtime_handlers(0).features().recursive_read_only_mounts(),
            response.runtime_handlers(1).features().recursive_read_only_mounts());
  EXPECT_FALSE(response.runtime_handlers(2).features().recursive_read_only_mounts());
  EXPECT_FALSE(response.runtime_handlers(1).features().user_namespaces());
  EXPECT_FALSE(response.features().user_namespaces_host_network());
}

TEST(StatusRpcTest, UserNamespacesAreThePodRoomsToSay) {
  FakeRooms rooms;
  rooms.pods.user_namespaces = OkStatus();
  v1::StatusResponse response;
  ASSERT_TRUE(AnswerStatus(rooms.backend, v1::StatusRequest(), &response).ok());
  for (const auto& handler : response.runtime_handlers()) {
    EXPECT_TRUE(handler.features().user_namespaces()) << handler.name();
  }
  EXPECT_TRUE(response.features().user_namespaces_host_network());
}

TEST(StatusRpcTest, VerboseInfoIsCompleteJson) {
  FakeRooms rooms;
  v1::StatusRequest request;
  request.set_verbose(true);
  v1::StatusResponse response;
  ASSERT_TRUE(AnswerStatus(rooms.backend, request, &response).ok());
  const std::string& json = response.info().at("config");
  ASSERT_TRUE(json.starts_with('{'));
  const Result<config::Value> read = config::ReadYaml(json, "json");  // JSON is YAML
  ASSERT_TRUE(read.ok()) << json;
  ASSERT_NE(read->Find("stateDir"), nullptr);
  EXPECT_EQ(read->Find("stateDir")->text, "/run/crisp");
  ASSERT_NE(read->Find("runtimes"), nullptr);
  EXPECT_EQ(read->Find("runtimes")->Find("crun")->Find("path")->text, "/usr/bin/crun");
  EXPECT_EQ(response.info().at("cniconfig"), "{\"name\":\"x\"}");
  EXPECT_EQ(response.info().at("lastCNILoadStatus"), "OK");
}

TEST(StatusRpcTest, VerboseInfoNamesWhatIsLeftOut) {
  FakeRooms rooms;
  v1::StatusRequest request;
  request.set_verbose(true);
  std::vector<std::string> problems;
  rooms.backend.left_out = [&problems] { return problems; };
  v1::StatusResponse response;
  ASSERT_TRUE(AnswerStatus(rooms.backend, request, &response).ok());
  EXPECT_EQ(response.info().at("leftOut"), "none");
  problems = {"/etc/cdi/a.json: not JSON", "/b\xFF: x"};
  v1::StatusResponse second;
  ASSERT_TRUE(AnswerStatus(rooms.backend, request, &second).ok());
  EXPECT_EQ(second.info().at("leftOut"), "/etc/cdi/a.json: not JSON; /b\xEF\xBF\xBD: x");
}

TEST(RuntimeConfigRpcTest, DriverFollowsConfiguration) {
  FakeRooms rooms;
  v1::RuntimeConfigResponse response;
  ASSERT_TRUE(AnswerRuntimeConfig(rooms.backend, &response).ok());
  EXPECT_EQ(response.linux().cgroup_driver(), v1::CGROUPFS);
  config::Config systemd = *rooms.config.Get();
  systemd.cgroup_driver = config::CgroupDriver::kSystemd;
  rooms.config.Set(systemd);
  ASSERT_TRUE(AnswerRuntimeConfig(rooms.backend, &response).ok());
  EXPECT_EQ(response.linux().cgroup_driver(), v1::SYSTEMD);
}

class UpdateRuntimeConfigTest : public ::testing::Test {
 protected:
  Status Update(const std::string& cidr) {
    v1::UpdateRuntimeConfigRequest request;
    request.mutable_runtime_config()->mutable_network_config()->set_pod_cidr(cidr);
    return AnswerUpdateRuntimeConfig(rooms_.backend, request);
  }
  FakeRooms rooms_;
};

TEST_F(UpdateRuntimeConfigTest, ValidRangesReachTheNetwork) {
  EXPECT_TRUE(Update("10.1.0.0/24").ok());
  EXPECT_THAT(rooms_.network.cidrs, ElementsAre("10.1.0.0/24"));
  EXPECT_TRUE(Update("10.1.0.0/24, fd00::/64").ok());
  EXPECT_THAT(rooms_.network.cidrs, ElementsAre("10.1.0.0/24", "fd00::/64"));
  EXPECT_TRUE(Update("").ok());
  EXPECT_THAT(rooms_.network.cidrs, IsEmpty());
  EXPECT_TRUE(AnswerUpdateRuntimeConfig(rooms_.backend, {}).ok());
}

TEST_F(UpdateRuntimeConfigTest, NonsenseIsRefused) {
  for (const char* cidr :
       {"10.1.0.0", "10.1.0.0/33", "x/24", "10.0.0.0/8,", "10.0.0.0/8,10.1.0.0/16", "fd00::/129",
        "10.0.0.0/8,fd00::/64,fd01::/64", "10.0.0.0/8x"}) {
    EXPECT_EQ(Update(cidr).code(), Code::kInvalidArgument) << cidr;
  }
  EXPECT_THAT(rooms_.network.cidrs, IsEmpty());
}

}  // namespace
}  // namespace crisp::rpc
