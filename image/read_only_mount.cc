#include "image/read_only_mount.h"

#include <sys/mount.h>

#include "base/core/file.h"
#include "base/core/mount.h"
#include "image/overlay.h"
#include "image/store_paths.h"

namespace crisp::image {
namespace {

constexpr unsigned long kFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

Status MountLayers(const std::string& layers_dir, std::vector<std::string> lower,
                   const std::string& target, const MountOptions& view) {
  // Nothing to lay over anything: the same directory twice is refused.
  if (lower.empty()) return BindMount(JoinPath(layers_dir, kEmptyLayer), target);
  if (lower.size() == 1) lower.push_back(kEmptyLayer);
  OverlayOptions options;
  options.lower_root = layers_dir;
  options.lower = std::move(lower);
  options.user_namespace = view.user_namespace;
  options.label = view.label;
  return MountOverlay(options, target);
}

}  // namespace

Status MountReadOnly(const std::string& layers_dir, std::vector<std::string> lower,
                     const std::string& target, const MountOptions& view) {
  CRISP_RETURN_IF_ERROR(MountLayers(layers_dir, std::move(lower), target, view));
  ScopedMount mounted(target);
  if (::mount("", target.c_str(), nullptr, MS_REMOUNT | MS_BIND | kFlags, nullptr) != 0) {
    return Errno("make ", target, " read-only");
  }
  (void)mounted.Release();
  return OkStatus();
}

}  // namespace crisp::image
