#include "pod/infra_cpuset.h"

#include "base/core/file.h"

namespace crisp::pod {
namespace {

constexpr char kCpus[] = "cpuset.cpus";

Status Confine(const CgroupDir& group, const CgroupLayout& layout, const std::string& cpus) {
  // v2: a controller is there when every group above hands it on.
  for (size_t slash = 0; layout.v2 && slash != std::string::npos && slash < group.path().size();
       slash = group.path().find('/', slash + 1)) {
    const CgroupDir above(&layout, group.path().substr(0, slash));
    CRISP_RETURN_IF_ERROR(above.WriteFile("cpuset", "cgroup.subtree_control", "+cpuset"));
  }
  return group.WriteFile("cpuset", kCpus, cpus);
}

}  // namespace

Status ConfineGroup(const CgroupDir& group, const CgroupLayout& layout, const std::string& cpus) {
  if (!cpus.empty()) {
    return Confine(group, layout, cpus).Wrap("infra_ctr_cpuset: cgroup ", group.path());
  }
  // The group may be an earlier daemon's, with other settings and running monitors.
  const auto now = group.ReadFile("cpuset", kCpus);
  if (!now.ok()) return OkStatus();
  std::string wanted;
  if (!layout.v2) {
    const CgroupDir parent(&layout, group.path().substr(0, group.path().rfind('/')));
    wanted = Trim(CRISP_TRY(parent.ReadFile("cpuset", kCpus)));
  }
  return Trim(*now) == wanted ? OkStatus() : group.WriteFile("cpuset", kCpus, wanted);
}

}  // namespace crisp::pod
