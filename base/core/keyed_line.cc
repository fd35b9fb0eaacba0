#include "base/core/keyed_line.h"

#include <algorithm>

namespace crisp {

std::string_view TakeUntil(char separator, std::string_view* text) {
  const std::string_view out = text->substr(0, text->find(separator));
  text->remove_prefix(std::min(out.size() + 1, text->size()));
  return out;
}

std::optional<std::string_view> KeyedLine(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = TakeUntil('\n', &text);
    if (line.starts_with(key)) return line.substr(key.size());
  }
  return std::nullopt;
}

}  // namespace crisp
