// A runtime handler's base spec: an OCI spec whose settings hold where crisp sets none.
//
// What:     objects are merged key by key, and what crisp writes wins. Lists that are collections
//           are joined: mounts and devices that crisp does not make (by path), environment
//           variables and rlimits that it does not set (by name), allowing device rules, and hooks,
//           those of the base first. Of the security settings that the CRI decides (seccomp,
//           AppArmor, SELinux, capabilities, id mappings), of namespaces, root, host name and the
//           process's arguments and user the base's are dropped.
// Contract: runtime-spec 1.0.2, config.md.
// Threads:  free functions.
// Errors:   kInvalidArgument names the file and the value.
#ifndef CRISP_OCI_BASE_SPEC_H_
#define CRISP_OCI_BASE_SPEC_H_

#include <string>

#include "base/core/result.h"

namespace crisp::oci {

// What Spec::base_json takes, of a file.
Result<std::string> ReadBaseSpec(const std::string& path);
// Of a text.
Result<std::string> ParseBaseSpec(const std::string& text);

}  // namespace crisp::oci

#endif  // CRISP_OCI_BASE_SPEC_H_
