#include "oci/json_object.h"

#include <algorithm>
#include <set>

namespace crisp::oci {

using nlohmann::json;

namespace {

constexpr int kDeepest = 64;  // the library writes by recursion

// What people know the types as.
std::string_view KindName(const json& value) {
  switch (value.type()) {
    case json::value_t::object:
      return "an object";
    case json::value_t::array:
      return "a list";
    case json::value_t::string:
      return "text";
    case json::value_t::boolean:
      return "a boolean";
    case json::value_t::null:
      return "null";
    default:
      return "a number";
  }
}

Result<std::string> TextOf(const json& value, const std::string& where) {
  if (!value.is_string()) {
    return InvalidArgument(where, ": found ", KindName(value), " where text is wanted");
  }
  auto text = value.get<std::string>();
  if (text.find('\0') != std::string::npos) return InvalidArgument(where, ": contains a NUL byte");
  return text;
}

}  // namespace

Result<json> ParseJson(const std::string& text) {
  std::vector<std::set<std::string>> open;  // keys of the objects around the present place
  std::string twice;
  bool deep = false;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    deep = deep || depth > kDeepest;
    if (event == json::parse_event_t::object_start) open.emplace_back();
    if (event == json::parse_event_t::object_end) open.pop_back();
    if (event == json::parse_event_t::key) {
      auto key = parsed.get<std::string>();
      if (!open.back().insert(key).second && twice.empty()) twice = std::move(key);
    }
    return true;
  };
  try {
    json out = json::parse(text, watch);
    if (deep) return InvalidArgument("nested more than ", kDeepest, " levels deep");
    if (!twice.empty()) return InvalidArgument("'", twice, "': this key is there twice");
    return out;
  } catch (const json::exception& e) {
    return InvalidArgument("not JSON: ", e.what());
  }
}

Result<JsonObject> JsonObject::Open(const json& value, std::string where,
                                    std::initializer_list<std::string_view> keys) {
  JsonObject out(value, std::move(where));
  if (!value.is_object()) {
    return InvalidArgument(out.where_, out.where_.empty() ? "" : ": ", "found ", KindName(value),
                           " where an object is wanted");
  }
  for (const auto& [key, unused] : value.items()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    std::string allowed;
    for (const std::string_view known : keys) allowed += Cat(allowed.empty() ? "" : ", ", known);
    return out.Wrong(key, "unknown key; allowed here: ", allowed);
  }
  return out;
}

const json* JsonObject::Find(std::string_view key) const {
  const auto at = value_->find(key);
  return at == value_->end() || at->is_null() ? nullptr : &*at;
}

std::string JsonObject::PathOf(std::string_view key) const {
  return where_.empty() ? std::string(key) : Cat(where_, '.', key);
}

Result<std::string> JsonObject::Text(std::string_view key) const {
  const json* value = Find(key);
  return value == nullptr ? Result<std::string>(std::string()) : TextOf(*value, PathOf(key));
}

Result<std::string> JsonObject::GetText(std::string_view key) const {
  std::string out = CRISP_TRY(Text(key));
  if (out.empty()) return Wrong(key, "is missing or empty");
  return out;
}

Result<std::string> JsonObject::GetAbsolutePath(std::string_view key) const {
  std::string path = CRISP_TRY(GetText(key));
  if (path.front() != '/') return Wrong(key, "'", path, "': allowed: an absolute path");
  return path;
}

Result<std::vector<std::string>> JsonObject::Assignments(std::string_view key) const {
  std::vector<std::string> out = CRISP_TRY(Texts(key));
  for (const std::string& entry : out) {
    if (const size_t equals = entry.find('='); equals == std::string::npos || equals == 0) {
      return Wrong(key, "'", entry, "': allowed: NAME=VALUE");
    }
  }
  return out;
}

Result<std::vector<std::string>> JsonObject::Texts(std::string_view key) const {
  std::vector<std::string> out;
  const json* list = Find(key);
  if (list == nullptr) return out;
  if (!list->is_array()) return Wrong(key, "found ", KindName(*list), " where a list is wanted");
  for (const json& item : *list) {
    out.push_back(CRISP_TRY(TextOf(item, Cat(PathOf(key), '[', out.size(), ']'))));
  }
  return out;
}

Result<std::map<std::string, std::string>> JsonObject::TextMap(std::string_view key) const {
  std::map<std::string, std::string> out;
  const json* map = Find(key);
  if (map == nullptr) return out;
  if (!map->is_object()) return Wrong(key, "found ", KindName(*map), " where an object is wanted");
  for (const auto& [name, value] : map->items()) {
    out[name] = CRISP_TRY(TextOf(value, Cat(PathOf(key), '.', name)));
  }
  return out;
}

Result<std::optional<int64_t>> JsonObject::Integer(std::string_view key, int64_t min,
                                                   int64_t max) const {
  const json* value = Find(key);
  if (value == nullptr) return std::optional<int64_t>();
  const bool fits = value->is_number_integer() &&
                    (!value->is_number_unsigned() || value->get<uint64_t>() <= INT64_MAX);
  const int64_t number = fits ? value->get<int64_t>() : 0;
  if (!fits || number < min || number > max) {
    return Wrong(key, value->is_number() ? value->dump() : std::string(KindName(*value)),
                 ": allowed: a whole number, ", min, " to ", max);
  }
  return std::optional(number);
}

Result<bool> JsonObject::Flag(std::string_view key) const {
  const json* value = Find(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) {
    return Wrong(key, "found ", KindName(*value), " where true or false is wanted");
  }
  return value->get<bool>();
}

Result<std::vector<JsonObject>> JsonObject::Objects(
    std::string_view key, std::initializer_list<std::string_view> keys) const {
  std::vector<JsonObject> out;
  const json* list = Find(key);
  if (list == nullptr) return out;
  if (!list->is_array()) return Wrong(key, "found ", KindName(*list), " where a list is wanted");
  for (const json& item : *list) {
    out.push_back(CRISP_TRY(Open(item, Cat(PathOf(key), '[', out.size(), ']'), keys)));
  }
  return out;
}

}  // namespace crisp::oci
