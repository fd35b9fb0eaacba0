// The pod's own cgroup: what UpdatePodSandboxResources does to it.
//
// What:     the group that the client named as cgroup_parent is the kubelet's: it makes and writes
//           it. A resize comes here after the kubelet has written it; the group is compared with
//           what was asked for, and only what differs is written. Never at any other time, and
//           never the default parent, which is nobody's own.
// Contract: cri-contract 5.6 and 6.5. Limits are resources plus overhead; what `resources` does not
//           set (0, empty) is left as it is.
// Units:    values are compared as the group's files have them: weights on v2, never shares again,
//           of which many have one weight.
// Threads:  free functions; Converge reads and writes the kernel's files.
// Errors:   name the file; after a failure what was written is written back. A memory limit below
//           the usage is one, before anything is written (memory_limit.h).
#ifndef CRISP_POD_POD_CGROUP_H_
#define CRISP_POD_POD_CGROUP_H_

#include <string>
#include <vector>

#include "base/cgroup_dir.h"
#include "base/core/result.h"
#include "cri-api/api.pb.h"

namespace crisp::pod {

struct GroupValue {
  std::string file;   // "memory.max"; its controller is the part before the dot
  std::string value;  // to be written
  // Other values that mean the same and are left alone. Of CPU shares: the kubelets of some years
  // turn them into weights by another formula than older ones, and all round the sum of resources
  // and overhead, not each.
  std::vector<std::string> also = {};
};

// The values of a pod's group, in writing order for growing limits.
std::vector<GroupValue> PodGroupValues(const ::runtime::v1::LinuxContainerResources& resources,
                                       const ::runtime::v1::LinuxContainerResources& overhead,
                                       bool v2);

// How many files were written. kFailedPrecondition when the group does not exist.
Result<int> Converge(const CgroupDir& group, const std::vector<GroupValue>& values);

}  // namespace crisp::pod

#endif  // CRISP_POD_POD_CGROUP_H_
