// Cgroup paths of sandboxes and containers (cri-contract section 6.5).
//
// Contract: cgroup_parent comes in cgroupfs syntax in both drivers. With the cgroupfs driver a
//           container is "<parent>/<id>"; with the systemd driver only the parent's last element
//           counts: the OCI cgroupsPath is "<last>.slice:crisp:<id>", which the runtime turns into
//           the scope "crisp-<id>.scope" in that slice.
// Errors:   kInvalidArgument for a parent that does not fit the driver.
#ifndef CRISP_POD_CGROUPS_H_
#define CRISP_POD_CGROUPS_H_

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "oci/runtime.h"

namespace crisp::pod {

struct CgroupPaths {
  std::string oci;   // for the spec's cgroupsPath
  std::string host;  // below the hierarchy's mount, for CgroupDir
};

// `id`: of the container, or of the sandbox for its init process.
Result<CgroupPaths> MakeCgroupPaths(const std::string& parent, const std::string& id,
                                    oci::CgroupDriver driver);

// Of groups that exist: the driver that made them, whatever is configured now (a pod that named no
// parent has that of today's driver).
oci::CgroupDriver DriverOf(std::string_view parent);

// "kubepods-burstable-pod1.slice" -> "/kubepods.slice/kubepods-burstable.slice/kubepods-...slice"
// (systemd.slice(5): a slice's name lists its parents, separated by dashes).
std::string ExpandSlice(const std::string& slice);

}  // namespace crisp::pod

#endif  // CRISP_POD_CGROUPS_H_
