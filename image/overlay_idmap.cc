// Overlays whose layers are seen with mapped ids.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/idmapped_mount.h"
#include "base/core/own_thread.h"
#include "image/overlay.h"

namespace crisp::image {
namespace {

Result<std::vector<UniqueFd>> MapLayers(const OverlayOptions& options) {
  std::vector<UniqueFd> out;
  for (const std::string& name : options.lower) {
    out.push_back(
        CRISP_TRY(CloneIdmapped(JoinPath(options.lower_root, name), options.user_namespace)));
  }
  return out;
}

OverlayOptions WithLayers(const OverlayOptions& options, std::string root,
                          std::vector<std::string> names) {
  OverlayOptions out = options;
  out.user_namespace = -1;
  out.lower_root = std::move(root);
  out.lower = std::move(names);
  return out;
}

// On a thread with a mount namespace of its own, which takes all but the result along when it
// ends, also when the daemon is killed.
Result<UniqueFd> MakeHere(const OverlayOptions& options, const std::vector<UniqueFd>& layers,
                          const std::string& scratch) {
  if (::unshare(CLONE_NEWNS) != 0) return Errno("unshare mounts");
  // Slave: what the host unmounts meanwhile must not be held here.
  if (::mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return Errno("make / slave");
  if (::mount("layers", scratch.c_str(), "tmpfs", 0, "mode=700") != 0) {
    return Errno("mount tmpfs on ", scratch);
  }
  std::vector<std::string> names;
  for (const UniqueFd& layer : layers) {
    names.push_back(Cat(names.size()));
    const std::string place = JoinPath(scratch, names.back());
    if (::mkdir(place.c_str(), 0700) != 0) return Errno("make ", place);
    CRISP_RETURN_IF_ERROR(AttachMount(layer.get(), place));
  }
  const std::string merged = JoinPath(scratch, "merged");
  if (::mkdir(merged.c_str(), 0700) != 0) return Errno("make ", merged);
  CRISP_RETURN_IF_ERROR(
      MountOverlayByOptions(WithLayers(options, scratch, std::move(names)), merged));
  return CloneMount(merged, /*recursive=*/false);
}

}  // namespace

// Linux 6.15 and newer take a detached mount as a layer; older ones want it in the caller's mount
// namespace (fs/namespace.c, clone_private_mount).
Result<UniqueFd> MakeIdmappedOverlay(const OverlayOptions& options) {
  const std::vector<UniqueFd> layers = CRISP_TRY(MapLayers(options));
  std::vector<std::string> names;
  for (const UniqueFd& layer : layers) names.push_back(Cat(layer.get()));
  return MakeDetachedOverlay(WithLayers(options, "/proc/self/fd", std::move(names)));
}

Result<UniqueFd> MakeIdmappedOverlayInNamespace(const OverlayOptions& options,
                                                const std::string& target) {
  // An attempt that failed at its layers has marked the work directory already, and the kernel
  // would refuse it (overlayfs.rst, "Volatile mount": work/incompat/volatile).
  if (!options.work.empty()) CRISP_RETURN_IF_ERROR(RemoveTreeAt(JoinPath(options.work, "work")));
  const std::vector<UniqueFd> layers = CRISP_TRY(MapLayers(options));
  UniqueFd made;
  CRISP_RETURN_IF_ERROR(RunOnOwnThread([&]() -> Status {
    made = CRISP_TRY(MakeHere(options, layers, target));
    return OkStatus();
  }));
  return made;
}

Status MountIdmappedOverlay(const OverlayOptions& options, const std::string& target,
                            const std::function<Result<UniqueFd>(const OverlayOptions&)>& first) {
  auto made = first(options);
  if (!made.ok() && (made.status().code() == Code::kUnimplemented ||
                     made.status().sys_errno() == EINVAL || made.status().sys_errno() == ENOSYS)) {
    made = MakeIdmappedOverlayInNamespace(options, target);
  }
  const UniqueFd mount = CRISP_TRY(std::move(made).Wrap("mount overlay on ", target));
  CRISP_RETURN_IF_ERROR(AttachMount(mount.get(), target));
  if (::mount("", target.c_str(), nullptr, MS_PRIVATE, nullptr) != 0) {
    Status status = Errno("make ", target, " private");
    ::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    return status;
  }
  return OkStatus();
}

}  // namespace crisp::image
