#include "base/core/dir_fd.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>

namespace crisp {
namespace {

Result<UniqueFd> OpenResolved(int dir, const std::string& path, int flags, mode_t mode,
                              uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
  how.mode = mode;
  how.resolve = resolve | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: a rename or mount raced with the walk (openat2(2)); the kernel asks for a retry.
  for (int attempt = 0; attempt < 64; ++attempt) {
    UniqueFd fd(static_cast<int>(
        ::syscall(SYS_openat2, dir, path.empty() ? "." : path.c_str(), &how, sizeof(how))));
    if (fd) return fd;
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return Errno("open ", path);
}

struct DirCloser {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

Result<std::vector<std::string>> ListNames(int dir_fd) {
  UniqueFd copy(::openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy) return Errno("open directory");
  std::unique_ptr<DIR, DirCloser> dir(::fdopendir(copy.get()));
  if (!dir) return Errno("read directory");
  (void)copy.Release();  // owned by `dir` now
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) {
      if (errno != 0) return Errno("read directory");
      return names;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
}

// Deeper directories are first moved up to the top: a path on disk can be deeper than any limit on
// descriptors or stack (only what one system call takes is bounded by PATH_MAX), and the trees that
// crisp removes were filled by containers.
constexpr int kMaxDepth = 100;

class TreeRemover {
 public:
  // Removes parent/name with all below it.
  static Status Remove(int parent, const std::string& name) {
    if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return OkStatus();
    if (errno != EISDIR && errno != EPERM && errno != EBUSY) return Errno("remove ", name);
    const auto dir = OpenChild(parent, name, errno);
    if (!dir.ok()) return OkIfGone(dir.status());
    TreeRemover remover(dir->get());
    do {
      remover.moved_up_ = false;
      if (::lseek(dir->get(), 0, SEEK_SET) != 0) return Errno("read directory ", name);
      CRISP_RETURN_IF_ERROR(remover.RemoveContents(dir->get(), 1).Wrap(name));
    } while (remover.moved_up_);
    return RemoveEmpty(parent, name);
  }

 private:
  explicit TreeRemover(int top) : top_(top) {}

  // RESOLVE_NO_XDEV sees every mount, bind mounts of the same file system included, which a
  // comparison of device numbers does not.
  static Result<UniqueFd> OpenChild(int parent, const std::string& name, int unlink_errno) {
    auto dir = OpenResolved(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                            RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
    if (dir.ok()) return dir;
    if (dir.status().sys_errno() == EXDEV) {
      return ErrnoStatus(EBUSY, Cat("remove ", name, ": something is mounted there"));
    }
    if (dir.status().sys_errno() == ENOTDIR) {
      return ErrnoStatus(unlink_errno, Cat("remove ", name));
    }
    return dir;
  }

  // Somebody else removes the tree, too.
  static Status OkIfGone(const Status& status) {
    return status.sys_errno() == ENOENT ? OkStatus() : status;
  }

  static Status RemoveEmpty(int parent, const std::string& name) {
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
      return Errno("remove ", name);
    }
    return OkStatus();
  }

  // Piece by piece: containers may leave more names in one directory than fit into memory. What has
  // not been read yet keeps its place when names before it go; rm(1) relies on that, too.
  Status RemoveContents(int dir_fd, int depth) {
    for (;;) {
      const std::vector<std::string> names = CRISP_TRY(ReadNames(dir_fd));
      if (names.empty()) return OkStatus();
      for (const std::string& name : names) {
        if (name == "." || name == "..") continue;
        CRISP_RETURN_IF_ERROR(RemoveEntry(dir_fd, name, depth));
      }
    }
  }

  // The next ones, "." and ".." among them; none: the directory ends here.
  Result<std::vector<std::string>> ReadNames(int dir_fd) {
    const ssize_t size = ::getdents64(dir_fd, buffer_.data(), buffer_.size());
    std::vector<std::string> names;
    if (size < 0 && errno == ENOENT) return names;  // somebody else has removed it
    if (size < 0) return Errno("read directory");
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer_.data() + at);
      names.emplace_back(entry->d_name);
      at += entry->d_reclen;
    }
    return names;
  }

  Status RemoveEntry(int parent, const std::string& name, int depth) {
    if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return OkStatus();
    if (errno != EISDIR && errno != EPERM && errno != EBUSY) return Errno("remove ", name);
    const auto child = OpenChild(parent, name, errno);
    if (!child.ok()) return OkIfGone(child.status());
    if (depth >= kMaxDepth) return MoveUp(parent, name);
    CRISP_RETURN_IF_ERROR(RemoveContents(child->get(), depth + 1).Wrap(name));
    return RemoveEmpty(parent, name);
  }

  Status MoveUp(int parent, const std::string& name) {
    for (;;) {
      const std::string there = Cat(".removed.", next_name_++);
      if (::renameat2(parent, name.c_str(), top_, there.c_str(), RENAME_NOREPLACE) == 0) break;
      if (errno != EEXIST) return Errno("move ", name, " up");
    }
    moved_up_ = true;
    return OkStatus();
  }

  const int top_;
  alignas(dirent64) std::array<char, 32 << 10> buffer_;  // getdents64(2)'s; one for all levels
  bool moved_up_ = false;
  int next_name_ = 0;
};

}  // namespace

Result<DirFd> DirFd::Open(const std::string& path) {
  return DirFd(CRISP_TRY(OpenFile(path, O_RDONLY | O_DIRECTORY)));
}

Result<DirFd> DirFd::OpenOrCreate(const std::string& path, mode_t mode) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(path, mode));
  return Open(path);
}

Result<UniqueFd> DirFd::OpenBeneath(const std::string& path, int flags, mode_t mode) const {
  return OpenResolved(get(), path, flags, mode, RESOLVE_BENEATH);
}

Result<UniqueFd> DirFd::OpenInRoot(const std::string& path, int flags, mode_t mode) const {
  return OpenResolved(get(), path, flags, mode, RESOLVE_IN_ROOT);
}

Result<DirFd> DirFd::OpenDir(const std::string& path) const {
  return DirFd(CRISP_TRY(OpenBeneath(path, O_RDONLY | O_DIRECTORY)));
}

Result<DirFd> DirFd::EnsureDirInRoot(const std::string& path, mode_t mode) const {
  std::string done = "/";
  std::string_view rest = path;
  DirFd parent(CRISP_TRY(OpenInRoot("/", O_PATH | O_DIRECTORY)));
  while (!rest.empty()) {
    const size_t slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    if (name.empty() || name == ".") continue;
    done = JoinPath(done, name);
    auto next = OpenInRoot(done, O_PATH | O_DIRECTORY);
    if (!next.ok() && next.status().sys_errno() == ENOENT) {
      if (::mkdirat(parent.get(), name.c_str(), mode) != 0 && errno != EEXIST) {
        return Errno("make directory ", done);
      }
      next = OpenInRoot(done, O_PATH | O_DIRECTORY);
    }
    parent = DirFd(CRISP_TRY(std::move(next)));
  }
  return parent;
}

Result<std::vector<std::string>> DirFd::List() const { return ListNames(get()); }

Status DirFd::RemoveFile(const std::string& name) const {
  if (::unlinkat(get(), name.c_str(), 0) != 0 && errno != ENOENT) return Errno("remove ", name);
  return OkStatus();
}

Status DirFd::RemoveTree(const std::string& name) const { return TreeRemover::Remove(get(), name); }

Status RemoveTreeAt(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos || slash + 1 == path.size()) {
    return InvalidArgument("remove ", path, ": needs a directory and a name");
  }
  auto parent = DirFd::Open(slash == 0 ? "/" : path.substr(0, slash));
  if (!parent.ok()) {
    return parent.status().code() == Code::kNotFound ? OkStatus() : parent.status();
  }
  return parent->RemoveTree(path.substr(slash + 1)).Wrap("remove tree ", path);
}

}  // namespace crisp
