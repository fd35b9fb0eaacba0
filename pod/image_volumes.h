// Image volumes: mounts of a container whose source is an image or an OCI artifact.
//
// What:     each image is mounted read-only once, on <container state>/mounts/<image>, next to the
//           idmapped volumes, and what a mount names of it is bound into the container by the OCI
//           runtime. The copies go as soon as the container is made, as theirs do
//           (idmapped_volumes.h); a lease keeps the image's layers until the container is removed.
// Contract: cri-contract 8.2 "image volumes", 12.5; section 1 for kImageVolumePrefix.
// Threads:  jobs of the sandbox's strand (or recovery, before there are others).
// Errors:   name the mount. kNotFound (image or sub path), kInvalidArgument (what was asked for).
#ifndef CRISP_POD_IMAGE_VOLUMES_H_
#define CRISP_POD_IMAGE_VOLUMES_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/image_service.h"
#include "oci/spec_builder.h"
#include "pod/container.h"
#include "pod/leases.h"

namespace crisp::pod {

// How the message of a CreateContainer begins that failed for an image volume; the kubelet counts
// those.
inline constexpr char kImageVolumePrefix[] = "ImageVolumeMountFailed";

bool IsImageVolume(const v1::Mount& mount);

// The ids of the images, one for each image volume of `config`, in its order.
Result<std::vector<std::string>> FindImageVolumes(const image::ImageService& images,
                                                  const v1::ContainerConfig& config);

// One lease for each different image of the container's row.
Result<std::vector<image::LeasePtr>> AcquireImageVolumes(image::ImageService& images,
                                                         const Container& container);

// `leases`: what AcquireImageVolumes gave. `view`: of the container's rootfs.
Status MountImageVolumes(image::ImageService& images, const Container& container,
                         const std::vector<image::LeasePtr>& leases,
                         const image::MountOptions& view);

// The sources and options of image volumes in `mounts`, which has one entry for each mount of the
// config. Sub paths are resolved inside the image.
Status FillImageVolumes(const Container& container, std::vector<oci::RequestedMount>* mounts);

}  // namespace crisp::pod

#endif  // CRISP_POD_IMAGE_VOLUMES_H_
