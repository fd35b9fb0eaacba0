#include "oci/systemd_scope.h"

namespace crisp::oci {
namespace {

constexpr char kUnlimited[] = "uint64 18446744073709551615";

bool LimitsTasks(const LinuxResources& resources) {
  return resources.pids_limit || resources.unified.contains("pids.max");
}

}  // namespace

void AddScopeAnnotations(const RuntimeFeatures& features, const LinuxResources& resources,
                         std::map<std::string, std::string>* annotations) {
  const auto property = [annotations](const char* name, const char* value) {
    annotations->try_emplace(std::string("org.systemd.property.") + name, value);
  };
  property("CollectMode", "'inactive-or-failed'");
  const bool has_group = !features.scope_group.empty();
  if (has_group) annotations->try_emplace("run.oci.systemd.subgroup", features.scope_group);
  // Where the container is below the scope its limit is there, and the scope's must not be lower.
  if (has_group || !LimitsTasks(resources)) property("TasksMax", kUnlimited);
  // Below the scope the file holds; and a later update to some swap would not reach the scope.
  if (!has_group && resources.memory_limit_bytes > 0 &&
      resources.memory_swap_bytes == resources.memory_limit_bytes) {
    property("MemorySwapMax", "uint64 0");
  }
}

}  // namespace crisp::oci
