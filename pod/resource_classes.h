// Classes of resources that pods ask for by annotation: block I/O and RDT.
//
// Contract: the annotations that containerd and CRI-O read. The container's own
//           "io.kubernetes.cri.<kind>-class" wins over the pod's
//           "<kind>.resources.beta.kubernetes.io/container.<name>", which wins over ".../pod".
// Threads:  free functions.
// Errors:   kInvalidArgument names the annotation and the classes that are allowed.
#ifndef CRISP_POD_RESOURCE_CLASSES_H_
#define CRISP_POD_RESOURCE_CLASSES_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "cri-api/api.pb.h"
#include "oci/blockio.h"
#include "oci/spec_builder.h"

namespace crisp::pod {

// `kind`: "blockio" or "rdt". Empty: none is asked for.
std::string AskedClass(const std::string& kind, const ::runtime::v1::PodSandboxConfig& pod,
                       const ::runtime::v1::ContainerConfig& container);

// Into request->resources.block_io and request->rdt_class.
Status FillClasses(const oci::BlockioClasses& blockio, const std::vector<std::string>& rdt,
                   const ::runtime::v1::PodSandboxConfig& pod,
                   const ::runtime::v1::ContainerConfig& container, oci::ContainerRequest* request);

}  // namespace crisp::pod

#endif  // CRISP_POD_RESOURCE_CLASSES_H_
