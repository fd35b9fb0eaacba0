#include "tests/load/daemon_sample.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/process_stat.h"

namespace crisp::test {
namespace {

// "Key:   123 kB"
int64_t Field(const std::string& text, const std::string& key) {
  const size_t at = text.find(Cat("\n", key, ":"));
  if (at == std::string::npos) return 0;
  const size_t digit = text.find_first_of("0123456789", at);
  int64_t value = 0;
  if (digit != std::string::npos) {
    std::from_chars(text.data() + digit, text.data() + text.size(), value);
  }
  return value;
}

Result<int> CountEntries(const std::string& path) {
  const DirFd dir = CRISP_TRY(DirFd::Open(path));
  return static_cast<int>(CRISP_TRY(dir.List()).size());
}

// All processes whose parent is `parent`; their states.
Result<std::string> ChildStates(pid_t parent) {
  const DirFd proc = CRISP_TRY(DirFd::Open("/proc"));
  std::string states;
  for (const std::string& name : CRISP_TRY(proc.List())) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto stat = ReadProcessStat(std::atoi(name.c_str()));
    // Not ok: it has ended meanwhile.
    if (stat.ok() && stat->parent == parent) states.push_back(stat->state);
  }
  return states;
}

}  // namespace

Result<DaemonSample> DaemonSample::Take(pid_t daemon) {
  const std::string proc = Cat("/proc/", daemon);
  DaemonSample out;
  const std::string memory = CRISP_TRY(ReadFile(proc + "/smaps_rollup"));
  out.pss_kib = Field(memory, "Pss");
  out.rss_kib = Field(memory, "Rss");
  out.descriptors = CRISP_TRY(CountEntries(proc + "/fd"));
  out.threads = CRISP_TRY(CountEntries(proc + "/task"));
  const std::string states = CRISP_TRY(ChildStates(daemon));
  out.children = static_cast<int>(states.size());
  out.zombies = static_cast<int>(std::count(states.begin(), states.end(), 'Z'));
  return out;
}

std::string DaemonSample::Header() {
  return "   PSS KiB    RSS KiB  fds  threads  children  zombies";
}

std::string DaemonSample::Row() const {
  std::array<char, 128> text{};
  std::snprintf(text.data(), text.size(), "%10lld %10lld %4d %8d %9d %8d",
                static_cast<long long>(pss_kib), static_cast<long long>(rss_kib), descriptors,
                threads, children, zombies);
  return text.data();
}

}  // namespace crisp::test
