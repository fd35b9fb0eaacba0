// The daemon's configuration, other files that it reads, credentials, its metrics endpoint, and
// what it tells of images.
#include "base/base64.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "image/image_config.h"
#include "image/json_text.h"
#include "image/registry/credentials.h"
#include "server/config/blockio_file.h"
#include "server/config/load.h"
#include "server/config/yaml_json.h"
#include "server/config/yaml_reader.h"
#include "server/metrics/http_endpoint.h"
#include "server/registries_d.h"
#include "server/rpc/image_message.h"
#include "server/rpc/pull_auth.h"

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

namespace crisp {

CRISP_FUZZ(registries_d) {
  std::map<std::string, image::Lookaside> sections;
  const Status added = AddRegistriesD(std::string(input), "fuzz.yaml", &sections);
  if (!added.ok()) {
    CRISP_REQUIRE(added.code() == Code::kInvalidArgument);
    CRISP_REQUIRE(added.message().starts_with("fuzz.yaml"));
    return;
  }
  for (const auto& [scope, section] : sections) {
    if (!section.url) continue;
    CRISP_REQUIRE(section.url->starts_with("https://") || section.url->starts_with("http://") ||
                  section.url->starts_with("file:///"));
  }
  // Each scope is in one file only.
  const bool none = sections.empty();
  CRISP_REQUIRE(AddRegistriesD(std::string(input), "again.yaml", &sections).ok() == none);
}

}  // namespace crisp

namespace crisp::rpc {

// A user, an address and what PullImage has as `auth`, a line each.
CRISP_FUZZ(pull_auth) {
  const fuzz::Parts first = fuzz::SplitLine(input);
  const fuzz::Parts second = fuzz::SplitLine(first.rest);
  ::runtime::v1::AuthConfig auth;
  auth.set_username(std::string(first.first));
  auth.set_server_address(std::string(second.first));
  auth.set_auth(std::string(second.rest));
  const std::string host = image::RegistryHostOf(auth.server_address());
  CRISP_REQUIRE(host.find('/') == std::string::npos && image::RegistryHostOf(host) == host);

  const Result<image::RegistryAuth> out = ToRegistryAuth(auth);
  if (!out.ok()) {
    CRISP_REQUIRE(out.status().code() == Code::kInvalidArgument && auth.username().empty());
    // The same whatever the credentials are.
    ::runtime::v1::AuthConfig other;
    other.set_auth("*");
    CRISP_REQUIRE(out.status().message() == ToRegistryAuth(other).status().message());
    return;
  }
  if (!auth.username().empty() || auth.auth().empty()) {
    CRISP_REQUIRE(out->username == auth.username() && out->password.empty());
    return;
  }
  CRISP_REQUIRE(out->username.find(':') == std::string::npos && !out->password.ends_with('\0'));
  CRISP_REQUIRE(out->username.size() + out->password.size() < auth.auth().size());
  auth.set_auth(EncodeBase64(Cat(out->username, ':', out->password)));
  const Result<image::RegistryAuth> again = ToRegistryAuth(auth);
  CRISP_REQUIRE(again.ok());
  CRISP_REQUIRE(again->username == out->username && again->password == out->password);
}

}  // namespace crisp::rpc

namespace crisp::metrics {

CRISP_FUZZ(metrics_request) {
  const std::string answer = HttpEndpoint::Respond(input, [] { return std::string("up 1\n"); });
  CRISP_REQUIRE(answer.starts_with("HTTP/1.1 "));
  CRISP_REQUIRE(answer.find("\r\n\r\n") != std::string::npos);
  if (answer.starts_with("HTTP/1.1 200")) CRISP_REQUIRE(input.find("/metrics") < input.size());
}

}  // namespace crisp::metrics

namespace crisp::rpc {

// The configuration of a stranger's image on its way into messages: the kubelet decides by `uid`
// and `username` whether a container would be root's.
CRISP_FUZZ(image_message) {
  const auto document = image::ParseConfig(input);
  if (!document.ok()) return;
  image::Image image;
  image.config = document->config;
  ::runtime::v1::Image message;
  FillImage(image, &message);
  const std::string user = image.config.user.substr(0, image.config.user.find(':'));
  CRISP_REQUIRE(IsUtf8(message.username()));
  CRISP_REQUIRE(message.has_uid() == (!user.empty() && message.username().empty()));
  if (message.has_uid()) {
    CRISP_REQUIRE(message.uid().value() >= 0);
    CRISP_REQUIRE(user.find_first_not_of("0123456789") == std::string::npos);
    CRISP_REQUIRE(message.uid().value() != 0 || user.find_first_not_of('0') == std::string::npos);
  }

  const auto info = image::ParseJson(ImageInfoJson(image), "info");
  CRISP_REQUIRE(info.ok());
  const image::Json& config = info->at("imageSpec").at("config");
  CRISP_REQUIRE(config.at("User") == SanitizeUtf8(image.config.user));
  CRISP_REQUIRE(config.at("Env").size() == image.config.env.size());
  CRISP_REQUIRE(config.at("Labels").size() <= image.config.labels.size());
  for (size_t i = 0; i < image.config.cmd.size(); ++i) {
    CRISP_REQUIRE(config.at("Cmd").at(i) == SanitizeUtf8(image.config.cmd[i]));
  }
}

}  // namespace crisp::rpc
