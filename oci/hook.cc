#include "oci/hook.h"

#include <unistd.h>

namespace crisp::oci {

std::optional<HookStage> FindHookStage(std::string_view name) {
  for (const auto& [known, stage] : kHookStages) {
    if (known == name) return stage;
  }
  return std::nullopt;
}

std::string_view HookStageName(HookStage stage) {
  for (const auto& [name, known] : kHookStages) {
    if (known == stage) return name;
  }
  return "";
}

Status CheckHookProgram(HookStage stage, const Hook& hook) {
  if (stage == HookStage::kStartContainer) return OkStatus();
  if (::access(hook.path.c_str(), X_OK) != 0) return Errno(HookStageName(stage), " ", hook.path);
  return OkStatus();
}

}  // namespace crisp::oci
