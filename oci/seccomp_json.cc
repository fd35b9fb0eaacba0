// The JSON side of seccomp profiles: Docker/OCI profile files in, the OCI object out.
#include <sys/utsname.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "oci/seccomp.h"

namespace crisp::oci {
namespace {

using nlohmann::json;

// What profile files call this machine in includes/excludes.arches (GOARCH names) and in archMap.
struct NativeArchitecture {
  std::string_view machine;  // uname -m
  std::string_view name;
  std::string_view scmp;
};
constexpr NativeArchitecture kArchitectures[] = {{"x86_64", "amd64", "SCMP_ARCH_X86_64"},
                                                 {"aarch64", "arm64", "SCMP_ARCH_AARCH64"},
                                                 {"ppc64le", "ppc64le", "SCMP_ARCH_PPC64LE"},
                                                 {"s390x", "s390x", "SCMP_ARCH_S390X"},
                                                 {"riscv64", "riscv64", "SCMP_ARCH_RISCV64"},
                                                 {"armv7l", "arm", "SCMP_ARCH_ARM"},
                                                 {"i686", "386", "SCMP_ARCH_X86"}};

const NativeArchitecture* Native() {
  static const NativeArchitecture* const native = []() -> const NativeArchitecture* {
    utsname name{};
    ::uname(&name);
    for (const NativeArchitecture& arch : kArchitectures) {
      if (arch.machine == name.machine) return &arch;
    }
    return nullptr;
  }();
  return native;
}

bool Contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// A key that is absent or null is the default.
template <typename T>
T ValueOr(const json& object, const char* key, T otherwise) {
  const auto at = object.find(key);
  if (at == object.end() || at->is_null()) return otherwise;
  return at->get<T>();
}

// Empty when absent or null. A number that wrapped around would make another filter.
template <typename T>
Result<std::optional<T>> FindNumber(const json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end() || at->is_null()) return std::optional<T>();
  if (!at->is_number_unsigned() || at->get<uint64_t>() > std::numeric_limits<T>::max()) {
    return InvalidArgument(key, " ", at->dump(), ": wanted a whole number from 0 to ",
                           std::numeric_limits<T>::max());
  }
  return std::optional<T>(at->get<T>());
}

using Strings = std::vector<std::string>;

// `minimum`: "4.8" (libseccomp's and Docker's minKernel).
Result<bool> KernelAtLeast(const std::string& minimum, const SeccompContext& context) {
  int major = 0;
  int minor = 0;
  const char* const end = minimum.data() + minimum.size();
  const auto first = std::from_chars(minimum.data(), end, major);
  const bool dot = first.ec == std::errc() && first.ptr != end && *first.ptr == '.';
  const auto second = std::from_chars(dot ? first.ptr + 1 : end, end, minor);
  if (second.ec != std::errc() || second.ptr != end) {
    return InvalidArgument("minKernel '", minimum, "': wanted a version such as 4.8");
  }
  return context.kernel_major > major ||
         (context.kernel_major == major && context.kernel_minor >= minor);
}

// `includes`: every condition must hold.
Result<bool> Included(const json& rule, const SeccompContext& context) {
  const json conditions = ValueOr(rule, "includes", json::object());
  const Strings arches = ValueOr(conditions, "arches", Strings());
  if (!arches.empty() && (Native() == nullptr || !Contains(arches, Native()->name))) return false;
  for (const std::string& cap : ValueOr(conditions, "caps", Strings())) {
    if (!Contains(context.capabilities, cap)) return false;
  }
  const std::string kernel = ValueOr(conditions, "minKernel", std::string());
  if (kernel.empty()) return true;
  return KernelAtLeast(kernel, context);
}

// `excludes`: one condition that holds is enough.
Result<bool> Excluded(const json& rule, const SeccompContext& context) {
  const json conditions = ValueOr(rule, "excludes", json::object());
  if (Native() != nullptr && Contains(ValueOr(conditions, "arches", Strings()), Native()->name)) {
    return true;
  }
  for (const std::string& cap : ValueOr(conditions, "caps", Strings())) {
    if (Contains(context.capabilities, cap)) return true;
  }
  const std::string kernel = ValueOr(conditions, "minKernel", std::string());
  if (kernel.empty()) return false;
  return KernelAtLeast(kernel, context);
}

Result<SeccompRule> ParseRule(const json& rule) {
  SeccompRule out;
  out.names = ValueOr(rule, "names", Strings());
  // The older form of Docker's format has one name per rule.
  if (const std::string name = ValueOr(rule, "name", std::string()); !name.empty()) {
    out.names.push_back(name);
  }
  out.action = ValueOr(rule, "action", std::string());
  out.errno_ret = CRISP_TRY(FindNumber<unsigned>(rule, "errnoRet"));
  for (const json& arg : ValueOr(rule, "args", json::array())) {
    SeccompArgument argument;
    argument.index = CRISP_TRY(FindNumber<unsigned>(arg, "index")).value_or(0);
    argument.value = CRISP_TRY(FindNumber<uint64_t>(arg, "value")).value_or(0);
    argument.value_two = CRISP_TRY(FindNumber<uint64_t>(arg, "valueTwo")).value_or(0);
    argument.op = ValueOr(arg, "op", std::string());
    out.args.push_back(std::move(argument));
  }
  return out;
}

// archMap gives, for the native architecture, the others that its kernel runs too.
Strings ParseArchitectures(const json& profile) {
  Strings out = ValueOr(profile, "architectures", Strings());
  for (const json& entry : ValueOr(profile, "archMap", json::array())) {
    const std::string arch = ValueOr(entry, "architecture", std::string());
    if (Native() == nullptr || arch != Native()->scmp) continue;
    out.push_back(arch);
    for (const std::string& sub : ValueOr(entry, "subArchitectures", Strings())) {
      out.push_back(sub);
    }
  }
  return out;
}

Result<SeccompProfile> ParseProfile(const json& document, const SeccompContext& context) {
  SeccompProfile out;
  out.default_action = ValueOr(document, "defaultAction", std::string());
  out.default_errno_ret = CRISP_TRY(FindNumber<unsigned>(document, "defaultErrnoRet"));
  out.architectures = ParseArchitectures(document);
  out.flags = ValueOr(document, "flags", Strings());
  out.listener_path = ValueOr(document, "listenerPath", std::string());
  out.listener_metadata = ValueOr(document, "listenerMetadata", std::string());
  for (const json& rule : ValueOr(document, "syscalls", json::array())) {
    const bool included = CRISP_TRY(Included(rule, context));
    const bool excluded = CRISP_TRY(Excluded(rule, context));
    if (included && !excluded) out.rules.push_back(CRISP_TRY(ParseRule(rule)));
  }
  return out;
}

json RuleJson(const SeccompRule& rule) {
  json out = {{"names", rule.names}, {"action", rule.action}};
  if (rule.errno_ret) out["errnoRet"] = *rule.errno_ret;
  for (const SeccompArgument& arg : rule.args) {
    out["args"].push_back(
        {{"index", arg.index}, {"value", arg.value}, {"valueTwo", arg.value_two}, {"op", arg.op}});
  }
  return out;
}

}  // namespace

Result<SeccompProfile> ParseSeccompProfile(const std::string& text, const SeccompContext& context) {
  SeccompProfile profile;
  try {
    const json document = json::parse(text);
    if (!document.is_object()) return InvalidArgument("not a seccomp profile: no JSON object");
    if (document.contains("archMap") && document.contains("architectures") &&
        !document.at("archMap").empty() && !document.at("architectures").empty()) {
      return InvalidArgument("both architectures and archMap are given (only one is allowed)");
    }
    profile = CRISP_TRY(ParseProfile(document, context).Wrap("seccomp profile"));
  } catch (const json::exception& e) {
    return InvalidArgument("not a seccomp profile in JSON: ", e.what());
  }
  CRISP_RETURN_IF_ERROR(ValidateSeccomp(&profile));
  return profile;
}

Result<std::string> SeccompToJson(const SeccompProfile& profile) {
  try {
    json out = {{"defaultAction", profile.default_action}};
    if (profile.default_errno_ret) out["defaultErrnoRet"] = *profile.default_errno_ret;
    if (!profile.architectures.empty()) out["architectures"] = profile.architectures;
    if (!profile.flags.empty()) out["flags"] = profile.flags;
    if (!profile.listener_path.empty()) out["listenerPath"] = profile.listener_path;
    if (!profile.listener_metadata.empty()) out["listenerMetadata"] = profile.listener_metadata;
    out["syscalls"] = json::array();
    for (const SeccompRule& rule : profile.rules) out["syscalls"].push_back(RuleJson(rule));
    return out.dump();
  } catch (const json::exception& e) {
    return InvalidArgument("write the seccomp profile: ", e.what());
  }
}

}  // namespace crisp::oci
