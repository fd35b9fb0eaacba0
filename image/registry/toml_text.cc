#include "image/registry/toml_text.h"

#define TOML_EXCEPTIONS 0
#define TOML_UNRELEASED_FEATURES 0
#include <toml++/toml.h>

#include <algorithm>

namespace crisp::image {
namespace {

TomlValue Convert(const toml::node& node, const std::string& file) {
  TomlValue out;
  out.file = file;
  out.line = static_cast<int>(node.source().begin.line);
  if (const auto* table = node.as_table()) {
    out.kind = TomlValue::Kind::kTable;
    for (const auto& [key, value] : *table) {
      out.entries.emplace_back(std::string(key.str()), Convert(value, file));
      out.entries.back().second.line = static_cast<int>(key.source().begin.line);
    }
    // The library sorts by key.
    std::stable_sort(out.entries.begin(), out.entries.end(),
                     [](const auto& a, const auto& b) { return a.second.line < b.second.line; });
  } else if (const auto* array = node.as_array()) {
    out.kind = TomlValue::Kind::kArray;
    for (const toml::node& item : *array) out.items.push_back(Convert(item, file));
  } else if (const auto* text = node.as_string()) {
    out.kind = TomlValue::Kind::kString;
    out.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    out.kind = TomlValue::Kind::kInteger;
    out.integer = integer->get();
  } else if (const auto* boolean = node.as_boolean()) {
    out.kind = TomlValue::Kind::kBoolean;
    out.boolean = boolean->get();
  } else {
    out.kind = TomlValue::Kind::kOther;
  }
  return out;
}

}  // namespace

const TomlValue* TomlValue::Find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::string_view TomlValue::KindName() const {
  switch (kind) {
    case Kind::kString:
      return "a string";
    case Kind::kInteger:
      return "an integer";
    case Kind::kBoolean:
      return "a boolean";
    case Kind::kOther:
      return "a float or a date";
    case Kind::kArray:
      return "an array";
    case Kind::kTable:
      return "a table";
  }
  return "something else";
}

Status TomlValue::WrongType(std::string_view key, std::string_view allowed) const {
  return InvalidArgument(file, ":", line, ": ", key, ": found ", KindName(),
                         "; allowed: ", allowed);
}

Result<TomlValue> ParseToml(std::string_view text, const std::string& file) {
  if (text.size() > kMaxTomlBytes) {
    return InvalidArgument(file, ": ", text.size(), " bytes; allowed: at most ", kMaxTomlBytes);
  }
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return InvalidArgument(file, ":", parsed.error().source().begin.line,
                           ": not TOML: ", parsed.error().description());
  }
  return Convert(parsed.table(), file);
}

Result<std::string> TomlString(const TomlValue& table, std::string_view key) {
  const TomlValue* value = table.Find(key);
  if (value == nullptr) return std::string();
  if (value->kind != TomlValue::Kind::kString) return value->WrongType(key, "a string");
  return value->text;
}

Result<bool> TomlBool(const TomlValue& table, std::string_view key, bool fallback) {
  const TomlValue* value = table.Find(key);
  if (value == nullptr) return fallback;
  if (value->kind != TomlValue::Kind::kBoolean) return value->WrongType(key, "true | false");
  return value->boolean;
}

Result<std::vector<std::string>> TomlStrings(const TomlValue& table, std::string_view key) {
  std::vector<std::string> out;
  const TomlValue* value = table.Find(key);
  if (value == nullptr) return out;
  if (value->kind == TomlValue::Kind::kString) return std::vector<std::string>{value->text};
  if (value->kind != TomlValue::Kind::kArray) return value->WrongType(key, "an array of strings");
  for (const TomlValue& item : value->items) {
    if (item.kind != TomlValue::Kind::kString) return item.WrongType(key, "an array of strings");
    out.push_back(item.text);
  }
  return out;
}

}  // namespace crisp::image
