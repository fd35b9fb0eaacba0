#include "oci/apparmor.h"

#include <string_view>

#include "base/core/child_process.h"
#include "base/core/file.h"
#include "base/log.h"

namespace crisp::oci {
namespace {

constexpr std::string_view kLocalhost = "localhost/";
constexpr auto kLoadTime = std::chrono::seconds(20);

// What a container has no business with even when it is root: kernel settings of the host, its
// memory and its mounts. Everything else is left to capabilities, namespaces and seccomp.
constexpr std::string_view kDefaultProfileText = R"(
profile crisp-default flags=(attach_disconnected,mediate_deleted) {
  file,
  network,
  capability,
  umount,
  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
  signal (send,receive) peer=crisp-default,
  ptrace (trace,read,tracedby,readby) peer=crisp-default,

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
}
)";

// Lines are "name (mode)".
Result<bool> IsLoaded(const std::string& name, const HostFacts& host) {
  const std::string text =
      CRISP_TRY(ReadFile(host.apparmor_profiles).Wrap("list of AppArmor profiles"));
  return Cat('\n', text).find(Cat('\n', name, " (")) != std::string::npos;
}

// Without apparmor_parser nobody here can load a profile, and without securityfs (a node that is a
// container itself) nobody can see one: then there is no default one.
Result<std::string> EnsureDefaultProfile(const HostFacts& host, Reaper* reaper) {
  const auto loaded = IsLoaded(kDefaultApparmorProfile, host);
  if (loaded.status().code() == Code::kNotFound) {
    log::Warning("no default AppArmor profile: securityfs is not mounted",
                 {{"missing", host.apparmor_profiles}});
    return std::string();
  }
  if (CRISP_TRY(loaded)) return std::string(kDefaultApparmorProfile);
  RunOptions run;
  run.argv = {"apparmor_parser", "--add", "--skip-cache"};
  run.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  run.stdin_data = kDefaultProfileText;
  run.deadline = MonoNow() + kLoadTime;
  run.reaper = reaper;
  auto output = Run(run);
  if (!output.ok() && output.status().code() == Code::kNotFound) {
    log::Warning("no default AppArmor profile: apparmor_parser is not installed", {});
    return std::string();
  }
  CRISP_RETURN_IF_ERROR(output.status());
  // A parallel container may have loaded it meanwhile; then --add fails and that is fine.
  if (!CRISP_TRY(IsLoaded(kDefaultApparmorProfile, host))) {
    return Internal("apparmor_parser could not load ", kDefaultApparmorProfile, ": ",
                    Trim(output->stderr_data));
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
  const bool loaded = CRISP_TRY(IsLoaded(name, host).Wrap("apparmor: profile '", name, "'"));
  if (!loaded) return NotFound("apparmor: profile '", name, "' is not loaded on this host");
  return name;
}

}  // namespace crisp::oci
