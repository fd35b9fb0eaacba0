#include "oci/runtime_json.h"

#include <nlohmann/json.hpp>

namespace crisp::oci {

using nlohmann::json;

Result<RuntimeState> ParseRuntimeState(const std::string& text) {
  try {
    const json document = json::parse(text);
    return RuntimeState{document.at("status").get<std::string>(),
                        document.value("pid", static_cast<pid_t>(0))};
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
