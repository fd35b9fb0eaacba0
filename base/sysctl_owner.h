// Which namespace has a sysctl, by its name with dots.
//
// Contract: Kubernetes, "Using sysctls in a cluster"; namespaces(7). What is of no namespace is the
//           host's: no pod may set it.
// Threads:  a free function.
#ifndef CRISP_BASE_SYSCTL_OWNER_H_
#define CRISP_BASE_SYSCTL_OWNER_H_

#include <string_view>

namespace crisp {

enum class SysctlOwner { kNetwork, kIpc, kHost };

SysctlOwner OwnerOfSysctl(std::string_view name);

}  // namespace crisp

#endif  // CRISP_BASE_SYSCTL_OWNER_H_
