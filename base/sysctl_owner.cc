#include "base/sysctl_owner.h"

namespace crisp {

SysctlOwner OwnerOfSysctl(std::string_view name) {
  if (name.starts_with("net.")) return SysctlOwner::kNetwork;
  if (name.starts_with("kernel.shm") || name.starts_with("kernel.msg") || name == "kernel.sem" ||
      name.starts_with("fs.mqueue.")) {
    return SysctlOwner::kIpc;
  }
  return SysctlOwner::kHost;
}

}  // namespace crisp
