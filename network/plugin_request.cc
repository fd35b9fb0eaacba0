#include "network/plugin_request.h"

#include <nlohmann/json.hpp>

namespace crisp::network {

using nlohmann::json;

std::string PluginRequest(const NetworkConfig& config, const PluginConfig& plugin,
                          const std::string& capability_arguments, const std::string& prev_result) {
  // All three texts were checked when they came in; a discarded value cannot occur.
  json request = json::parse(plugin.json, nullptr, /*allow_exceptions=*/false);
  const json arguments = json::parse(capability_arguments, nullptr, false);
  request["name"] = config.name;
  request["cniVersion"] = config.cni_version;
  request.erase("capabilities");
  request.erase("runtimeConfig");
  for (const std::string& capability : plugin.capabilities) {
    const auto it = arguments.find(capability);
    if (it != arguments.end()) request["runtimeConfig"][capability] = *it;
  }
  request.erase("prevResult");
  if (!prev_result.empty()) request["prevResult"] = json::parse(prev_result, nullptr, false);
  return request.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace crisp::network
