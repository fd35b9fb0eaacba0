// Value: a configuration tree on its way between YAML text and Config, with where it came from.
//
// What:    scalars, lists and maps (in file order); every value knows its file and line. It is also
//          what `crisp config show` and Status' verbose information are printed from.
// Threads: plain values.
// Units:   line is 1-based; 0 for a value that was not read from a file.
#ifndef CRISP_SERVER_CONFIG_VALUE_H_
#define CRISP_SERVER_CONFIG_VALUE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace crisp::config {

struct Value {
  enum class Kind { kNull, kString, kLiteral, kList, kMap };  // kLiteral: a number or a boolean

  Kind kind = Kind::kNull;
  std::string text;                                    // kString, kLiteral
  std::vector<Value> items;                            // kList
  std::vector<std::pair<std::string, Value>> entries;  // kMap
  std::string file;
  int line = 0;
  // A scalar that was written without quotes and tag, so that YAML lets it be a number or boolean.
  bool plain = false;

  // Out of line: a pair of a type that is being defined (clang 14 asks for it too early).
  Value();
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();

  static Value String(std::string_view text);
  static Value Bool(bool value);
  static Value Int(int64_t value);
  static Value List();
  static Value Map();

  bool is_scalar() const { return kind == Kind::kString || kind == Kind::kLiteral; }
  // "text", "a list", ...: for error messages.
  std::string_view KindName() const;
  const Value* Find(std::string_view key) const;
  // The entry `key` of a map, made when it is missing.
  Value& At(std::string_view key);
  Value& Add(std::string_view key, Value value);
  // "file:line"; empty when unknown.
  std::string Where() const;
};

// Lays `over` upon `base`: maps merge entry by entry, everything else is replaced. A null in `over`
// takes the entry away, so that the built-in default holds again.
void Merge(Value* base, Value over);

// Block style. Every scalar that YAML could take for something else is quoted.
std::string ToYaml(const Value& value, int indent = 0);
std::string ToJson(const Value& value, bool pretty = false);
// The scalar as YAML writes it.
std::string YamlScalar(const Value& value);
// A C1 control character (U+0080 to U+009F), which terminals obey as they obey ESC, at the front.
bool IsC1Control(std::string_view text);
// With the quotes; control characters are escaped; invalid UTF-8 must have been replaced before.
std::string JsonQuote(std::string_view text);

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_VALUE_H_
