// NetworkConfig: one parsed CNI network configuration.
//
// Contract: CNI spec section 1 (network configuration format). A single plugin's configuration
//           (*.conf) becomes a list of one. Plugins are kept as JSON text, every key of theirs
//           unaltered.
// Errors:   kInvalidArgument says which key is wrong and what would be right.
#ifndef CRISP_NETWORK_NETWORK_CONFIG_H_
#define CRISP_NETWORK_NETWORK_CONFIG_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp::network {

struct PluginConfig {
  std::string type;
  std::vector<std::string> capabilities;  // those that are true
  std::string json;                       // the object of the plugins array
};

struct NetworkConfig {
  std::string name;
  std::string cni_version;  // the one that is spoken with the plugins
  std::vector<PluginConfig> plugins;
  std::string json;  // the list form; ParseNetworkConfig(json, kList) gives an equal object
};

enum class ConfigForm { kList, kSingle };

Result<NetworkConfig> ParseNetworkConfig(std::string_view text, ConfigForm form);

}  // namespace crisp::network

#endif  // CRISP_NETWORK_NETWORK_CONFIG_H_
