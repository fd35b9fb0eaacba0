// The CPUs of crisp's own processes in pods (infra_ctr_cpuset): the monitors' group is confined to
// them. Init processes get them in their spec.
//
// Contract: cgroup-v1/cpusets.rst; cgroup-v2.rst "Cpuset".
// Threads:  a free function.
// Errors:   name the file. An empty list gives the group all CPUs of its parent again.
#ifndef CRISP_POD_INFRA_CPUSET_H_
#define CRISP_POD_INFRA_CPUSET_H_

#include <string>

#include "base/cgroup_dir.h"

namespace crisp::pod {

// `group` exists. On v2 the controller is enabled on the way to it.
Status ConfineGroup(const CgroupDir& group, const CgroupLayout& layout, const std::string& cpus);

}  // namespace crisp::pod

#endif  // CRISP_POD_INFRA_CPUSET_H_
