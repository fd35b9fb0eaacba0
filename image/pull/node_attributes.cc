#include "image/pull/node_attributes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <functional>

#include "image/pull/layer_path.h"

namespace crisp::image {
namespace {

constexpr char kOpaqueAttribute[] = "trusted.overlay.opaque";

bool IsOfOverlayfs(std::string_view name) {
  return name.starts_with("trusted.overlay.") || name == "trusted.overlay";
}

using Setter = std::function<int(const char* name, const std::string& value)>;

Status SetXattrs(const TarEntry& entry, const Setter& set) {
  for (const auto& [name, value] : entry.xattrs) {
    if (IsOfOverlayfs(name)) {
      return InvalidArgument("attribute ", PrintablePath(name),
                             " is not allowed in a layer: overlayfs would take it for its own");
    }
    if (!IsOfImage(name)) continue;
    if (set(name.c_str(), value) == 0) continue;
    // Symlinks and devices take no user attributes, and some file systems know no ACLs.
    const bool optional = name != "security.capability";
    if (optional && (errno == ENOTSUP || errno == EPERM)) continue;
    return Errno("set attribute ", PrintablePath(name));
  }
  return OkStatus();
}

// The access time has no place in most archives: it becomes the modification time.
struct Times {
  explicit Times(const TarEntry& entry) {
    both[0] = both[1] = {.tv_sec = entry.mtime_s, .tv_nsec = entry.mtime_ns};
  }
  timespec both[2];
};

}  // namespace

Status SetAttributes(int fd, const TarEntry& entry, bool times) {
  if (::fchown(fd, entry.uid, entry.gid) != 0) {
    return Errno("set owner ", entry.uid, ':', entry.gid);
  }
  if (::fchmod(fd, entry.mode) != 0) return Errno("set mode");
  CRISP_RETURN_IF_ERROR(SetXattrs(entry, [fd](const char* name, const std::string& value) {
    return ::fsetxattr(fd, name, value.data(), value.size(), 0);
  }));
  if (times && ::futimens(fd, Times(entry).both) != 0) return Errno("set time");
  return OkStatus();
}

Status SetAttributesAt(int parent, const std::string& name, const TarEntry& entry) {
  if (::fchownat(parent, name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return Errno("set owner ", entry.uid, ':', entry.gid);
  }
  if (entry.type != TarType::kSymlink && ::fchmodat(parent, name.c_str(), entry.mode, 0) != 0) {
    return Errno("set mode");
  }
  const std::string path = Cat("/proc/self/fd/", parent, '/', name);
  CRISP_RETURN_IF_ERROR(SetXattrs(entry, [&](const char* attribute, const std::string& value) {
    return ::lsetxattr(path.c_str(), attribute, value.data(), value.size(), 0);
  }));
  if (::utimensat(parent, name.c_str(), Times(entry).both, AT_SYMLINK_NOFOLLOW) != 0) {
    return Errno("set time");
  }
  return OkStatus();
}

bool IsOfImage(std::string_view attribute) {
  if (IsOfOverlayfs(attribute)) return false;
  return attribute.starts_with("user.") || attribute.starts_with("trusted.") ||
         attribute == "security.capability" || attribute.starts_with("system.posix_acl_");
}

Status SetOpaque(int directory) {
  const std::string path = Cat("/proc/self/fd/", directory);
  if (::setxattr(path.c_str(), kOpaqueAttribute, "y", 1, 0) != 0) return Errno("make opaque");
  return OkStatus();
}

Status MakeWhiteout(int parent, const std::string& name) {
  if (::mknodat(parent, name.c_str(), S_IFCHR, makedev(0, 0)) != 0) return Errno("make whiteout");
  return OkStatus();
}

Result<NodeKind> KindOf(int parent, const std::string& name) {
  struct stat info;
  if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return NodeKind{};
    return Errno("stat");
  }
  NodeKind kind;
  kind.exists = true;
  kind.directory = S_ISDIR(info.st_mode);
  kind.symlink = S_ISLNK(info.st_mode);
  kind.whiteout = S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0);
  return kind;
}

}  // namespace crisp::image
