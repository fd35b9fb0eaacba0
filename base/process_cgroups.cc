#include "base/process_cgroups.h"

#include <algorithm>

#include "base/core/file.h"

namespace crisp {
namespace {

constexpr size_t kLimit_bytes = 64u << 10;  // a dozen lines, each with one path

}  // namespace

bool ProcessCgroup::Has(std::string_view controller) const {
  return Cat(',', controllers, ',').find(Cat(',', controller, ',')) != std::string::npos;
}

std::vector<ProcessCgroup> ParseProcessCgroups(std::string_view text) {
  std::vector<ProcessCgroup> out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view path = line.substr(second + 1);
    if (!path.starts_with('/')) continue;
    out.push_back({std::string(line.substr(first + 1, second - first - 1)), std::string(path)});
  }
  return out;
}

Result<std::vector<ProcessCgroup>> ReadProcessCgroups(pid_t pid) {
  const std::string text = CRISP_TRY(ReadFile(Cat("/proc/", pid, "/cgroup"), kLimit_bytes));
  return ParseProcessCgroups(text);
}

}  // namespace crisp
