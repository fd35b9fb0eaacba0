#include "oci/host_facts.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string_view>

#include "base/core/file.h"
#include "oci/capabilities.h"

namespace crisp::oci {
namespace {

constexpr int kCapSysResource = 24;  // linux/capability.h

// The hexadecimal value of "Name:\t00ff" in /proc/self/status.
uint64_t HexField(std::string_view status, std::string_view name) {
  const size_t at = status.find(name);
  if (at == std::string_view::npos) return 0;
  const std::string_view rest = status.substr(at + name.size());
  const std::string_view value = Trim(rest.substr(0, rest.find('\n')));
  uint64_t out = 0;
  std::from_chars(value.data(), value.data() + value.size(), out, 16);
  return out;
}

int ReadInt(const std::string& path, int otherwise) {
  const auto text = ReadFile(path, 64);
  if (!text.ok()) return otherwise;
  const std::string_view trimmed = Trim(*text);
  int out = otherwise;
  std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), out);
  return out;
}

}  // namespace

HostFacts ReadHostFacts() {
  HostFacts facts;
  const int last_cap = ReadInt("/proc/sys/kernel/cap_last_cap", kKnownCapabilities - 1);
  facts.kernel_capabilities = last_cap >= 63 ? ~uint64_t{0} : (uint64_t{1} << (last_cap + 1)) - 1;
  if (const auto status = ReadFile("/proc/self/status"); status.ok()) {
    facts.bounding_capabilities = HexField(*status, "\nCapBnd:");
    facts.may_lower_oom_score = (HexField(*status, "\nCapEff:") >> kCapSysResource & 1) != 0;
    facts.seccomp = status->find("\nSeccomp:") != std::string::npos;
  }
  facts.oom_score_adj = ReadInt("/proc/self/oom_score_adj", 0);
  utsname name{};
  if (::uname(&name) == 0) {
    std::sscanf(name.release, "%d.%d", &facts.kernel_major, &facts.kernel_minor);
  }
  const auto apparmor = ReadFile("/sys/module/apparmor/parameters/enabled", 64);
  facts.apparmor = apparmor.ok() && apparmor->starts_with('Y');
  return facts;
}

}  // namespace crisp::oci
