#include "server/config/value.h"

#include <algorithm>

#include "base/core/result.h"

namespace crisp::config {
namespace {

bool IsPlainCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '/' || c == '.' || c == '-' || c == '<' || c == '>';
}

// Words that YAML 1.1 or 1.2 gives another meaning.
bool IsReservedWord(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  static constexpr std::string_view kWords[] = {"true", "false", "yes", "no",   "on",  "off",
                                                "null", "y",     "n",   ".inf", ".nan"};
  return std::find(std::begin(kWords), std::end(kWords), lower) != std::end(kWords);
}

bool IsPlain(std::string_view text) {
  if (text.empty() || IsReservedWord(text)) return false;
  const char first = text.front();
  if (first == '-' || first == '.' || first == '<' || first == '>') return false;
  if (text.find_first_not_of("0123456789.eExXabcdefABCDEF_") == std::string_view::npos &&
      first >= '0' && first <= '9') {
    return false;  // would be read as a number
  }
  return std::all_of(text.begin(), text.end(), IsPlainCharacter);
}

std::string KeyText(const std::string& key) { return IsPlain(key) ? key : JsonQuote(key); }

void AppendJson(const Value& value, bool pretty, int indent, std::string* out) {
  const auto newline = [&](int level) {
    if (pretty) out->append("\n").append(static_cast<size_t>(level) * 2, ' ');
  };
  switch (value.kind) {
    case Value::Kind::kNull:
      out->append("null");
      return;
    case Value::Kind::kString:
      out->append(JsonQuote(value.text));
      return;
    case Value::Kind::kLiteral:
      out->append(value.text);
      return;
    case Value::Kind::kList: {
      out->push_back('[');
      bool first = true;
      for (const Value& item : value.items) {
        if (!std::exchange(first, false)) out->push_back(',');
        newline(indent + 1);
        AppendJson(item, pretty, indent + 1, out);
      }
      if (!first) newline(indent);
      out->push_back(']');
      return;
    }
    case Value::Kind::kMap: {
      out->push_back('{');
      bool first = true;
      for (const auto& [key, entry] : value.entries) {
        if (!std::exchange(first, false)) out->push_back(',');
        newline(indent + 1);
        out->append(JsonQuote(key)).append(pretty ? ": " : ":");
        AppendJson(entry, pretty, indent + 1, out);
      }
      if (!first) newline(indent);
      out->push_back('}');
      return;
    }
  }
}

}  // namespace

Value::Value() = default;
Value::Value(const Value&) = default;
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(const Value&) = default;
Value& Value::operator=(Value&&) noexcept = default;
Value::~Value() = default;

Value Value::String(std::string_view text) {
  Value out;
  out.kind = Kind::kString;
  out.text = text;
  return out;
}
Value Value::Bool(bool value) {
  Value out;
  out.kind = Kind::kLiteral;
  out.text = value ? "true" : "false";
  return out;
}
Value Value::Int(int64_t value) {
  Value out;
  out.kind = Kind::kLiteral;
  out.text = std::to_string(value);
  return out;
}
Value Value::List() {
  Value out;
  out.kind = Kind::kList;
  return out;
}
Value Value::Map() {
  Value out;
  out.kind = Kind::kMap;
  return out;
}

std::string_view Value::KindName() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kString:
    case Kind::kLiteral:
      return "a single value";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return "";
}

const Value* Value::Find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name == key) return &value;
  }
  return nullptr;
}

Value& Value::At(std::string_view key) {
  for (auto& [name, value] : entries) {
    if (name == key) return value;
  }
  return entries.emplace_back(std::string(key), Value()).second;
}

Value& Value::Add(std::string_view key, Value value) {
  kind = Kind::kMap;
  Value& slot = At(key);
  slot = std::move(value);
  return slot;
}

std::string Value::Where() const {
  if (file.empty()) return {};
  return line > 0 ? Cat(file, ':', line) : file;
}

void Merge(Value* base, Value over) {
  if (base->kind != Value::Kind::kMap || over.kind != Value::Kind::kMap) {
    *base = std::move(over);
    return;
  }
  for (auto& [key, value] : over.entries) {
    if (value.kind == Value::Kind::kNull) {
      std::erase_if(base->entries,
                    [&name = key](const auto& entry) { return entry.first == name; });
    } else if (base->Find(key) == nullptr) {
      base->entries.emplace_back(key, std::move(value));
    } else {
      Merge(&base->At(key), std::move(value));
    }
  }
}

std::string YamlScalar(const Value& value) {
  if (value.kind == Value::Kind::kLiteral || IsPlain(value.text)) return value.text;
  return JsonQuote(value.text);  // a JSON string is a YAML double-quoted scalar
}

std::string ToYaml(const Value& value, int indent) {
  const std::string pad(static_cast<size_t>(indent) * 2, ' ');
  std::string out;
  const auto append = [&](const Value& child) {
    if (child.is_scalar()) {
      out += Cat(' ', YamlScalar(child), '\n');
    } else if (child.kind == Value::Kind::kMap && child.entries.empty()) {
      out += " {}\n";
    } else if (child.kind == Value::Kind::kList && child.items.empty()) {
      out += " []\n";
    } else if (child.kind == Value::Kind::kNull) {
      out += " null\n";
    } else {
      out += Cat('\n', ToYaml(child, indent + 1));
    }
  };
  for (const auto& [key, child] : value.entries) {
    out += Cat(pad, KeyText(key), ':');
    append(child);
  }
  for (const Value& child : value.items) {
    out += Cat(pad, '-');
    append(child);
  }
  return out;
}

std::string ToJson(const Value& value, bool pretty) {
  std::string out;
  AppendJson(value, pretty, 0, &out);
  return out;
}

bool IsC1Control(std::string_view text) {
  return text.size() > 1 && text[0] == '\xC2' && static_cast<unsigned char>(text[1]) >= 0x80 &&
         static_cast<unsigned char>(text[1]) < 0xA0;
}

std::string JsonQuote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (IsC1Control(text.substr(i))) {
      const auto low = static_cast<unsigned char>(text[++i]);
      out += {'\\', 'u', '0', '0', kHex[low >> 4], kHex[low & 15]};
    } else if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

}  // namespace crisp::config
