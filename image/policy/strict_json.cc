#include "image/policy/strict_json.h"

#include <algorithm>
#include <set>
#include <vector>

namespace crisp::image {

Result<Json> ParseStrictJson(std::string_view text, std::string_view what, size_t max_bytes) {
  const Json checked = CRISP_TRY(ParseJson(text, what, max_bytes));
  if (!checked.is_object()) return InvalidArgument(what, ": must be a JSON object");
  std::vector<std::set<std::string>> open;
  std::string twice;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open.back().insert(key).second) twice = key;
    }
    return true;
  };
  Json json = Json::parse(text, watch, /*allow_exceptions=*/false);
  if (!twice.empty()) return InvalidArgument(what, ": member \"", twice, "\" is there twice");
  return json;
}

std::string AllowedText(std::initializer_list<std::string_view> allowed) {
  std::string out;
  size_t left = allowed.size();
  for (const std::string_view one : allowed) {
    out += one;
    if (--left > 0) out += left == 1 ? " or " : ", ";
  }
  return out;
}

Status CheckKeys(const Json& json, std::initializer_list<std::string_view> allowed) {
  if (!json.is_object()) return InvalidArgument("must be an object");
  for (const auto& [key, unused] : json.items()) {
    if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) {
      return InvalidArgument("unknown member \"", key.substr(0, 255),
                             "\"; allowed: ", AllowedText(allowed));
    }
  }
  return OkStatus();
}

Result<std::string> RequiredString(const Json& object, const char* key) {
  if (FindMember(object, key) == nullptr) {
    return InvalidArgument("member \"", key, "\" is missing");
  }
  std::string out = CRISP_TRY(StringMember(object, key));
  if (out.empty()) return InvalidArgument("member \"", key, "\" is empty");
  return out;
}

}  // namespace crisp::image
