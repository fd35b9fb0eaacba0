#include "base/cgroup_text.h"

#include <algorithm>
#include <charconv>

#include "base/core/file.h"

namespace crisp {

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
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    if (const auto value = ParseCgroupNumber(line.substr(space + 1))) {
      out[std::string(line.substr(0, space))] = *value;
    }
  }
  return out;
}

}  // namespace crisp
