// SystemdScope: what a runtime must be told about a container's systemd unit, as annotations of its
// spec (systemd driver only).
//
// Why:      the runtimes make the scope over D-Bus and give it some of the limits as properties,
//           some by writing the kernel's files. systemd writes down what *it* knows whenever its
//           units are read again (daemon-reload: every package installation), and for what it was
//           never told it has defaults. Seen with systemd 252, runc 1.1.5, crun 1.8.1 (2026-11-24):
//           crun tells systemd the CPU weight only. It puts the container into a group
//           "container" below the scope, whose files systemd never touches, and writes the limits
//           there. So that group stays, and is named here, lest another version does otherwise.
//           runc has the container in the scope itself and tells systemd all but a swap limit of
//           0: after a daemon-reload the container could swap.
//           Neither limits tasks unless asked to; systemd does (DefaultTasksMax).
//           A scope that failed (an OOM kill) stays loaded until somebody resets it: CollectMode.
// Contract: systemd.resource-control(5), systemd.unit(5); values are GVariant text, as both
//           runtimes read annotations "org.systemd.property.*".
// Threads:  a free function.
#ifndef CRISP_OCI_SYSTEMD_SCOPE_H_
#define CRISP_OCI_SYSTEMD_SCOPE_H_

#include <map>
#include <string>

#include "oci/runtime.h"
#include "oci/spec.h"

namespace crisp::oci {

// crun's group below the scope (v2).
inline constexpr char kCrunScopeGroup[] = "container";

// `resources`: complete. What is there already stays.
void AddScopeAnnotations(const RuntimeFeatures& features, const LinuxResources& resources,
                         std::map<std::string, std::string>* annotations);

}  // namespace crisp::oci

#endif  // CRISP_OCI_SYSTEMD_SCOPE_H_
