#include "oci/base_spec.h"

#include <algorithm>
#include <array>

#include "oci/base_spec_json.h"
#include "oci/drop_in_files.h"
#include "oci/json_object.h"
#include "oci/mount_order.h"

namespace crisp::oci {
namespace {

using nlohmann::json;

// What the CRI or crisp alone decides.
constexpr std::array<const char*, 16> kDropped = {
    "/ociVersion",           "/hostname",
    "/domainname",           "/root",
    "/process/args",         "/process/commandLine",
    "/process/cwd",          "/process/user",
    "/process/terminal",     "/process/consoleSize",
    "/process/capabilities", "/process/apparmorProfile",
    "/process/selinuxLabel", "/process/noNewPrivileges",
    "/linux/seccomp",        "/linux/mountLabel"};
constexpr std::array<const char*, 6> kDroppedMore = {"/linux/namespaces",    "/linux/uidMappings",
                                                     "/linux/gidMappings",   "/linux/maskedPaths",
                                                     "/linux/readonlyPaths", "/linux/cgroupsPath"};

struct Shape {
  const char* path;
  bool is_list;  // else an object
};
constexpr std::array<Shape, 14> kShapes = {{{"/process", false},
                                            {"/process/env", true},
                                            {"/process/rlimits", true},
                                            {"/mounts", true},
                                            {"/annotations", false},
                                            {"/linux", false},
                                            {"/linux/devices", true},
                                            {"/linux/resources", false},
                                            {"/linux/resources/devices", true},
                                            {"/linux/sysctl", false},
                                            {"/hooks", false},
                                            {"/hooks/prestart", true},
                                            {"/hooks/poststart", true},
                                            {"/hooks/poststop", true}}};

// Lists whose entries are objects with this key.
struct Keyed {
  const char* path;
  const char* key;
};
constexpr std::array<Keyed, 3> kKeyed = {
    {{"/mounts", "destination"}, {"/linux/devices", "path"}, {"/process/rlimits", "type"}}};

void Erase(const char* path, json* document) {
  const json::json_pointer at(path);
  if (document->contains(at)) (*document)[at.parent_pointer()].erase(at.back());
}

Status CheckShapes(const json& document) {
  for (const Shape& shape : kShapes) {
    const json::json_pointer at(shape.path);
    if (!document.contains(at)) continue;
    const json& value = document.at(at);
    if (shape.is_list ? value.is_array() : value.is_object()) continue;
    return InvalidArgument(shape.path, ": allowed: ", shape.is_list ? "a list" : "an object");
  }
  for (const Keyed& keyed : kKeyed) {
    const json::json_pointer at(keyed.path);
    if (!document.contains(at)) continue;
    for (const json& entry : document.at(at)) {
      if (!entry.is_object() || !entry.contains(keyed.key) || !entry.at(keyed.key).is_string()) {
        return InvalidArgument(keyed.path, ": allowed: objects with the text '", keyed.key, "'");
      }
    }
  }
  const json::json_pointer env("/process/env");
  if (!document.contains(env)) return OkStatus();
  for (const json& entry : document.at(env)) {
    if (!entry.is_string() || entry.get<std::string>().find('=') == std::string::npos) {
      return InvalidArgument("/process/env: ", entry.dump(), ": allowed: NAME=VALUE");
    }
  }
  return OkStatus();
}

std::string NameOf(const json& entry, const char* key) {
  const auto at = entry.find(key);
  return at == entry.end() || !at->is_string() ? std::string() : at->get<std::string>();
}

// As each exec reads them back (spec.h, ProcessFromSpecJson).
Status CheckRlimits(const json& document) {
  const json::json_pointer limits("/process/rlimits");
  if (!document.contains(limits)) return OkStatus();
  for (const json& limit : document.at(limits)) {
    const auto is_number = [&limit](const char* key) {
      return limit.contains(key) && limit.at(key).is_number_unsigned();
    };
    if (!NameOf(limit, "type").starts_with("RLIMIT_") || !is_number("soft") || !is_number("hard")) {
      return InvalidArgument(limits.to_string(), ": allowed: RLIMIT_... with 'soft' and 'hard'");
    }
  }
  return OkStatus();
}

Status CheckHooksAndRules(const json& document) {
  const json::json_pointer hooks("/hooks");
  if (document.contains(hooks)) {
    for (const auto& [stage, list] : document.at(hooks).items()) {
      if (!list.is_array()) return InvalidArgument("/hooks/", stage, ": allowed: a list");
    }
  }
  const json::json_pointer rules("/linux/resources/devices");
  if (!document.contains(rules)) return OkStatus();
  for (const json& rule : document.at(rules)) {
    if (!rule.is_object() || !rule.contains("allow") || !rule.at("allow").is_boolean()) {
      return InvalidArgument(rules.to_string(), ": allowed: objects with 'allow'");
    }
  }
  return OkStatus();
}

// Entries of `base` whose key `own` does not have, behind those of `own`.
void JoinByKey(const json& base, const char* key, json* own) {
  for (const json& entry : base) {
    const std::string name = NameOf(entry, key);
    const bool there = std::any_of(own->begin(), own->end(), [&](const json& present) {
      return NameOf(present, key) == name;
    });
    if (!there) own->push_back(entry);
  }
}

std::string VariableOf(const json& entry) {
  const auto text = entry.get<std::string>();
  return text.substr(0, text.find('='));
}

void JoinEnvironment(const json& base, json* own) {
  for (const json& entry : base) {
    const std::string name = VariableOf(entry);
    const bool there = std::any_of(own->begin(), own->end(), [&name](const json& present) {
      return VariableOf(present) == name;
    });
    if (!there) own->push_back(entry);
  }
}

// True when the list at `path` was joined in a way of its own.
bool JoinList(const std::string& path, const json& base, json* own) {
  for (const Keyed& keyed : kKeyed) {
    if (path != keyed.path) continue;
    JoinByKey(base, keyed.key, own);
    if (path != "/mounts") return true;
    SortByDepth(&own->get_ref<json::array_t&>(),
                [](const json& mount) { return NameOf(mount, "destination"); });
    return true;
  }
  if (path == "/process/env") {
    JoinEnvironment(base, own);
    return true;
  }
  if (path.starts_with("/hooks/")) {
    own->insert(own->begin(), base.begin(), base.end());
    return true;
  }
  if (path == "/linux/resources/devices") {
    // Not the usual "deny all" in front, which crisp's own rules begin with.
    for (const json& rule : base) {
      if (rule.at("allow").get<bool>()) own->push_back(rule);
    }
    return true;
  }
  return false;
}

void MergeAt(const std::string& path, const json& base, json* own) {
  for (const auto& [key, value] : base.items()) {
    const std::string below = Cat(path, '/', key);
    if (!own->contains(key)) {
      (*own)[key] = value;
      continue;
    }
    json& mine = (*own)[key];
    if (mine.is_array() && value.is_array() && JoinList(below, value, &mine)) continue;
    if (mine.is_object() && value.is_object()) MergeAt(below, value, &mine);
  }
}

}  // namespace

void MergeBaseSpec(const json& base, json* spec) { MergeAt("", base, spec); }

Result<std::string> ParseBaseSpec(const std::string& text) {
  json document = CRISP_TRY(ParseJson(text));
  if (!document.is_object()) return InvalidArgument("allowed: a JSON object, an OCI spec");
  CRISP_RETURN_IF_ERROR(CheckShapes(document));
  CRISP_RETURN_IF_ERROR(CheckRlimits(document));
  CRISP_RETURN_IF_ERROR(CheckHooksAndRules(document));
  for (const char* path : kDropped) Erase(path, &document);
  for (const char* path : kDroppedMore) Erase(path, &document);
  return document.dump();
}

Result<std::string> ReadBaseSpec(const std::string& path) {
  return ParseBaseSpec(CRISP_TRY(ReadDropInFile(path).Wrap("base_spec"))).Wrap("base_spec ", path);
}

}  // namespace crisp::oci
