// Resource limits of a container's processes (setrlimit(2)): the defaults that configuration gives.
//
// Contract: runtime-spec config.md "rlimits"; the CRI has no field for them.
// Threads:  free functions; they read this process's own limits.
// Errors:   none: what the machine cannot give is given as far as it can, with a warning, like
//           capabilities.
#ifndef CRISP_OCI_RLIMITS_H_
#define CRISP_OCI_RLIMITS_H_

#include <string>
#include <vector>

#include "oci/spec.h"

namespace crisp::oci {

// "nofile" -> true: the part behind RLIMIT_, in lower case.
bool IsRlimitName(const std::string& name);

// Without CAP_SYS_RESOURCE (`may_raise`) hard limits are those of this process at most: runtimes
// would fail on higher ones, and with them each container.
std::vector<Rlimit> ClampRlimits(std::vector<Rlimit> wanted, bool may_raise);

}  // namespace crisp::oci

#endif  // CRISP_OCI_RLIMITS_H_
