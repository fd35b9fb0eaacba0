// User namespaces of pods: what a request asks for, checked.
//
// Contract: cri-contract 6.2, runtime.v1.UserNamespace: mode POD has exactly one uid and one gid
//           mapping, both from container id 0 on and equally long; it is the same for all
//           containers and all mounts of the pod. What the kernel cannot do in a user namespace is
//           refused here too: sharing the host's PID or IPC namespace (their file systems cannot
//           be mounted, user_namespaces(7)), mounts that propagate to the host.
// Threads:  free functions.
// Errors:   kInvalidArgument names the field, the value and what is allowed.
#ifndef CRISP_POD_USERNS_H_
#define CRISP_POD_USERNS_H_

#include <string>

#include "base/core/result.h"
#include "cri-api/api.pb.h"
#include "oci/spec_builder.h"

namespace crisp::pod {

namespace v1 = ::runtime::v1;

// Whether the pod has a user namespace of its own.
bool HasUserNamespace(const v1::PodSandboxConfig& config);

// The mappings of a pod that has one; its config was checked.
oci::RequestedUserNamespace UserNamespaceOf(const v1::PodSandboxConfig& config,
                                            const std::string& path);

Status CheckUserNamespace(const v1::PodSandboxConfig& config);
// The container's own userns_options (absent: as the pod) and the mappings of its mounts.
Status CheckUserNamespace(const v1::ContainerConfig& config, const v1::PodSandboxConfig& sandbox);

// Owner of what container root shall own on the host: root when the pod has no user namespace.
struct HostOwner {
  uid_t uid = 0;
  gid_t gid = 0;
};
HostOwner ContainerRoot(const v1::PodSandboxConfig& config);
// Without effect for a pod that has no user namespace.
Status GiveToContainerRoot(const v1::PodSandboxConfig& config, const std::string& path);

}  // namespace crisp::pod

#endif  // CRISP_POD_USERNS_H_
