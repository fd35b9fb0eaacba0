#include "oci/runtime_json.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace crisp::oci {

using nlohmann::json;

Result<RuntimeState> ParseRuntimeState(const std::string& text) {
  try {
    const json document = json::parse(text);
    RuntimeState out;
    out.status = document.at("status").get<std::string>();
    // A number that wraps around would be another process, or a group of them.
    if (const auto pid = document.find("pid"); pid != document.end()) {
      if (!pid->is_number_integer() || *pid < 0 || *pid > std::numeric_limits<pid_t>::max()) {
        return DataLoss("state printed by the runtime: pid ", pid->dump(), " is no process id");
      }
      out.pid = pid->get<pid_t>();
    }
    return out;
  } catch (const json::exception& e) {
    return DataLoss("state printed by the runtime: ", e.what());
  }
}

Result<FeaturesDocument> ParseFeatures(const std::string& text) {
  try {
    const json document = json::parse(text);
    FeaturesDocument out;
    out.mount_options = document.value("mountOptions", std::vector<std::string>());
    const json::json_pointer idmap("/linux/mountExtensions/idmap/enabled");
    if (document.contains(idmap) && document.at(idmap).is_boolean()) {
      out.idmap = document.at(idmap).get<bool>();
    }
    const json::json_pointer net_devices("/linux/netDevices/enabled");
    if (document.contains(net_devices) && document.at(net_devices).is_boolean()) {
      out.net_devices = document.at(net_devices).get<bool>();
    }
    const json::json_pointer namespaces("/linux/namespaces");
    if (document.contains(namespaces) && document.at(namespaces).is_array()) {
      const json& names = document.at(namespaces);
      out.user_namespaces = std::find(names.begin(), names.end(), "user") != names.end();
    }
    return out;
  } catch (const json::exception& e) {
    return DataLoss("features printed by the runtime: ", e.what());
  }
}

LogEntry ParseLogEntry(std::string_view line) {
  const json document = json::parse(line, nullptr, /*allow_exceptions=*/false);
  LogEntry out;
  if (!document.is_object()) return out;
  if (const auto at = document.find("msg"); at != document.end() && at->is_string()) {
    out.message = at->get<std::string>();
  }
  if (const auto at = document.find("level"); at != document.end() && at->is_string()) {
    out.level = at->get<std::string>();
  }
  return out;
}

}  // namespace crisp::oci
