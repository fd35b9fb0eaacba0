// AppArmor: which profile a container's process gets.
//
// What:     the choice from the CRI's two fields, the check that a named profile is loaded, and the
//           loading of crisp's default profile when it is first needed; one with the text of
//           another crisp is replaced, which holds for running containers, too.
// Contract: cri-contract 9.8. The field `apparmor` wins over the deprecated string. On hosts
//           without AppArmor nothing but Localhost is an error; where crispd cannot see the
//           profiles or lacks apparmor_parser, containers have no default one.
// Threads:  free functions. Loading the default profile twice at the same moment is harmless.
// Errors:   kNotFound for a profile that is not loaded; kFailedPrecondition for Localhost on a host
//           without AppArmor; kInvalidArgument for a malformed value.
#ifndef CRISP_OCI_APPARMOR_H_
#define CRISP_OCI_APPARMOR_H_

#include <string>

#include "base/core/result.h"
#include "oci/host_facts.h"
#include "oci/spec_builder.h"

namespace crisp::oci {

inline constexpr const char* kDefaultApparmorProfile = "crisp-default";

// For the start of the daemon: replaces a default profile with another text. Does not load one
// where there is none. What goes wrong is logged.
void RefreshDefaultApparmor(const HostFacts& host, Reaper* reaper);

// The profile's name for the spec; empty: none.
Result<std::string> ResolveApparmor(const ContainerRequest& request, const HostFacts& host);

}  // namespace crisp::oci

#endif  // CRISP_OCI_APPARMOR_H_
