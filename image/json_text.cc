#include "image/json_text.h"

namespace crisp::image {
namespace {

// Nesting is looked at before the parser runs: its values are destroyed recursively.
Status CheckDepth(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxJsonDepth) {
        return InvalidArgument("JSON is nested deeper than ", kMaxJsonDepth, " levels");
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return OkStatus();
}

Status WrongType(const char* key, std::string_view wanted) {
  return InvalidArgument("member \"", key, "\" must be ", wanted);
}

}  // namespace

Result<Json> ParseJson(std::string_view text, std::string_view what, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return InvalidArgument(what, ": ", text.size(), " bytes; at most ", max_bytes, " are allowed");
  }
  CRISP_RETURN_IF_ERROR(CheckDepth(text).Wrap(what));
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && text[first] == '<') {
      return InvalidArgument(what, ": not JSON but HTML or XML");
    }
    return InvalidArgument(what, ": not valid JSON");
  }
  return json;
}

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json* FindMember(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

Result<std::string> StringMember(const Json& object, const char* key) {
  const Json* member = FindMember(object, key);
  if (member == nullptr) return std::string();
  if (!member->is_string()) return WrongType(key, "a string");
  return member->get<std::string>();
}

Result<int64_t> IntMember(const Json& object, const char* key) {
  const Json* member = FindMember(object, key);
  if (member == nullptr) return int64_t{0};
  if (member->is_number_unsigned() && member->get<uint64_t>() > INT64_MAX) {
    return WrongType(key, "an integer below 2^63");
  }
  if (!member->is_number_integer()) return WrongType(key, "an integer");
  return member->get<int64_t>();
}

Result<bool> BoolMember(const Json& object, const char* key) {
  const Json* member = FindMember(object, key);
  if (member == nullptr) return false;
  if (!member->is_boolean()) return WrongType(key, "true or false");
  return member->get<bool>();
}

Result<std::vector<std::string>> StringsMember(const Json& object, const char* key) {
  const Json* member = FindMember(object, key);
  std::vector<std::string> out;
  if (member == nullptr) return out;
  if (!member->is_array()) return WrongType(key, "an array of strings");
  for (const Json& item : *member) {
    if (!item.is_string()) return WrongType(key, "an array of strings");
    out.push_back(item.get<std::string>());
  }
  return out;
}

Result<std::map<std::string, std::string>> StringMapMember(const Json& object, const char* key) {
  const Json* member = FindMember(object, key);
  std::map<std::string, std::string> out;
  if (member == nullptr) return out;
  if (!member->is_object()) return WrongType(key, "an object of strings");
  for (const auto& [name, value] : member->items()) {
    if (!value.is_string()) return WrongType(key, "an object of strings");
    out.emplace(name, value.get<std::string>());
  }
  return out;
}

}  // namespace crisp::image
