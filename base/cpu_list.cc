#include "base/cpu_list.h"

#include <algorithm>
#include <charconv>

namespace crisp {

std::optional<std::vector<CpuRange>> ParseCpuList(std::string_view text) {
  const auto number = [&text](uint32_t* value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    return true;
  };
  std::vector<CpuRange> out;
  for (;;) {
    CpuRange range;
    if (!number(&range.first)) return std::nullopt;
    range.last = range.first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      if (!number(&range.last) || range.last < range.first) return std::nullopt;
    }
    out.push_back(range);
    if (text.empty()) return out;
    if (!text.starts_with(',')) return std::nullopt;
    text.remove_prefix(1);
  }
}

bool IsCpuList(std::string_view text) { return ParseCpuList(text).has_value(); }

std::optional<uint32_t> FirstMissingCpu(const std::vector<CpuRange>& wanted,
                                        const std::vector<CpuRange>& here) {
  for (const CpuRange& range : wanted) {
    for (uint64_t at = range.first; at <= range.last;) {
      const auto holds = [&at](const CpuRange& r) { return r.first <= at && at <= r.last; };
      const auto found = std::find_if(here.begin(), here.end(), holds);
      if (found == here.end()) return static_cast<uint32_t>(at);
      at = uint64_t{found->last} + 1;
    }
  }
  return std::nullopt;
}

}  // namespace crisp
