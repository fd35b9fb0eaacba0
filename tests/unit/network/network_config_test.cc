#include "network/network_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network/cni_version.h"

namespace crisp::network {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(NetworkConfigTest, ReadsAList) {
  const auto config = ParseNetworkConfig(
      R"({"cniVersion": "1.0.0", "name": "pods", "plugins": [
           {"type": "bridge", "isGateway": true},
           {"type": "portmap", "capabilities": {"portMappings": true, "dns": false}}]})",
      ConfigForm::kList);
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->name, "pods");
  EXPECT_EQ(config->cni_version, "1.0.0");
  ASSERT_EQ(config->plugins.size(), 2u);
  EXPECT_EQ(config->plugins[0].type, "bridge");
  EXPECT_EQ(config->plugins[0].json, R"({"isGateway":true,"type":"bridge"})");
  EXPECT_THAT(config->plugins[1].capabilities, ElementsAre("portMappings"));
  const auto again = ParseNetworkConfig(config->json, ConfigForm::kList);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->json, config->json);
}

TEST(NetworkConfigTest, ASinglePluginIsAListOfOne) {
  const auto config = ParseNetworkConfig(
      R"({"cniVersion": "0.3.1", "name": "one", "type": "ptp", "mtu": 1400})", ConfigForm::kSingle);
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->json,
            R"({"cniVersion":"0.3.1","name":"one","plugins":[{"mtu":1400,"type":"ptp"}]})");
}

TEST(NetworkConfigTest, TheNewestOfferedVersionThatWeSpeakIsChosen) {
  const auto config = ParseNetworkConfig(
      R"({"cniVersion": "0.4.0", "cniVersions": ["0.3.1", "2.0.0", "1.0.0"], "name": "n",
          "plugins": [{"type": "x"}]})",
      ConfigForm::kList);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->cni_version, "1.0.0");
}

TEST(NetworkConfigTest, SaysWhatIsWrong) {
  struct Case {
    const char* text;
    ConfigForm form;
    const char* message;
  };
  const Case cases[] = {
      {"", ConfigForm::kList, "is empty"},
      {"[]", ConfigForm::kList, "not an object"},
      {"{\n \"name\": oops}", ConfigForm::kList, "line 2"},
      {R"({"cniVersion":"1.0.0","plugins":[{"type":"x"}]})", ConfigForm::kList,
       "\"name\" is missing"},
      {R"({"cniVersion":"1.0.0","name":"a b","plugins":[{"type":"x"}]})", ConfigForm::kList,
       "name 'a b'"},
      {R"({"name":"n","plugins":[{"type":"x"}]})", ConfigForm::kList, "cniVersion is missing"},
      {R"({"cniVersion":"0.2.0","name":"n","plugins":[{"type":"x"}]})", ConfigForm::kList,
       "0.2.0 is not supported: write one of 0.3.0"},
      {R"({"cniVersion":1,"name":"n","plugins":[{"type":"x"}]})", ConfigForm::kList,
       "not a string"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[]})", ConfigForm::kList,
       "at least one plugin"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[{}]})", ConfigForm::kList,
       "plugins[0]: key \"type\" is missing"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"../sh"}]})", ConfigForm::kList,
       "without a path"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"x"}]})", ConfigForm::kSingle,
       "*.conflist"},
      {R"({"cniVersion":"1.0.0","name":"n","type":"x","capabilities":{"dns":1}})",
       ConfigForm::kSingle, "not true or false"}};
  for (const Case& c : cases) {
    const auto config = ParseNetworkConfig(c.text, c.form);
    ASSERT_FALSE(config.ok()) << c.text;
    EXPECT_EQ(config.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(config.status().message(), HasSubstr(c.message)) << c.text;
  }
}

TEST(NetworkConfigTest, DeepNestingIsRefused) {
  std::string text = R"({"cniVersion":"1.0.0","name":"n","x":)" + std::string(5000, '[') +
                     std::string(5000, ']') + "}";
  const auto config = ParseNetworkConfig(text, ConfigForm::kList);
  EXPECT_THAT(config.status().message(), HasSubstr("deeper than 64"));
}

TEST(CniVersionTest, Order) {
  EXPECT_TRUE(IsAtLeast("1.1.0", "0.4.0"));
  EXPECT_TRUE(IsAtLeast("0.4.0", "0.4.0"));
  EXPECT_FALSE(IsAtLeast("0.3.1", "0.4.0"));
  EXPECT_FALSE(IsSupportedVersion("0.1.0"));
  EXPECT_FALSE(IsSupportedVersion(""));
}

}  // namespace
}  // namespace crisp::network
