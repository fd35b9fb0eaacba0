#include "network/network_config.h"

#include <nlohmann/json.hpp>

#include "network/cni_version.h"
#include "network/json_check.h"

namespace crisp::network {
namespace {

using nlohmann::json;

bool IsAlnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Spec section 1: the name begins with an alphanumeric character, followed by those and "_.-".
Status CheckName(const std::string& name) {
  bool good = !name.empty() && IsAlnum(name.front());
  for (char c : name) good = good && (IsAlnum(c) || c == '_' || c == '.' || c == '-');
  if (good) return OkStatus();
  return InvalidArgument(
      "name '", name, "': wanted letters, digits, '_', '.' and '-', the first a letter or digit");
}

Result<std::string> GetString(const json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end()) return InvalidArgument("key \"", key, "\" is missing");
  if (!it->is_string()) return InvalidArgument("key \"", key, "\" is not a string");
  return it->get<std::string>();
}

Result<std::string> GetVersion(const json& list) {
  std::vector<std::string> offered;
  if (list.contains("cniVersion")) offered.push_back(CRISP_TRY(GetString(list, "cniVersion")));
  if (const auto all = list.find("cniVersions"); all != list.end()) {
    if (!all->is_array()) return InvalidArgument("key \"cniVersions\" is not an array");
    for (const json& version : *all) {
      if (!version.is_string()) return InvalidArgument("\"cniVersions\" holds a non-string");
      offered.push_back(version.get<std::string>());
    }
  }
  return ChooseVersion(offered);
}

Result<PluginConfig> ParsePlugin(const json& object) {
  if (!object.is_object()) return InvalidArgument("is not an object");
  PluginConfig plugin;
  plugin.type = CRISP_TRY(GetString(object, "type"));
  // Spec section 1: the name of a file in the plugin directories, so no path.
  if (plugin.type.empty() || plugin.type == "." || plugin.type == ".." ||
      plugin.type.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
    return InvalidArgument("type '", plugin.type, "': wanted a program's name without a path");
  }
  if (const auto all = object.find("capabilities"); all != object.end()) {
    if (!all->is_object()) return InvalidArgument("key \"capabilities\" is not an object");
    for (const auto& [name, on] : all->items()) {
      if (!on.is_boolean())
        return InvalidArgument("capability \"", name, "\" is not true or false");
      if (on.get<bool>()) plugin.capabilities.push_back(name);
    }
  }
  plugin.json = object.dump(-1, ' ', false, json::error_handler_t::replace);
  return plugin;
}

// A single plugin's object as a list of one.
json ListOfOne(json single) {
  json list = {{"plugins", json::array()}};
  for (const char* key : {"name", "cniVersion", "cniVersions"}) {
    if (single.contains(key)) list[key] = single[key];
    single.erase(key);
  }
  list["plugins"].push_back(std::move(single));
  return list;
}

}  // namespace

Result<NetworkConfig> ParseNetworkConfig(std::string_view text, ConfigForm form) {
  CRISP_RETURN_IF_ERROR(CheckJsonObject(text));
  json list = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (form == ConfigForm::kSingle) {
    if (!list.contains("type") && list.contains("plugins")) {
      return InvalidArgument("is a list of plugins: name it *.conflist");
    }
    list = ListOfOne(std::move(list));
  }
  NetworkConfig config;
  config.name = CRISP_TRY(GetString(list, "name"));
  CRISP_RETURN_IF_ERROR(CheckName(config.name));
  config.cni_version = CRISP_TRY(GetVersion(list));
  const auto plugins = list.find("plugins");
  if (plugins == list.end() || !plugins->is_array() || plugins->empty()) {
    return InvalidArgument("key \"plugins\": wanted an array with at least one plugin");
  }
  for (size_t i = 0; i < plugins->size(); ++i) {
    config.plugins.push_back(CRISP_TRY(ParsePlugin((*plugins)[i]).Wrap("plugins[", i, "]")));
  }
  config.json = list.dump(-1, ' ', false, json::error_handler_t::replace);
  return config;
}

}  // namespace crisp::network
