// Overlay mounts: fsopen/fsconfig with "lowerdir+" where the kernel has it, else mount(2).
//
// Contract: Linux Documentation/filesystems/overlayfs.rst. "lowerdir+" came with Linux 6.8 and
// takes
//           one directory per call, so that neither the 256 bytes of an fsconfig string nor the
//           4096 bytes of mount(2)'s options limit the number of layers. The other way names lower
//           directories relative to a common directory (as /proc/self/mountinfo then shows them),
//           and through /proc/self/fd when that is too long.
// Threads:  any. The old way uses a throwaway thread, because it changes its working directory.
// Errors:   name the target; nothing stays mounted after a failure.
#ifndef CRISP_IMAGE_OVERLAY_H_
#define CRISP_IMAGE_OVERLAY_H_

#include <functional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp::image {

struct OverlayOptions {
  std::string lower_root;          // directory that holds all of `lower`
  std::vector<std::string> lower;  // names in it, topmost first, each once; not empty
  std::string upper;               // absolute; empty: a read-only view
  std::string work;                // on the same file system as `upper`
  // Skip the sync of the upper's file system at unmount (tens of ms): for uppers that nobody mounts
  // again after a crash. overlayfs.rst, "Volatile mount".
  bool volatile_upper = false;
  // A user namespace (descriptor): the layers are seen with their ids mapped by it, so that layers
  // owned by root serve every pod. The upper directory is not mapped: what is made in the overlay
  // has its owner's real ids there, and its own owner must be the namespace's root. -1: none.
  // Needs Linux 5.19 and layers on a file system with idmapped mounts.
  int user_namespace = -1;
  // SELinux context of all files in it (mount(8), "context="); empty: none.
  std::string label;
};

// Mounts on `target` with private propagation.
Status MountOverlay(const OverlayOptions& options, const std::string& target);
// The same, not attached anywhere: the mount goes away with the descriptor (and so with the
// process). kUnimplemented where the kernel has no "lowerdir+".
Result<UniqueFd> MakeDetachedOverlay(const OverlayOptions& options);
// The old way, whatever the kernel has. MountOverlay falls back to it. Not for mapped layers.
Status MountOverlayByOptions(const OverlayOptions& options, const std::string& target);

// An overlay of mapped layers, detached; for kernels that take detached mounts as layers. Others
// (before 6.15) say EINVAL and leave their mark in the work directory.
Result<UniqueFd> MakeIdmappedOverlay(const OverlayOptions& options);
// As MountOverlay with options.user_namespace, which calls it (overlay_idmap.cc). `first` is tried
// first; tests have one that fails as older kernels do.
Status MountIdmappedOverlay(
    const OverlayOptions& options, const std::string& target,
    const std::function<Result<UniqueFd>(const OverlayOptions&)>& first = MakeIdmappedOverlay);
// The way for the older kernels.
Result<UniqueFd> MakeIdmappedOverlayInNamespace(const OverlayOptions& options,
                                                const std::string& target);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_OVERLAY_H_
