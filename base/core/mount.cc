#include "base/core/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

namespace crisp {

Status Mount(const std::string& source, const std::string& target, const std::string& type,
             unsigned long flags, const std::string& data) {
  if (::mount(source.c_str(), target.c_str(), type.empty() ? nullptr : type.c_str(), flags,
              data.empty() ? nullptr : data.c_str()) != 0) {
    return Errno("mount ", source, " on ", target);
  }
  return OkStatus();
}

Status BindMount(const std::string& source, const std::string& target, bool recursive) {
  CRISP_RETURN_IF_ERROR(Mount(source, target, "", MS_BIND | (recursive ? MS_REC : 0), ""));
  if (::mount(nullptr, target.c_str(), nullptr, MS_PRIVATE | (recursive ? MS_REC : 0), nullptr) !=
      0) {
    Status status = Errno("make ", target, " private");
    ::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    return status;
  }
  return OkStatus();
}

Status EnsureUnmounted(const std::string& target, bool detach) {
  const int flags = UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0);
  // EINVAL: not a mount point; ENOENT: no such path. Both mean that nothing is left.
  for (int stacked = 0; stacked < 64; ++stacked) {
    if (::umount2(target.c_str(), flags) == 0) continue;
    if (errno == EINVAL || errno == ENOENT) return OkStatus();
    return Errno("unmount ", target);
  }
  return Internal("unmount ", target, ": more than 64 mounts are stacked there");
}

Result<bool> IsMountPoint(const std::string& path) {
  struct statx info {};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, 0, &info) != 0) {
    return Errno("statx ", path);
  }
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

ScopedMount& ScopedMount::operator=(ScopedMount&& other) noexcept {
  if (this != &other) {
    (void)Unmount();
    target_ = std::exchange(other.target_, {});
  }
  return *this;
}

ScopedMount::~ScopedMount() { (void)Unmount(); }

Status ScopedMount::Unmount() {
  if (target_.empty()) return OkStatus();
  return EnsureUnmounted(std::exchange(target_, {}), /*detach=*/true);
}

}  // namespace crisp
