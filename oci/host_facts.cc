#include "oci/host_facts.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>

#include "base/core/file.h"
#include "base/core/keyed_line.h"
#include "oci/capabilities.h"

namespace crisp::oci {
namespace {

constexpr int kCapSysResource = 24;  // linux/capability.h

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
    facts.bounding_capabilities = StatusMask(*status, "CapBnd:");
    facts.may_lower_oom_score = (StatusMask(*status, "CapEff:") >> kCapSysResource & 1) != 0;
    facts.seccomp = KeyedLine(*status, "Seccomp:").has_value();
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

uint64_t StatusMask(std::string_view status, std::string_view key) {
  const std::string_view value = Trim(KeyedLine(status, key).value_or(""));
  const char* const end = value.data() + value.size();
  uint64_t out = 0;
  const auto parsed = std::from_chars(value.data(), end, out, 16);
  return parsed.ec == std::errc() && parsed.ptr == end ? out : 0;
}

}  // namespace crisp::oci
