#include "pod/volume_copy.h"

#include <limits.h>
#include <sys/sendfile.h>
#include <unistd.h>

namespace crisp::pod {
namespace {

Status CopyAttributes(int fd, const struct stat& st) {
  // chown first: it clears set-id bits.
  if (::fchown(fd, st.st_uid, st.st_gid) != 0) return Errno("chown");
  if (::fchmod(fd, st.st_mode & 07777) != 0) return Errno("chmod");
  const timespec times[2] = {st.st_atim, st.st_mtim};
  if (::futimens(fd, times) != 0) return Errno("set times");
  return OkStatus();
}

Status CopyFile(int from_dir, int to_dir, const std::string& name, const struct stat& st) {
  const UniqueFd from = CRISP_TRY(OpenAt(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  const UniqueFd to = CRISP_TRY(OpenAt(to_dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600));
  for (;;) {
    const ssize_t n = ::copy_file_range(from.get(), nullptr, to.get(), nullptr, 1 << 30, 0);
    if (n == 0) break;
    if (n > 0) continue;
    if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
      return Errno("copy ", name);
    }
    ssize_t sent;
    while ((sent = ::sendfile(to.get(), from.get(), nullptr, 1 << 30)) > 0) {
    }
    if (sent < 0) return Errno("copy ", name);
    break;
  }
  return CopyAttributes(to.get(), st).Wrap(name);
}

Status CopySymlink(int from_dir, int to_dir, const std::string& name, const struct stat& st) {
  char target[PATH_MAX];
  const ssize_t n = ::readlinkat(from_dir, name.c_str(), target, sizeof(target) - 1);
  if (n < 0) return Errno("read link ", name);
  target[n] = '\0';
  if (::symlinkat(target, to_dir, name.c_str()) != 0) return Errno("make link ", name);
  if (::fchownat(to_dir, name.c_str(), st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return Errno("chown ", name);
  }
  return OkStatus();
}

Status CopyTree(const DirFd& from, const DirFd& to, int depth) {
  if (depth > 128) return InvalidArgument("directories are nested deeper than 128");
  for (const std::string& name : CRISP_TRY(from.List())) {
    struct stat st {};
    if (::fstatat(from.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      return Errno("stat ", name);
    }
    if (S_ISREG(st.st_mode)) {
      CRISP_RETURN_IF_ERROR(CopyFile(from.get(), to.get(), name, st));
    } else if (S_ISLNK(st.st_mode)) {
      CRISP_RETURN_IF_ERROR(CopySymlink(from.get(), to.get(), name, st));
    } else if (S_ISDIR(st.st_mode)) {
      if (::mkdirat(to.get(), name.c_str(), 0700) != 0) return Errno("make directory ", name);
      const DirFd from_child(
          CRISP_TRY(OpenAt(from.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)));
      const DirFd to_child(CRISP_TRY(OpenAt(to.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)));
      CRISP_RETURN_IF_ERROR(CopyTree(from_child, to_child, depth + 1).Wrap(name));
      CRISP_RETURN_IF_ERROR(CopyAttributes(to_child.get(), st).Wrap(name));
    }
  }
  return OkStatus();
}

}  // namespace

Status CopyVolumeContent(const DirFd& rootfs, const std::string& path, const std::string& target) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(target));
  auto source = rootfs.OpenInRoot(path, O_RDONLY | O_DIRECTORY);
  if (!source.ok()) {
    return source.status().code() == Code::kNotFound ? OkStatus() : source.status();
  }
  const DirFd from(std::move(source).value());
  const DirFd to = CRISP_TRY(DirFd::Open(target));
  CRISP_RETURN_IF_ERROR(CopyTree(from, to, 0));
  struct stat st {};
  if (::fstat(from.get(), &st) != 0) return Errno("stat ", path);
  return CopyAttributes(to.get(), st).Wrap(path);
}

}  // namespace crisp::pod
