// What a plugin reads from its stdin.
//
// Contract: CNI spec section 3, "Deriving execution configuration from plugin configuration".
#ifndef CRISP_NETWORK_PLUGIN_REQUEST_H_
#define CRISP_NETWORK_PLUGIN_REQUEST_H_

#include <string>

#include "network/network_config.h"

namespace crisp::network {

// The plugin's own keys, `name` and `cniVersion` of the list, `runtimeConfig` with those members of
// `capability_arguments` (a JSON object) that the plugin declares, and `prev_result` (a JSON
// object, or empty). The key `capabilities` itself is not passed on, as the spec says.
std::string PluginRequest(const NetworkConfig& config, const PluginConfig& plugin,
                          const std::string& capability_arguments, const std::string& prev_result);

}  // namespace crisp::network

#endif  // CRISP_NETWORK_PLUGIN_REQUEST_H_
