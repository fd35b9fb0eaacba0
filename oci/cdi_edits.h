// Applying what CDI devices change to a container's spec.
//
// Contract: CDI SPEC.md "OCI Edits" and "Error Handling"; cri-contract 8.3.
// Threads:  free functions; they look at the host's devices, mount sources and hook programs.
// Errors:   kNotFound for what is missing on the host, kInvalidArgument for what cannot be,
//           kFailedPrecondition for what the runtime cannot do; each names the device and its file.
#ifndef CRISP_OCI_CDI_EDITS_H_
#define CRISP_OCI_CDI_EDITS_H_

#include "base/core/result.h"
#include "oci/cdi.h"
#include "oci/spec_parts.h"

namespace crisp::oci {

// All that the request names: ContainerRequest::cdi_devices, then the annotations. `spec` has its
// process, devices and mounts already.
Status ApplyCdi(const ContainerRequest& request, Spec* spec);

Status ApplyCdiEdits(const ContainerRequest& request, const CdiEdits& edits, Spec* spec);

}  // namespace crisp::oci

#endif  // CRISP_OCI_CDI_EDITS_H_
