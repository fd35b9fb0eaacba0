// RDT classes: control groups of the resctrl file system (cache and memory bandwidth).
//
// What:     a class is a directory that the node's owner made below /sys/fs/resctrl; a container
//           joins it (runtime-spec config-linux.md "IntelRdt": closID without schemata).
// Threads:  a free function; reads the file system.
// Errors:   kFailedPrecondition where resctrl is not mounted; kInvalidArgument for a class that
//           does not exist or is no name.
#ifndef CRISP_OCI_RESCTRL_H_
#define CRISP_OCI_RESCTRL_H_

#include <string>

#include "base/core/result.h"
#include "oci/host_facts.h"

namespace crisp::oci {

Status CheckRdtClass(const std::string& name, const HostFacts& host);

}  // namespace crisp::oci

#endif  // CRISP_OCI_RESCTRL_H_
