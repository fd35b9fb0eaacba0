// Hook: a program that the OCI runtime runs at one point of a container's life.
//
// Contract: runtime-spec 1.0.2, config.md "POSIX-platform Hooks".
// Threads:  values.
// Units:    seconds.
#ifndef CRISP_OCI_HOOK_H_
#define CRISP_OCI_HOOK_H_

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp::oci {

enum class HookStage {
  kPrestart,         // deprecated by the spec, in use nevertheless
  kCreateRuntime,    // during create, in the runtime's namespaces
  kCreateContainer,  // during create, in the container's namespaces, before pivot_root
  kStartContainer,   // during start, in the container
  kPoststart,        // after start
  kPoststop,         // after delete
};
inline constexpr std::array<std::pair<std::string_view, HookStage>, 6> kHookStages = {
    {{"prestart", HookStage::kPrestart},
     {"createRuntime", HookStage::kCreateRuntime},
     {"createContainer", HookStage::kCreateContainer},
     {"startContainer", HookStage::kStartContainer},
     {"poststart", HookStage::kPoststart},
     {"poststop", HookStage::kPoststop}}};

std::optional<HookStage> FindHookStage(std::string_view name);
std::string_view HookStageName(HookStage stage);

struct Hook {
  std::string path;
  std::vector<std::string> args;  // with argv[0]
  std::vector<std::string> env;   // NAME=VALUE
  std::optional<int> timeout_s;
};
using Hooks = std::map<HookStage, std::vector<Hook>>;

// The program is there and executable, as far as this side can see: that of startContainer is in
// the container's file system. kNotFound, or kPermissionDenied, names it.
Status CheckHookProgram(HookStage stage, const Hook& hook);

}  // namespace crisp::oci

#endif  // CRISP_OCI_HOOK_H_
