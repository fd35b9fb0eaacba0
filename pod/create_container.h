// The step table of CreateContainer, which is also how a container is removed.
//
//   project_id      of the writable layer, where there are project quotas (layer_quotas.h)
//   directories     /var/lib/crisp/containers/<id>, /run/crisp/containers/<id>
//   quota           the writable layer gets that id and its limit
//   lease           the image's layers stay while the container exists
//   rootfs          overlay on .../merged
//   volumes         the image's VOLUMEs, with the image's content
//   mapped_volumes  idmapped copies of CRI mounts, for pods with a user namespace
//   image_volumes   images that are mounted as volumes, likewise
//   spec            config.json (and passwd) in the bundle
//   monitor         crisp-monitor runs the OCI runtime's create
//   unmap_volumes   the copies go: the container has its own now
//
// Contract: cri-contract 7.1, 7.4, 8. The row is written before the first step and deleted after
//           the last undo by the caller; each undo needs nothing but the row.
// Threads:  jobs of the sandbox's strand (or recovery, before there are others).
#ifndef CRISP_POD_CREATE_CONTAINER_H_
#define CRISP_POD_CREATE_CONTAINER_H_

#include "base/steps.h"
#include "pod/environment.h"
#include "pod/leases.h"

namespace crisp::pod {

struct ContainerContext {
  Environment& env;
  ContainerPtr container;
  Leases& leases;
  oci::MonitorObserver observer;  // for the monitor step
  bool for_image_volume = false;  // what failed was done for an image volume
};

const StepTable<ContainerContext>& CreateContainerTable();

// Undoes everything, killing what still runs.
Status DestroyContainer(ContainerContext& context);

Status ValidateContainerConfig(const v1::ContainerConfig& config, const Sandbox& sandbox);

}  // namespace crisp::pod

#endif  // CRISP_POD_CREATE_CONTAINER_H_
