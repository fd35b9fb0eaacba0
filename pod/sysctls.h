// Sysctls of a pod: which ones are namespaced, and writing them (cri-contract section 6.6).
#ifndef CRISP_POD_SYSCTLS_H_
#define CRISP_POD_SYSCTLS_H_

#include <map>
#include <string>

#include "base/core/result.h"
#include "cri-api/api.pb.h"

namespace crisp::pod {

// The pod's sysctls over the defaults that apply to its namespaces. kInvalidArgument for one that
// is not namespaced (net.*, kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.* are) or whose
// namespace is the host's.
Result<std::map<std::string, std::string>> PodSysctls(
    const ::runtime::v1::PodSandboxConfig& config,
    const std::map<std::string, std::string>& defaults);

// Writes them below /proc/sys for the calling thread's namespaces.
Status WriteSysctls(const std::map<std::string, std::string>& sysctls);

}  // namespace crisp::pod

#endif  // CRISP_POD_SYSCTLS_H_
