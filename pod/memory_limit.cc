#include "pod/memory_limit.h"

#include <unistd.h>

#include <charconv>

#include "base/core/file.h"
#include "pod/container_stats.h"

namespace crisp::pod {

// memparse() of the kernel: a number, and a letter for a power of 1024.
std::optional<uint64_t> ParseMemoryLimit(std::string_view text) {
  constexpr std::string_view kUnits = "kmgtpe";
  uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (!text.empty()) {
    const size_t unit = kUnits.find(static_cast<char>(text.front() | 0x20));
    if (text.size() > 1 || unit == std::string_view::npos) return std::nullopt;
    const size_t shift = 10 * (unit + 1);
    if (bytes > (UINT64_MAX >> shift)) return std::nullopt;
    bytes <<= shift;
  }
  return bytes - bytes % static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

Status CheckMemoryMax(const CgroupDir& group, std::string_view limit) {
  const auto wanted = ParseMemoryLimit(limit);
  if (!wanted) return OkStatus();
  const auto text = group.ReadFile("memory", "memory.max");
  const auto now = text.ok() ? ParseMemoryLimit(Trim(*text)) : std::nullopt;
  if (now && *now <= *wanted) return OkStatus();
  const auto used = WorkingSetBytes(group, true);
  if (!used || *used < *wanted) return OkStatus();
  return FailedPrecondition(*wanted, " is not more than the ", *used, " bytes that are in use");
}

}  // namespace crisp::pod
