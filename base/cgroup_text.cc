#include "base/cgroup_text.h"

#include <charconv>
#include <cmath>

#include "base/core/file.h"
#include "base/core/keyed_line.h"

namespace crisp {
namespace {

std::optional<double> ParseShare(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  return value;
}

// "avg10=0.12 avg60=0.34 avg300=0.56 total=789"
std::optional<PressureLine> ParsePressureLine(std::string_view text) {
  std::optional<double> avg10, avg60, avg300;
  std::optional<uint64_t> total;
  while (!text.empty()) {
    std::string_view value = TakeUntil(' ', &text);
    const std::string_view key = TakeUntil('=', &value);
    if (key == "avg10") avg10 = ParseShare(value);
    if (key == "avg60") avg60 = ParseShare(value);
    if (key == "avg300") avg300 = ParseShare(value);
    if (key == "total") total = ParseCgroupNumber(value);
  }
  if (!avg10 || !avg60 || !avg300 || !total) return std::nullopt;
  return PressureLine{*avg10, *avg60, *avg300, *total};
}

}  // namespace

std::optional<uint64_t> ParseCgroupNumber(std::string_view text) {
  uint64_t value = 0;
  text = Trim(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unordered_map<std::string, uint64_t> ParseFlatKeyed(std::string_view text) {
  std::unordered_map<std::string, uint64_t> out;
  while (!text.empty()) {
    const std::string_view line = TakeUntil('\n', &text);
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    if (const auto value = ParseCgroupNumber(line.substr(space + 1))) {
      out[std::string(line.substr(0, space))] = *value;
    }
  }
  return out;
}

Pressure ParsePressure(std::string_view text) {
  Pressure out;
  while (!text.empty()) {
    std::string_view line = TakeUntil('\n', &text);
    const std::string_view kind = TakeUntil(' ', &line);
    if (kind == "some") out.some = ParsePressureLine(line);
    if (kind == "full") out.full = ParsePressureLine(line);
  }
  return out;
}

}  // namespace crisp
