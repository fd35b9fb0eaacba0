// Sysctls of a pod: which ones are namespaced, and writing them (cri-contract section 6.6).
#ifndef CRISP_POD_SYSCTLS_H_
#define CRISP_POD_SYSCTLS_H_

#include <map>
#include <string>

#include "base/core/result.h"
#include "cri-api/api.pb.h"
#include "pod/userns.h"

namespace crisp::pod {

// The pod's sysctls over the defaults that apply to its namespaces. kInvalidArgument for one that
// is not namespaced (net.*, kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.* are) or whose
// namespace is the host's.
Result<std::map<std::string, std::string>> PodSysctls(
    const ::runtime::v1::PodSandboxConfig& config,
    const std::map<std::string, std::string>& defaults);

// Writes them below /proc/sys for the calling thread's namespaces. `root`: whom those namespaces
// belong to, host root or the root of a user namespace: from Linux 6.9 on the kernel lets only the
// latter write the sysctls of IPC. Changes the thread's effective user for that moment.
Status WriteSysctls(const std::map<std::string, std::string>& sysctls, const HostOwner& root = {});

}  // namespace crisp::pod

#endif  // CRISP_POD_SYSCTLS_H_
