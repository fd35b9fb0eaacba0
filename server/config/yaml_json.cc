#include "server/config/yaml_json.h"

#include <cctype>
#include <charconv>
#include <optional>

#include "server/config/value.h"
#include "server/config/yaml_reader.h"

namespace crisp::config {
namespace {

// A file of hundreds of devices is a large one.
constexpr int kMaxValues = 50000;

std::optional<std::string> InBase(std::string_view digits, bool negative, int base) {
  uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return Cat(negative && number != 0 ? "-" : "", number);
}

// The JSON of a whole number; empty: it is none.
std::optional<std::string> WholeNumber(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with("0x") || text.starts_with("0X")) return InBase(text.substr(2), negative, 16);
  if (text.starts_with("0o")) return InBase(text.substr(2), negative, 8);
  if (text.size() > 1 && text[0] == '0') return InBase(text.substr(1), negative, 8);
  return InBase(text, negative, 10);
}

bool IsDigit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// A fraction or an exponent, as JSON writes them (RFC 8259, 6).
bool IsJsonFloat(std::string_view text) {
  size_t at = text.starts_with('-') ? 1 : 0;
  const auto digits = [&text, &at] {
    const size_t begin = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    return at > begin;
  };
  const size_t first = at;
  if (!digits() || (text[first] == '0' && at - first > 1)) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (text == word) return true;
  }
  return false;
}

// Gives plain scalars their types.
void Resolve(Value* value) {
  for (Value& item : value->items) Resolve(&item);
  for (auto& [key, entry] : value->entries) Resolve(&entry);
  if (value->kind != Value::Kind::kString || !value->plain) return;
  const std::string& text = value->text;
  if (IsOneOf(text, {"true", "True", "TRUE"})) {
    *value = Value::Bool(true);
  } else if (IsOneOf(text, {"false", "False", "FALSE"})) {
    *value = Value::Bool(false);
  } else if (IsOneOf(text, {"null", "Null", "NULL", "~", ""})) {
    *value = Value();
  } else if (std::optional<std::string> number = WholeNumber(text)) {
    value->kind = Value::Kind::kLiteral;
    value->text = std::move(*number);
  } else if (IsJsonFloat(text)) {
    value->kind = Value::Kind::kLiteral;
  }
}

}  // namespace

Result<std::string> YamlToJson(const std::string& text, const std::string& file) {
  Value value = CRISP_TRY(ReadYaml(text, file, kMaxValues));
  Resolve(&value);
  return ToJson(value);
}

}  // namespace crisp::config
