#include "oci/apparmor.h"

#include <fcntl.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

#include "base/core/child_process.h"
#include "base/core/file.h"
#include "base/log.h"
#include "oci/apparmor_profiles.h"

namespace crisp::oci {
namespace {

constexpr std::string_view kLocalhost = "localhost/";
constexpr auto kLoadTime = std::chrono::seconds(20);

// What a container has no business with even when it is root: kernel settings of the host, its
// memory, its mounts and the meters of its energy (CVE-2020-8694: they tell what others compute).
// Everything else is left to capabilities, namespaces and seccomp.
constexpr std::string_view kDefaultText = R"(
profile crisp-default flags=(attach_disconnected,mediate_deleted) {
  file,
  network,
  unix,
  capability,
  umount,
  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
  signal (send,receive) peer=crisp-default{,//&*},
  ptrace (trace,read,tracedby,readby) peer=crisp-default{,//&*},

  deny mount,
  deny /proc/* w,
  deny /proc/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9]*}/** w,
  deny /proc/sys/[^kn]** w,
  deny /proc/sys/kernel/{?,??,[^s][^h][^m]**} w,
  deny /proc/sysrq-trigger rwklx,
  deny /proc/kcore rwklx,
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/{class,devices/virtual}/powercap/** rwklx,
)";

constexpr uint64_t Fnv1a(std::string_view text) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

// An empty child of the profile, into which nothing leads. Its name tells whose text is loaded:
// the kernel keeps no text to compare with, and what a compiler made of it depends on the machine.
std::string MarkOfText() {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "text-%016llx",
                static_cast<unsigned long long>(Fnv1a(kDefaultText)));
  return text.data();
}

Result<LoadedProfiles> ReadLoadedProfiles(const HostFacts& host) {
  return LoadedProfiles(
      CRISP_TRY(ReadFile(host.apparmor_profiles).Wrap("list of AppArmor profiles")));
}

// A profile that replaces another inherits its children (apparmor/policy.c, __replace_profile).
void RemoveOtherMarks(const LoadedProfiles& loaded, const std::string& own, const HostFacts& host) {
  const std::string& list = host.apparmor_profiles;
  const std::string file = Cat(list.substr(0, list.rfind('/')), "/.remove");
  for (const std::string& mark : loaded.ChildrenOf(kDefaultApparmorProfile)) {
    if (mark == own) continue;
    const Status removed = WriteControlFile(AT_FDCWD, file, mark);
    if (removed.ok() || removed.sys_errno() == ENOENT) continue;  // or by a parallel container
    log::Warning("mark of an older AppArmor profile stays", {{"mark", mark}, {"error", removed}});
  }
}

// Loads our text, or puts it into the place of another one, also for the containers that run.
Status LoadDefaultProfile(const HostFacts& host, Reaper* reaper) {
  RunOptions run;
  run.argv = {"apparmor_parser", "--replace", "--skip-cache"};
  run.env = {kDefaultPath};
  run.stdin_data = Cat(kDefaultText, "  profile ", MarkOfText(), " {}\n}\n");
  run.deadline = MonoNow() + kLoadTime;
  run.reaper = reaper;
  auto output = Run(run);
  if (!output.ok() && output.status().sys_errno() == ENOENT) {
    return NotFound("apparmor_parser is not installed");
  }
  CRISP_RETURN_IF_ERROR(output.status());
  const LoadedProfiles loaded = CRISP_TRY(ReadLoadedProfiles(host));
  const std::string own = Cat(kDefaultApparmorProfile, "//", MarkOfText());
  if (!output->status.success() || !loaded.Contains(own)) {
    return Internal("apparmor_parser could not load ", kDefaultApparmorProfile, ": ",
                    Trim(output->stderr_data));
  }
  RemoveOtherMarks(loaded, own, host);
  return OkStatus();
}

// Whether it is loaded, and whether with our text.
struct DefaultProfile {
  bool loaded = false;
  bool ours = false;
};
Result<DefaultProfile> FindDefaultProfile(const HostFacts& host) {
  const LoadedProfiles loaded = CRISP_TRY(ReadLoadedProfiles(host));
  DefaultProfile out;
  out.loaded = loaded.Contains(kDefaultApparmorProfile);
  const std::string own = Cat(kDefaultApparmorProfile, "//", MarkOfText());
  out.ours =
      out.loaded && loaded.ChildrenOf(kDefaultApparmorProfile) == std::vector<std::string>{own};
  return out;
}

// Without apparmor_parser nobody here can load a profile, and without securityfs (a node that is a
// container itself) nobody can see one: then there is no default one. Another text is better than
// none.
Result<std::string> EnsureDefaultProfile(const HostFacts& host, Reaper* reaper) {
  const auto found = FindDefaultProfile(host);
  if (found.status().code() == Code::kNotFound) {
    log::Warning("no default AppArmor profile: securityfs is not mounted",
                 {{"missing", host.apparmor_profiles}});
    return std::string();
  }
  const bool loaded = CRISP_TRY(found).loaded;
  if (found->ours) return std::string(kDefaultApparmorProfile);
  const Status status = LoadDefaultProfile(host, reaper);
  if (!status.ok() && loaded) {
    log::Warning("the default AppArmor profile is not that of this crisp", {{"why", status}});
  } else if (status.code() == Code::kNotFound) {
    log::Warning("no default AppArmor profile", {{"why", status}});
    return std::string();
  } else {
    CRISP_RETURN_IF_ERROR(status);
  }
  return std::string(kDefaultApparmorProfile);
}

Result<RequestedProfile> Requested(const ContainerRequest& request) {
  using Type = RequestedProfile::Type;
  if (request.apparmor) {
    if (request.apparmor->type != Type::kLocalhost && !request.apparmor->localhost_ref.empty()) {
      return InvalidArgument("apparmor: localhost_ref '", request.apparmor->localhost_ref,
                             "' is only allowed with profile type Localhost");
    }
    return *request.apparmor;
  }
  const std::string& name = request.apparmor_profile;
  if (name.empty() || name == "runtime/default") return RequestedProfile{};
  if (name == "unconfined") return RequestedProfile{Type::kUnconfined, ""};
  if (name.starts_with(kLocalhost)) return RequestedProfile{Type::kLocalhost, name};
  return InvalidArgument("apparmor_profile: '", name,
                         "' is unknown (allowed are runtime/default, unconfined and "
                         "localhost/<name>)");
}

}  // namespace

void RefreshDefaultApparmor(const HostFacts& host, Reaper* reaper) {
  if (!host.apparmor) return;
  const auto found = FindDefaultProfile(host);
  if (!found.ok() || !found->loaded || found->ours) return;
  const Status status = LoadDefaultProfile(host, reaper);
  if (status.ok()) {
    log::Info("default AppArmor profile replaced", {{"profile", kDefaultApparmorProfile}});
  } else {
    log::Warning("the default AppArmor profile is not that of this crisp", {{"why", status}});
  }
}

Result<std::string> ResolveApparmor(const ContainerRequest& request, const HostFacts& host) {
  using Type = RequestedProfile::Type;
  RequestedProfile profile = CRISP_TRY(Requested(request));
  if (request.privileged) return std::string();
  if (!host.apparmor) {
    if (profile.type != Type::kLocalhost) return std::string();
    return FailedPrecondition("apparmor: profile '", profile.localhost_ref,
                              "' is requested, but AppArmor is not enabled on this host");
  }
  if (profile.type == Type::kUnconfined) return std::string("unconfined");
  if (profile.type == Type::kRuntimeDefault) return EnsureDefaultProfile(host, request.reaper);
  std::string name = profile.localhost_ref;
  if (name.starts_with(kLocalhost)) name.erase(0, kLocalhost.size());
  if (name.empty()) return InvalidArgument("apparmor: localhost_ref is empty");
  const LoadedProfiles loaded =
      CRISP_TRY(ReadLoadedProfiles(host).Wrap("apparmor: profile '", name, "'"));
  if (!loaded.Contains(name))
    return NotFound("apparmor: profile '", name, "' is not loaded on this host");
  return name;
}

}  // namespace crisp::oci
