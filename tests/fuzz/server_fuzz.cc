// The daemon's configuration and its metrics endpoint.
#include "fuzz.h"
#include "server/config/blockio_file.h"
#include "server/config/load.h"
#include "server/config/yaml_json.h"
#include "server/config/yaml_reader.h"
#include "server/metrics/http_endpoint.h"

namespace crisp::config {
namespace {

// YAML takes a key of at most 1024 characters (YAML 1.2 section 7.4.2), as it is written.
bool HasLongKey(const Value& value) {
  for (const auto& [key, child] : value.entries) {
    if (JsonQuote(key).size() > 1024 || HasLongKey(child)) return true;
  }
  for (const Value& child : value.items) {
    if (HasLongKey(child)) return true;
  }
  return false;
}

}  // namespace

CRISP_FUZZ(config) {
  const Result<Value> tree = ReadYaml(std::string(input), "fuzz.yaml");
  if (!tree.ok()) {
    CRISP_REQUIRE(tree.status().code() == Code::kInvalidArgument);
    return;
  }
  // What is printed is read as the same.
  if (!HasLongKey(*tree)) {
    const Result<Value> again = ReadYaml(ToYaml(*tree), "again.yaml");
    CRISP_REQUIRE(again.ok());
    CRISP_REQUIRE(ToJson(*again) == ToJson(*tree));
  }

  Surroundings surroundings;
  surroundings.path = "/nonexistent";
  surroundings.executable_dir = "/nonexistent";
  const Result<Config> config = FromValue(*tree, surroundings);
  if (!config.ok()) return;
  const Result<Config> config_again = FromValue(ToValue(*config), surroundings);
  CRISP_REQUIRE(config_again.ok());
  const Changes changes = Compare(*config, *config_again);
  CRISP_REQUIRE(changes.reloadable.empty() && changes.need_restart.empty());
}

CRISP_FUZZ(blockio) {
  const Result<BlockioClasses> classes = ParseBlockio(std::string(input), "fuzz.yaml");
  if (!classes.ok()) {
    CRISP_REQUIRE(classes.status().code() == Code::kInvalidArgument);
    return;
  }
  for (const auto& [name, rules] : *classes) {
    for (const BlockioRule& rule : rules) {
      CRISP_REQUIRE(!rule.weight || (*rule.weight >= 10 && *rule.weight <= 1000));
      for (const std::string& device : rule.devices) CRISP_REQUIRE(device.starts_with('/'));
      if (rule.devices.empty()) CRISP_REQUIRE(!rule.read_bps && !rule.write_iops);
    }
  }
}

// What comes out is JSON, whose flow style YAML has too, and it stays as it is.
CRISP_FUZZ(yaml_json) {
  const Result<std::string> json = YamlToJson(std::string(input), "fuzz.yaml");
  if (!json.ok()) {
    CRISP_REQUIRE(json.status().code() == Code::kInvalidArgument);
    return;
  }
  const Result<Value> tree = ReadYaml(std::string(input), "fuzz.yaml");
  if (!tree.ok() || HasLongKey(*tree)) return;
  const Result<std::string> again = YamlToJson(*json, "again.yaml");
  CRISP_REQUIRE(again.ok());
  CRISP_REQUIRE(*again == *json);
}

}  // namespace crisp::config

namespace crisp::metrics {

CRISP_FUZZ(metrics_request) {
  const std::string answer = HttpEndpoint::Respond(input, [] { return std::string("up 1\n"); });
  CRISP_REQUIRE(answer.starts_with("HTTP/1.1 "));
  CRISP_REQUIRE(answer.find("\r\n\r\n") != std::string::npos);
  if (answer.starts_with("HTTP/1.1 200")) CRISP_REQUIRE(input.find("/metrics") < input.size());
}

}  // namespace crisp::metrics
