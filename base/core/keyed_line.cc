#include "base/core/keyed_line.h"

#include <algorithm>

namespace crisp {

std::optional<std::string_view> KeyedLine(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(key)) return line.substr(key.size());
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

}  // namespace crisp
