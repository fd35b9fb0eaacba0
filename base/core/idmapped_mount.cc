#include "base/core/idmapped_mount.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <array>
#include <cstdio>

namespace crisp {
namespace {

struct NamedMagic {
  uint64_t magic;
  const char* name;
};
// statfs(2). What volumes and nodes usually are.
constexpr std::array kNames = {
    NamedMagic{EXT4_SUPER_MAGIC, "ext4"},
    NamedMagic{XFS_SUPER_MAGIC, "xfs"},
    NamedMagic{BTRFS_SUPER_MAGIC, "btrfs"},
    NamedMagic{TMPFS_MAGIC, "tmpfs"},
    NamedMagic{OVERLAYFS_SUPER_MAGIC, "overlay"},
    NamedMagic{NFS_SUPER_MAGIC, "nfs"},
    NamedMagic{FUSE_SUPER_MAGIC, "fuse"},
    NamedMagic{PROC_SUPER_MAGIC, "proc"},
    NamedMagic{SYSFS_MAGIC, "sysfs"},
    NamedMagic{CGROUP_SUPER_MAGIC, "cgroup"},
    NamedMagic{CGROUP2_SUPER_MAGIC, "cgroup2"},
    NamedMagic{DEBUGFS_MAGIC, "debugfs"},
    NamedMagic{TRACEFS_MAGIC, "tracefs"},
    NamedMagic{DEVPTS_SUPER_MAGIC, "devpts"},
    NamedMagic{RAMFS_MAGIC, "ramfs"},
    NamedMagic{HUGETLBFS_MAGIC, "hugetlbfs"},
};

}  // namespace

std::string FileSystemName(const std::string& path) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0) return "unknown";
  const auto magic = static_cast<uint64_t>(static_cast<uint32_t>(info.f_type));
  for (const NamedMagic& known : kNames) {
    if (known.magic == magic) return known.name;
  }
  std::array<char, 24> hex{};
  std::snprintf(hex.data(), hex.size(), "0x%lx", static_cast<unsigned long>(magic));
  return hex.data();
}

Result<UniqueFd> CloneMount(const std::string& path, bool recursive) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  UniqueFd mount(::open_tree(AT_FDCWD, path.c_str(), flags));
  if (!mount) return Errno("copy the mount at ", path);
  return mount;
}

Status MapMountIds(int mount, int user_namespace, bool recursive, const std::string& path) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<uint64_t>(user_namespace);
  const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  if (::mount_setattr(mount, "", flags, &attributes, sizeof(attributes)) == 0) return OkStatus();
  const int error = errno;
  if (error == EINVAL || error == ENOSYS || error == EOPNOTSUPP) {
    return ErrnoStatus(error, Cat("map the ids of ", path, ": its file system (",
                                  FileSystemName(path), ") or this kernel has no idmapped mounts"))
        .WithCode(Code::kFailedPrecondition);
  }
  return ErrnoStatus(error, Cat("map the ids of ", path));
}

Status SetPropagation(int mount, uint64_t propagation, const std::string& path) {
  mount_attr attributes{};
  attributes.propagation = propagation;
  if (::mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) !=
      0) {
    return Errno("set the propagation of a copy of ", path);
  }
  return OkStatus();
}

Result<UniqueFd> CloneIdmapped(const std::string& path, int user_namespace) {
  UniqueFd mount = CRISP_TRY(CloneMount(path, /*recursive=*/false));
  CRISP_RETURN_IF_ERROR(MapMountIds(mount.get(), user_namespace, /*recursive=*/false, path));
  return mount;
}

Status AttachMount(int mount, const std::string& target) {
  if (::move_mount(mount, "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return Errno("attach a mount to ", target);
  }
  return OkStatus();
}

}  // namespace crisp
