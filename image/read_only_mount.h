// MountReadOnly: what an image's layers show together, for nobody to change.
//
// Contract: cri-contract 8.2, "image volumes"; Linux overlayfs.rst ("at least two lower layers"
//           without an upper one), mount(2).
// Threads:  any.
// Errors:   name the target; nothing stays mounted after a failure.
#ifndef CRISP_IMAGE_READ_ONLY_MOUNT_H_
#define CRISP_IMAGE_READ_ONLY_MOUNT_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/image_service.h"

namespace crisp::image {

// `lower`: names in `layers_dir`, topmost first, may be empty. read-only, nosuid, nodev, noexec.
Status MountReadOnly(const std::string& layers_dir, std::vector<std::string> lower,
                     const std::string& target, const MountOptions& view);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_READ_ONLY_MOUNT_H_
