#include "base/cpu_list.h"

#include <charconv>
#include <optional>

namespace crisp {

bool IsCpuList(std::string_view text) {
  const auto number = [&text]() -> std::optional<unsigned> {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    return value;
  };
  for (;;) {
    const auto low = number();
    if (!low) return false;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      const auto high = number();
      if (!high || *high < *low) return false;
    }
    if (text.empty()) return true;
    if (!text.starts_with(',')) return false;
    text.remove_prefix(1);
  }
}

}  // namespace crisp
