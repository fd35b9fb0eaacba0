// From the CRI's messages to oci::ContainerRequest, field by field: the oci room does not see
// protobuf.
//
// Errors: kInvalidArgument names the field; kFailedPrecondition for a TARGET that does not run.
#ifndef CRISP_POD_CONTAINER_REQUEST_H_
#define CRISP_POD_CONTAINER_REQUEST_H_

#include "oci/spec_builder.h"
#include "pod/environment.h"

namespace crisp::pod {

// Everything but image volumes and the mounted rootfs, which the create steps add.
Result<oci::ContainerRequest> MakeContainerRequest(const Environment& env,
                                                   const Container& container,
                                                   const image::ImageConfig& image);

// What the OCI's terms cannot say; oci::CompleteResources checks the rest.
Status CheckNumbers(const v1::LinuxContainerResources& resources);
// The CRI's limits in the OCI's terms; 0 and empty mean "not set" (cri-contract 8.4). BuildSpec, or
// oci::CompleteResources for an update, makes them complete.
oci::LinuxResources ToOciResources(const v1::LinuxContainerResources& resources);

// The PID namespace that the container joins: a path, "" for a new one, empty for the host's.
Result<std::optional<std::string>> PidNamespace(const Environment& env, const Container& container);

// A mode of a newer CRI: what is asked for cannot be guessed. `field` is network, ipc or pid.
Status CheckNamespaceMode(std::string_view field, v1::NamespaceMode mode);

// Whether a mount of the CRI is at `path`, however the two are written: a volume that the image
// declares there is not wanted then (cri-contract 8.2).
bool HasMountAt(const v1::ContainerConfig& config, const std::string& path);

}  // namespace crisp::pod

#endif  // CRISP_POD_CONTAINER_REQUEST_H_
