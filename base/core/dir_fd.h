// DirFd: a directory held by descriptor, and the safe ways to reach what is below it.
//
// Contract: OpenBeneath and OpenInRoot use openat2(2) (RESOLVE_BENEATH / RESOLVE_IN_ROOT, always
//           RESOLVE_NO_MAGICLINKS), so that a path or symlink made by somebody else (an image, a
//           container) never leads outside. Reopen with O_PATH and /proc/self/fd for mounts.
// Threads:  const methods may run in parallel.
#ifndef CRISP_BASE_CORE_DIR_FD_H_
#define CRISP_BASE_CORE_DIR_FD_H_

#include <string>
#include <vector>

#include "base/core/file.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

class DirFd {
 public:
  DirFd() = default;
  explicit DirFd(UniqueFd fd) : fd_(std::move(fd)) {}

  static Result<DirFd> Open(const std::string& path);
  // Makes the directory (parents too) when it is missing.
  static Result<DirFd> OpenOrCreate(const std::string& path, mode_t mode = 0755);

  int get() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }

  // Fails with EXDEV when `path` (or a symlink in it) leaves this directory.
  Result<UniqueFd> OpenBeneath(const std::string& path, int flags, mode_t mode = 0) const;
  // Absolute paths and symlinks are resolved as if this directory were "/".
  Result<UniqueFd> OpenInRoot(const std::string& path, int flags, mode_t mode = 0) const;
  Result<DirFd> OpenDir(const std::string& path) const;
  // Makes the directory `path` with its parents, resolved as in OpenInRoot; returns it (O_PATH).
  Result<DirFd> EnsureDirInRoot(const std::string& path, mode_t mode = 0755) const;

  // One level: names without "." and "..", in directory order.
  Result<std::vector<std::string>> List() const;
  // unlink; missing is fine.
  Status RemoveFile(const std::string& name) const;
  // Removes `name` with all below it, never through a symlink or into a mount (EBUSY is
  // reported); missing is fine.
  Status RemoveTree(const std::string& name) const;

 private:
  UniqueFd fd_;
};

// RemoveTree for a path: removes the last component.
Status RemoveTreeAt(const std::string& path);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_DIR_FD_H_
