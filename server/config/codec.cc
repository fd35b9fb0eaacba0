#include "server/config/codec.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <optional>

namespace crisp::config {
namespace {

struct Unit {
  std::string_view suffix;
  int64_t factor;
};
constexpr std::array<Unit, 4> kSizeUnits = {
    {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}};
constexpr std::array<Unit, 4> kTimeUnits = {  // "ms" is looked for before "m" and "s"
    {{"ms", 1'000'000}, {"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000}}};

std::optional<int64_t> ParseInt(std::string_view text) {
  int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

// "<integer><unit>" in units of 1; empty when it is not that or does not fit.
template <size_t N>
std::optional<int64_t> ParseWithUnit(std::string_view text, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (!text.ends_with(unit.suffix)) continue;
    const auto number = ParseInt(text.substr(0, text.size() - unit.suffix.size()));
    if (!number || *number < 0) return std::nullopt;
    int64_t out = 0;
    if (__builtin_mul_overflow(*number, unit.factor, &out)) return std::nullopt;
    return out;
  }
  return std::nullopt;
}

// In the largest unit that divides it.
template <size_t N>
std::string PrintWithUnit(int64_t amount, const std::array<Unit, N>& units) {
  const Unit* best = nullptr;
  for (const Unit& unit : units) {
    if (amount % unit.factor != 0) continue;
    if (amount == 0 ? unit.factor == 1 || unit.suffix == "s"
                    : best == nullptr || unit.factor > best->factor) {
      best = &unit;
    }
  }
  return best ? Cat(amount / best->factor, best->suffix) : Cat(amount);
}

bool HasDotComponent(std::string_view path) {
  const std::string bracketed = Cat(path, '/');
  return bracketed.find("/./") != std::string::npos || bracketed.find("/../") != std::string::npos;
}

Codec<std::string> CheckedText(std::string type, std::string allowed,
                               std::function<bool(const std::string&)> check) {
  return {std::move(type),
          [allowed = std::move(allowed),
           check = std::move(check)](const Value& value) -> Result<std::string> {
            std::string text = CRISP_TRY(ScalarText(value));
            if (!check(text)) return InvalidArgument("'", text, "': allowed: ", allowed);
            return text;
          },
          [](const std::string& text) { return Value::String(text); }};
}

bool IsAbsolutePath(const std::string& text) {
  return text.starts_with('/') && text.find('\0') == std::string::npos;
}

bool IsAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  const auto port = ParseInt(std::string_view(text).substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) return false;
  std::string host = text.substr(0, colon);
  in6_addr address;
  if (host.starts_with('[') && host.ends_with(']')) {
    return ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1;
  }
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

}  // namespace

Result<std::string> ScalarText(const Value& value) {
  if (value.is_scalar()) return value.text;
  return InvalidArgument("found ", value.KindName(), " where a single value is wanted");
}

Codec<std::string> TextCodec(std::string type) {
  return CheckedText(std::move(type), "any text", [](const std::string&) { return true; });
}

Codec<std::string> AbsolutePathCodec() {
  return CheckedText("absolute path", "an absolute path", IsAbsolutePath);
}

Codec<std::string> PathOrWordCodec(const std::string& word) {
  return CheckedText(
      Cat(word, " | absolute path"), Cat(word, ", or an absolute path"),
      [word](const std::string& text) { return text == word || IsAbsolutePath(text); });
}

Codec<std::string> ProgramCodec() {
  return CheckedText("program", "an absolute path, or a name without '/' that is in PATH",
                     [](const std::string& text) {
                       return IsAbsolutePath(text) ||
                              (!text.empty() && text.find('/') == std::string::npos);
                     });
}

Codec<std::string> AddressCodec() {
  return CheckedText("IP address:port", "\"\" (off), IPv4:port or [IPv6]:port, e.g. 127.0.0.1:9090",
                     [](const std::string& text) { return text.empty() || IsAddress(text); });
}

Codec<std::string> CgroupPathCodec() {
  return CheckedText("cgroup path",
                     "an absolute cgroup path below the hierarchy's root, e.g. /crisp",
                     [](const std::string& text) {
                       return IsAbsolutePath(text) && text.size() > 1 && !HasDotComponent(text);
                     });
}

Codec<bool> BooleanCodec() {
  return {"true | false",
          [](const Value& value) -> Result<bool> {
            const std::string text = CRISP_TRY(ScalarText(value));
            if (text == "true") return true;
            if (text == "false") return false;
            return InvalidArgument("'", text, "': allowed: true | false");
          },
          [](const bool& value) { return Value::Bool(value); }};
}

Codec<int64_t> IntegerCodec(int64_t min, int64_t max) {
  const std::string type = Cat(min, "..", max);
  return {type,
          [=](const Value& value) -> Result<int64_t> {
            const std::string text = CRISP_TRY(ScalarText(value));
            const auto number = ParseInt(text);
            if (!number || *number < min || *number > max) {
              return InvalidArgument("'", text, "': allowed: a whole number, ", min, " to ", max);
            }
            return *number;
          },
          [](const int64_t& value) { return Value::Int(value); }};
}

Codec<int> FileModeCodec() {
  return {"octal mode",
          [](const Value& value) -> Result<int> {
            const std::string text = CRISP_TRY(ScalarText(value));
            int mode = 0;
            const auto [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), mode, 8);
            if (error != std::errc() || end != text.data() + text.size() || mode < 0600 ||
                mode > 0777) {
              return InvalidArgument("'", text, "': allowed: an octal mode, 0600 to 0777");
            }
            return mode;
          },
          [](const int& mode) {
            std::array<char, 16> text{};
            std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode));
            return Value::String(text.data());
          }};
}

Codec<int64_t> SizeCodec(int64_t min_bytes, int64_t max_bytes) {
  return {"size",
          [=](const Value& value) -> Result<int64_t> {
            const std::string text = CRISP_TRY(ScalarText(value));
            const auto bytes = ParseWithUnit(text, kSizeUnits);
            if (!bytes || *bytes < min_bytes || *bytes > max_bytes) {
              return InvalidArgument("'", text,
                                     "': allowed: a size with its unit (B, KiB, MiB, GiB), ",
                                     PrintWithUnit(min_bytes, kSizeUnits), " to ",
                                     PrintWithUnit(max_bytes, kSizeUnits));
            }
            return *bytes;
          },
          [](const int64_t& bytes) { return Value::String(PrintWithUnit(bytes, kSizeUnits)); }};
}

Codec<Duration> DurationCodec(Duration min, Duration max) {
  return {"duration",
          [=](const Value& value) -> Result<Duration> {
            const std::string text = CRISP_TRY(ScalarText(value));
            const auto ns = ParseWithUnit(text, kTimeUnits);
            if (!ns || Duration(*ns) < min || Duration(*ns) > max) {
              return InvalidArgument("'", text,
                                     "': allowed: a duration with its unit (ms, s, m, h), ",
                                     PrintWithUnit(min.count(), kTimeUnits), " to ",
                                     PrintWithUnit(max.count(), kTimeUnits));
            }
            return Duration(*ns);
          },
          [](const Duration& d) { return Value::String(PrintWithUnit(d.count(), kTimeUnits)); }};
}

Codec<std::vector<std::string>> ListCodec(const Codec<std::string>& item) {
  return {Cat("list of ", item.type),
          [item](const Value& value) -> Result<std::vector<std::string>> {
            if (value.kind != Value::Kind::kList) {
              return InvalidArgument("found ", value.KindName(), " where a list is wanted");
            }
            std::vector<std::string> out;
            for (const Value& entry : value.items) out.push_back(CRISP_TRY(item.parse(entry)));
            return out;
          },
          [item](const std::vector<std::string>& all) {
            Value out = Value::List();
            for (const std::string& text : all) out.items.push_back(item.print(text));
            return out;
          }};
}

Codec<std::map<std::string, std::string>> TextMapCodec() {
  return {"map of text",
          [](const Value& value) -> Result<std::map<std::string, std::string>> {
            if (value.kind != Value::Kind::kMap) {
              return InvalidArgument("found ", value.KindName(), " where a map is wanted");
            }
            std::map<std::string, std::string> out;
            for (const auto& [key, entry] : value.entries) {
              out[key] = CRISP_TRY(ScalarText(entry).Wrap(key));
            }
            return out;
          },
          [](const std::map<std::string, std::string>& all) {
            Value out = Value::Map();
            for (const auto& [key, text] : all) out.Add(key, Value::String(text));
            return out;
          }};
}

}  // namespace crisp::config
