#include "oci/systemd_scope.h"

#include <gmock/gmock.h>

namespace crisp::oci {
namespace {

using testing::Contains;
using testing::Key;
using testing::Not;
using testing::Pair;

std::map<std::string, std::string> For(const RuntimeFeatures& features,
                                       const LinuxResources& resources) {
  std::map<std::string, std::string> annotations;
  AddScopeAnnotations(features, resources, &annotations);
  return annotations;
}

RuntimeFeatures Runc() { return {.kind = "runc", .version = "1.1.5"}; }
RuntimeFeatures Crun() {
  return {.kind = "crun", .version = "1.8.1", .scope_group = kCrunScopeGroup};
}

TEST(SystemdScope, FailedScopesAreForgotten) {
  for (const RuntimeFeatures& features : {Runc(), Crun()}) {
    EXPECT_THAT(For(features, {}),
                Contains(Pair("org.systemd.property.CollectMode", "'inactive-or-failed'")));
  }
}

TEST(SystemdScope, TheGroupBelowTheScopeIsNamed) {
  EXPECT_THAT(For(Crun(), {}), Contains(Pair("run.oci.systemd.subgroup", "container")));
  EXPECT_THAT(For(Runc(), {}), Not(Contains(Key("run.oci.systemd.subgroup"))));
}

TEST(SystemdScope, TasksAreUnlimitedUnlessSomebodyLimitsThem) {
  const std::string key = "org.systemd.property.TasksMax";
  LinuxResources limited;
  limited.pids_limit = 99;
  LinuxResources unified;
  unified.unified["pids.max"] = "99";
  EXPECT_THAT(For(Runc(), {}), Contains(Pair(key, "uint64 18446744073709551615")));
  EXPECT_THAT(For(Runc(), limited), Not(Contains(Key(key)))) << "runc says it itself";
  EXPECT_THAT(For(Runc(), unified), Not(Contains(Key(key))));
  EXPECT_THAT(For(Crun(), limited), Contains(Key(key))) << "the limit is below the scope";
}

TEST(SystemdScope, NoSwapIsToldWhereTheRuntimeDoesNot) {
  const std::string key = "org.systemd.property.MemorySwapMax";
  LinuxResources resources;
  EXPECT_THAT(For(Runc(), resources), Not(Contains(Key(key))));
  resources.memory_limit_bytes = 64 << 20;
  resources.memory_swap_bytes = 64 << 20;
  EXPECT_THAT(For(Runc(), resources), Contains(Pair(key, "uint64 0")));
  EXPECT_THAT(For(Crun(), resources), Not(Contains(Key(key))));
  resources.memory_swap_bytes = 128 << 20;
  EXPECT_THAT(For(Runc(), resources), Not(Contains(Key(key))));
  resources.memory_limit_bytes = -1;
  resources.memory_swap_bytes = -1;
  EXPECT_THAT(For(Runc(), resources), Not(Contains(Key(key))));
}

}  // namespace
}  // namespace crisp::oci
