// TomlValue: a TOML document with the line of every value, tables in the order of the file.
//
// What:    ParseToml is the only user of the TOML library. Order matters: hosts.toml is tried in
// the
//          order in which it is written. The readers below turn wrong types into messages that name
//          file, line and key.
// Contract: TOML 1.0. Dates, times and floats are legal but nobody here wants one.
// Threads: plain values.
// Errors:  kInvalidArgument "file:line: key: found ...; allowed: ..."; nothing throws.
#ifndef CRISP_IMAGE_REGISTRY_TOML_TEXT_H_
#define CRISP_IMAGE_REGISTRY_TOML_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"

namespace crisp::image {

inline constexpr size_t kMaxTomlBytes = 4u << 20;

struct TomlValue {
  enum class Kind { kString, kInteger, kBoolean, kOther, kArray, kTable };

  Kind kind = Kind::kTable;
  std::string text;
  int64_t integer = 0;
  bool boolean = false;
  std::vector<TomlValue> items;                            // kArray
  std::vector<std::pair<std::string, TomlValue>> entries;  // kTable
  std::string file;
  int line = 0;  // 1-based

  // Out of line: a pair of a type that is being defined (clang 14 asks for it too early).
  TomlValue();
  TomlValue(const TomlValue&);
  TomlValue(TomlValue&&) noexcept;
  TomlValue& operator=(const TomlValue&);
  TomlValue& operator=(TomlValue&&) noexcept;
  ~TomlValue();

  // nullptr: not a table, or without the key.
  const TomlValue* Find(std::string_view key) const;
  std::string_view KindName() const;
  // "file:line: key: found a string; allowed: ...".
  Status WrongType(std::string_view key, std::string_view allowed) const;
};

// `file` is for messages. The result is a table.
Result<TomlValue> ParseToml(std::string_view text, const std::string& file);

// Optional keys of a table: the fallback when it is absent.
Result<std::string> TomlString(const TomlValue& table, std::string_view key);
Result<bool> TomlBool(const TomlValue& table, std::string_view key, bool fallback);
// A string counts as a list of one.
Result<std::vector<std::string>> TomlStrings(const TomlValue& table, std::string_view key);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_REGISTRY_TOML_TEXT_H_
