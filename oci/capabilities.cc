#include "oci/capabilities.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/log.h"

namespace crisp::oci {
namespace {

// linux/capability.h, by number.
constexpr std::array<std::string_view, kKnownCapabilities> kNames = {"CHOWN",
                                                                     "DAC_OVERRIDE",
                                                                     "DAC_READ_SEARCH",
                                                                     "FOWNER",
                                                                     "FSETID",
                                                                     "KILL",
                                                                     "SETGID",
                                                                     "SETUID",
                                                                     "SETPCAP",
                                                                     "LINUX_IMMUTABLE",
                                                                     "NET_BIND_SERVICE",
                                                                     "NET_BROADCAST",
                                                                     "NET_ADMIN",
                                                                     "NET_RAW",
                                                                     "IPC_LOCK",
                                                                     "IPC_OWNER",
                                                                     "SYS_MODULE",
                                                                     "SYS_RAWIO",
                                                                     "SYS_CHROOT",
                                                                     "SYS_PTRACE",
                                                                     "SYS_PACCT",
                                                                     "SYS_ADMIN",
                                                                     "SYS_BOOT",
                                                                     "SYS_NICE",
                                                                     "SYS_RESOURCE",
                                                                     "SYS_TIME",
                                                                     "SYS_TTY_CONFIG",
                                                                     "MKNOD",
                                                                     "LEASE",
                                                                     "AUDIT_WRITE",
                                                                     "AUDIT_CONTROL",
                                                                     "SETFCAP",
                                                                     "MAC_OVERRIDE",
                                                                     "MAC_ADMIN",
                                                                     "SYSLOG",
                                                                     "WAKE_ALARM",
                                                                     "BLOCK_SUSPEND",
                                                                     "AUDIT_READ",
                                                                     "PERFMON",
                                                                     "BPF",
                                                                     "CHECKPOINT_RESTORE"};

// cri-contract 9.4: the set of containerd and Docker.
const std::vector<std::string>& DefaultNames() {
  static const std::vector<std::string> kDefaults = {
      "CHOWN",   "DAC_OVERRIDE", "FSETID",           "FOWNER",
      "MKNOD",   "NET_RAW",      "SETGID",           "SETUID",
      "SETFCAP", "SETPCAP",      "NET_BIND_SERVICE", "SYS_CHROOT",
      "KILL",    "AUDIT_WRITE"};
  return kDefaults;
}

std::string Normalize(std::string_view name) {
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (out.starts_with("CAP_")) out.erase(0, 4);
  return out;
}

struct NamedSet {
  uint64_t bits = 0;
  bool all = false;
};

Result<NamedSet> ParseNames(std::string_view field, const std::vector<std::string>& names) {
  NamedSet out;
  for (const std::string& name : names) {
    if (Normalize(name) == "ALL") {
      out.all = true;
      continue;
    }
    const std::optional<int> number = FindCapability(name);
    if (!number) {
      return InvalidArgument(field, ": unknown capability '", name,
                             "' (a name of capabilities(7) such as NET_ADMIN, or ALL)");
    }
    out.bits |= uint64_t{1} << *number;
  }
  return out;
}

// Asked for by name, but this process does not have it itself: a nested daemon, for example.
void WarnAboutMissing(std::string_view field, uint64_t missing) {
  for (int i = 0; i < kKnownCapabilities; ++i) {
    if ((missing >> i & 1) == 0) continue;
    log::Warning("a requested capability is not available on this machine and is left out",
                 {{"field", field}, {"capability", Cat("CAP_", kNames[static_cast<size_t>(i)])}});
  }
}

std::vector<std::string> ToNames(uint64_t bits) {
  std::vector<std::string> out;
  for (int i = 0; i < kKnownCapabilities; ++i) {
    if ((bits >> i & 1) != 0) out.push_back(Cat("CAP_", kNames[static_cast<size_t>(i)]));
  }
  return out;
}

}  // namespace

std::optional<int> FindCapability(std::string_view name) {
  const std::string wanted = Normalize(name);
  const auto at = std::find(kNames.begin(), kNames.end(), wanted);
  if (at == kNames.end()) return std::nullopt;
  return static_cast<int>(at - kNames.begin());
}

Result<Capabilities> ResolveCapabilities(const CapabilityRequest& request, const HostFacts& host) {
  const NamedSet defaults = CRISP_TRY(ParseNames(
      "default_capabilities", request.defaults.empty() ? DefaultNames() : request.defaults));
  const NamedSet add = CRISP_TRY(ParseNames("add_capabilities", request.add));
  const NamedSet drop = CRISP_TRY(ParseNames("drop_capabilities", request.drop));
  const NamedSet ambient = CRISP_TRY(ParseNames("add_ambient_capabilities", request.add_ambient));

  const uint64_t available = host.kernel_capabilities & host.bounding_capabilities;
  Capabilities out;
  if (request.privileged) {
    out.bounding = out.effective = out.permitted = ToNames(available);
    return out;
  }
  uint64_t set = defaults.all ? available : defaults.bits & available;
  if (add.all) set = available;
  if (drop.all) set = 0;
  WarnAboutMissing("add_capabilities", add.bits & ~available);
  WarnAboutMissing("add_ambient_capabilities", ambient.bits & ~available);
  const uint64_t ambient_set = (ambient.all ? available : ambient.bits & available) & ~drop.bits;
  set |= add.bits & available;
  set &= ~drop.bits;
  set |= ambient_set;

  out.bounding = out.effective = out.permitted = ToNames(set);
  out.inheritable = out.ambient = ToNames(ambient_set);
  return out;
}

}  // namespace crisp::oci
