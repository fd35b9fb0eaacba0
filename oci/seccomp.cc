#include "oci/seccomp.h"

#include <seccomp.h>

#include <algorithm>
#include <cctype>
#include <span>
#include <string_view>

#include "base/core/file.h"
#include "base/log.h"
#include "oci/seccomp_notify.h"

namespace crisp::oci {
namespace {

constexpr size_t kProfileLimit_bytes = 4u << 20;
constexpr std::string_view kLocalhost = "localhost/";
constexpr unsigned kHighestArgument = 5;  // seccomp(2): six arguments
constexpr unsigned kHighestErrno = 4095;  // linux/err.h: MAX_ERRNO

constexpr std::string_view kActions[] = {
    "SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",  "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_LOG",    "SCMP_ACT_TRACE",
    "SCMP_ACT_KILL_THREAD",  "SCMP_ACT_NOTIFY", "SCMP_ACT_TRAP"};
constexpr std::string_view kOperators[] = {"SCMP_CMP_NE",       "SCMP_CMP_LT", "SCMP_CMP_LE",
                                           "SCMP_CMP_EQ",       "SCMP_CMP_GE", "SCMP_CMP_GT",
                                           "SCMP_CMP_MASKED_EQ"};
constexpr std::string_view kFlags[] = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
                                       "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                                       "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};

Status CheckOneOf(std::string_view what, std::string_view value,
                  std::span<const std::string_view> allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return OkStatus();
  std::string list;
  for (std::string_view name : allowed) list += Cat(list.empty() ? "" : ", ", name);
  return InvalidArgument("unknown ", what, " '", value, "' (allowed are ", list, ")");
}

// libseccomp knows "x86_64" where the OCI spec says SCMP_ARCH_X86_64.
Status CheckArchitecture(const std::string& name) {
  constexpr std::string_view kPrefix = "SCMP_ARCH_";
  if (name.starts_with(kPrefix)) {
    std::string lower = name.substr(kPrefix.size());
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (::seccomp_arch_resolve_name(lower.c_str()) != 0) return OkStatus();
  }
  return InvalidArgument("unknown architecture '", name,
                         "' (a name such as SCMP_ARCH_X86_64 or SCMP_ARCH_AARCH64)");
}

Status CheckAction(const SeccompProfile& profile, const std::string& action) {
  CRISP_RETURN_IF_ERROR(CheckOneOf("action", action, kActions));
  if (action == "SCMP_ACT_NOTIFY" && profile.listener_path.empty()) {
    return InvalidArgument("action SCMP_ACT_NOTIFY needs a listenerPath");
  }
  return OkStatus();
}

Status CheckErrno(const std::optional<unsigned>& errno_ret) {
  if (errno_ret && *errno_ret > kHighestErrno) {
    return InvalidArgument("errnoRet ", *errno_ret, " is out of range (0 to ", kHighestErrno, ")");
  }
  return OkStatus();
}

bool KnownSyscall(const std::string& name) {
  return ::seccomp_syscall_resolve_name(name.c_str()) != __NR_SCMP_ERROR;
}

Status CheckRule(const SeccompProfile& profile, SeccompRule* rule) {
  CRISP_RETURN_IF_ERROR(CheckAction(profile, rule->action));
  CRISP_RETURN_IF_ERROR(CheckErrno(rule->errno_ret));
  for (const SeccompArgument& arg : rule->args) {
    if (arg.index > kHighestArgument) {
      return InvalidArgument("argument index ", arg.index, " is out of range (0 to 5)");
    }
    CRISP_RETURN_IF_ERROR(CheckOneOf("operator", arg.op, kOperators));
  }
  std::erase_if(rule->names, [](const std::string& name) {
    if (KnownSyscall(name)) return false;
    log::Warning("a seccomp profile names an unknown system call; it is skipped",
                 {{"syscall", name}});
    return true;
  });
  return OkStatus();
}

// The request as one profile; empty: unconfined.
Result<std::optional<RequestedProfile>> RequestedSeccomp(const ContainerRequest& request) {
  using Type = RequestedProfile::Type;
  if (request.seccomp) {
    if (request.seccomp->type != Type::kLocalhost && !request.seccomp->localhost_ref.empty()) {
      return InvalidArgument("seccomp: localhost_ref '", request.seccomp->localhost_ref,
                             "' is only allowed with profile type Localhost");
    }
    if (request.seccomp->type == Type::kUnconfined) return std::optional<RequestedProfile>();
    return request.seccomp;
  }
  const std::string& path = request.seccomp_profile_path;
  if (path.empty() || path == "unconfined") return std::optional<RequestedProfile>();
  if (path == "runtime/default" || path == "docker/default") {
    return std::optional(RequestedProfile{});
  }
  if (path.starts_with(kLocalhost)) {
    return std::optional(RequestedProfile{Type::kLocalhost, path.substr(kLocalhost.size())});
  }
  return InvalidArgument("seccomp_profile_path: '", path,
                         "' is unknown (allowed are unconfined, runtime/default, docker/default "
                         "and localhost/<path>)");
}

Result<SeccompProfile> LoadProfile(std::string path, const SeccompContext& context) {
  if (path.starts_with(kLocalhost)) path.erase(0, kLocalhost.size());
  if (path.empty() || path.front() != '/') {
    return InvalidArgument("seccomp: localhost_ref '", path, "' must be an absolute path");
  }
  const std::string text = CRISP_TRY(ReadFile(path, kProfileLimit_bytes).Wrap("seccomp profile"));
  return ParseSeccompProfile(text, context).Wrap("seccomp profile ", path);
}

}  // namespace

Status ValidateSeccomp(SeccompProfile* profile) {
  CRISP_RETURN_IF_ERROR(CheckAction(*profile, profile->default_action).Wrap("defaultAction"));
  CRISP_RETURN_IF_ERROR(CheckErrno(profile->default_errno_ret));
  for (const std::string& arch : profile->architectures) {
    CRISP_RETURN_IF_ERROR(CheckArchitecture(arch));
  }
  for (const std::string& flag : profile->flags) {
    CRISP_RETURN_IF_ERROR(CheckOneOf("flag", flag, kFlags));
  }
  for (SeccompRule& rule : profile->rules) {
    const std::string name = rule.names.empty() ? "?" : rule.names.front();
    CRISP_RETURN_IF_ERROR(CheckRule(*profile, &rule).Wrap("rule for ", name));
  }
  std::erase_if(profile->rules, [](const SeccompRule& rule) { return rule.names.empty(); });
  return OkStatus();
}

Status CheckSeccompProfile(const std::string& path) { return LoadProfile(path, {}).status(); }

Result<std::string> ResolveSeccomp(const ContainerRequest& request, const SeccompContext& context,
                                   const HostFacts& host) {
  const RuntimeOptions* const handler = request.handler;
  if (request.privileged) {
    const std::string path = handler == nullptr ? "" : handler->privileged_seccomp_profile;
    if (path.empty() || !host.seccomp) return std::string();
    return SeccompToJson(CRISP_TRY(LoadProfile(path, context)));
  }
  const auto requested = CRISP_TRY(RequestedSeccomp(request));
  if (!requested) return std::string();
  if (!host.seccomp) {
    return FailedPrecondition("seccomp: a profile is requested, but this kernel has no seccomp");
  }
  SeccompProfile profile;
  if (requested->type == RequestedProfile::Type::kLocalhost) {
    profile = CRISP_TRY(LoadProfile(requested->localhost_ref, context));
  } else if (handler != nullptr && !handler->seccomp_profile.empty()) {
    profile = CRISP_TRY(LoadProfile(handler->seccomp_profile, context));
  } else {
    profile = DefaultSeccompProfile(context);
  }
  if (!request.seccomp_listener.empty()) {
    MakeNotifying(request.container_id, request.seccomp_listener, &profile);
  }
  return SeccompToJson(profile);
}

}  // namespace crisp::oci
