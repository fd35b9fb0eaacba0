// Workloads: CPU settings of the node's owner for pods with an annotation, and what else of their
// annotations counts.
//
// What:     a pod with the activation annotation (its value does not matter) belongs to the
//           workload, whose settings take the place of those in its containers' resources; the
//           annotation "<prefix>/<container>" says it for one container, as a JSON object with
//           cpushares, cpuquota, cpuperiod, cpulimit (thousandths of a CPU) or cpuset. The pod's
//           init process, if it has one, is the container "POD". allowed_annotations are allowed to
//           its pods beside those of their handler.
// Limit:    it gives the quota out of the period, or out of 100 ms where the workload has none, and
//           wins over a quota that stands beside it. A container's annotation wins over all that is
//           configured, so its cpuquota wins over the workload's limit, too.
// Contract: as CRI-O's workloads (crio.conf(5), crio.runtime.workloads), but there a configured
//           limit acts only on containers with an annotation, and wins over their cpuquota. There
//           "POD" is the pod's monitors, each with a group of its own; crisp's have one for all, on
//           infra_ctr_cpuset.
// Threads:  free functions.
// Errors:   kInvalidArgument names the annotation and what is allowed.
#ifndef CRISP_POD_WORKLOADS_H_
#define CRISP_POD_WORKLOADS_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "cri-api/api.pb.h"

namespace crisp::pod {

struct Workload {
  std::string name;
  std::string activation_annotation;
  std::string annotation_prefix;
  int64_t cpu_shares = 0;  // 0 and empty: as the container asks
  int64_t cpu_quota_us = 0;
  int64_t cpu_period_us = 0;
  int64_t cpu_limit_millicpus = 0;
  std::string cpuset;
  std::vector<std::string> allowed_annotations = {};  // prefixes of keys
};

// Of the pod's init process, for an annotation of its own.
inline constexpr char kPodItself[] = "POD";

// The one that the pod belongs to; null: none.
Result<const Workload*> FindWorkload(const std::vector<Workload>& workloads,
                                     const ::runtime::v1::PodSandboxConfig& pod);

// Puts what the pod's workload says over `resources`; nothing for a pod of none.
Status ApplyWorkload(const std::vector<Workload>& workloads,
                     const ::runtime::v1::PodSandboxConfig& pod, const std::string& container,
                     ::runtime::v1::LinuxContainerResources* resources);

}  // namespace crisp::pod

#endif  // CRISP_POD_WORKLOADS_H_
