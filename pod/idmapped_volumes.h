// Volumes of containers in a user namespace: idmapped copies of their mounts, for the runtime.
//
// What:     a CRI mount with uidMappings and gidMappings is copied (open_tree), its ids are mapped
//           by the pod's user namespace, and the copy is attached to <container state>/mounts/<n>,
//           which is what the OCI runtime binds into the container. The runtimes' own support came
//           later (runc 1.2) or takes mappings in another form (crun).
// Contract: cri-contract 6.2, 8.2; base/core/idmapped_mount.h.
// Life:     the copies go as soon as the runtime has made the container: they would keep the
//           volume's file system in use after the kubelet has unmounted it.
// Submounts of a volume are mapped with it or, where one of them cannot be (a pseudo file system),
//           not at all: then their files belong to nobody in the container.
// Threads:  jobs of the sandbox's strand.
// Errors:   kFailedPrecondition names the mount and its file system.
#ifndef CRISP_POD_IDMAPPED_VOLUMES_H_
#define CRISP_POD_IDMAPPED_VOLUMES_H_

#include <string>

#include "base/core/result.h"
#include "pod/container.h"

namespace crisp::pod {

// Whether mount number `index` of the container's config gets a copy, and where.
bool IsIdmapped(const v1::Mount& mount);
std::string IdmappedPath(const ContainerPaths& paths, int index);

Status MakeIdmappedVolumes(const Container& container);
// Unmounts and removes what is there. Takes nothing but the id.
Status EnsureIdmappedVolumesGone(const ContainerPaths& paths);

}  // namespace crisp::pod

#endif  // CRISP_POD_IDMAPPED_VOLUMES_H_
