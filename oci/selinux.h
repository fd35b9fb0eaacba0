// SELinux: process and mount labels.
//
// Contract: cri-contract 9.9. On hosts without SELinux everything is ignored. Empty parts of the
//           options come from system_u:system_r:container_t; the mount label is
//           system_u:object_r:container_file_t with the same level.
// Threads:  free functions.
// Errors:   kInvalidArgument for a malformed level, naming it.
#ifndef CRISP_OCI_SELINUX_H_
#define CRISP_OCI_SELINUX_H_

#include <string>

#include "base/core/result.h"
#include "oci/host_facts.h"
#include "oci/spec_builder.h"

namespace crisp::oci {

struct SelinuxLabels {
  std::string process;
  std::string mount;
};

Result<SelinuxLabels> ResolveSelinux(const ContainerRequest& request, const HostFacts& host);

// Sets `label` on `path` and all below it, not through symlinks. Directories of the system itself
// (/, /etc, /usr...) are left alone: relabelling them would break the host.
Status RelabelTree(const std::string& path, const std::string& label);

}  // namespace crisp::oci

#endif  // CRISP_OCI_SELINUX_H_
