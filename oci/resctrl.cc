#include "oci/resctrl.h"

#include "base/core/file.h"

namespace crisp::oci {

Status CheckRdtClass(const std::string& name, const HostFacts& host) {
  const std::string& mount = host.resctrl_directory;
  // resctrl(5) of the kernel (x86/resctrl.rst): these directories are not groups.
  const bool reserved = name == "info" || name == "mon_data" || name == "mon_groups";
  if (name.empty() || reserved || name.front() == '.' || name.find('/') != std::string::npos) {
    return InvalidArgument("RDT class '", name, "' is not the name of a group below ", mount);
  }
  if (!PathExists(JoinPath(mount, "schemata"))) {
    return FailedPrecondition("RDT class '", name, "': resctrl is not mounted at ", mount,
                              " (mount -t resctrl resctrl ", mount,
                              "; the processor must support RDT)");
  }
  if (!PathExists(JoinPath(JoinPath(mount, name), "schemata"))) {
    return InvalidArgument("RDT class '", name, "' does not exist below ", mount);
  }
  return OkStatus();
}

}  // namespace crisp::oci
