#include "network/plugin_request.h"

#include <gtest/gtest.h>

namespace crisp::network {
namespace {

NetworkConfig Config() {
  return ParseNetworkConfig(
             R"({"cniVersion": "1.0.0", "name": "pods", "plugins": [
                  {"type": "bridge", "ipam": {"type": "host-local"}, "name": "own"},
                  {"type": "portmap",
                   "capabilities": {"portMappings": true, "dns": false, "bandwidth": true}}]})",
             ConfigForm::kList)
      .value();
}

TEST(PluginRequestTest, FirstPluginHasNoPrevResultAndNoCapabilities) {
  const NetworkConfig config = Config();
  EXPECT_EQ(PluginRequest(config, config.plugins[0], R"({"portMappings":[1]})", ""),
            R"({"cniVersion":"1.0.0","ipam":{"type":"host-local"},"name":"pods","type":"bridge"})");
}

TEST(PluginRequestTest, OnlyDeclaredCapabilitiesArePassed) {
  const NetworkConfig config = Config();
  EXPECT_EQ(
      PluginRequest(config, config.plugins[1], R"({"dns":{},"portMappings":[1]})", R"({"a":1})"),
      R"({"cniVersion":"1.0.0","name":"pods","prevResult":{"a":1},)"
      R"("runtimeConfig":{"portMappings":[1]},"type":"portmap"})");
}

}  // namespace
}  // namespace crisp::network
