#include "base/core/pid_text.h"

#include <algorithm>
#include <charconv>

#include "base/core/file.h"
#include "base/core/keyed_line.h"

namespace crisp {
namespace {

std::optional<pid_t> ParsePid(std::string_view word) {
  pid_t pid = 0;
  const char* const end = word.data() + word.size();
  const auto parsed = std::from_chars(word.data(), end, pid);
  if (parsed.ec != std::errc() || parsed.ptr != end || pid <= 0) return std::nullopt;
  return pid;
}

}  // namespace

std::optional<pid_t> ParsePidFile(std::string_view text) {
  const std::optional<pid_t> pid = ParsePid(Trim(text));
  return pid && *pid > 1 ? pid : std::nullopt;
}

std::vector<pid_t> ParsePids(std::string_view text) {
  constexpr std::string_view kBetween = " \t\n";
  std::vector<pid_t> out;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(kBetween), text.size()));
    if (text.empty()) return out;
    const std::string_view word = text.substr(0, text.find_first_of(kBetween));
    if (const auto pid = ParsePid(word)) out.push_back(*pid);
    text.remove_prefix(word.size());
  }
}

bool IsFirstOfItsNamespace(std::string_view status) {
  const auto pids = KeyedLine(status, "NSpid:");
  return pids && pids->ends_with("\t1");
}

}  // namespace crisp
