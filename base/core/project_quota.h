// ProjectQuota: project ids of directories, and the quota of the file system that they are on.
//
// What:     accounting and limits per project id on ext4 and xfs (ioctl_xfs_fsgetxattr(2),
//           quotactl(2)). A directory that carries an id gives it to everything that is made in it.
// Contract: what the kernel says of this file system at Open is believed afterwards. Through
//           quotactl_fd(2) (Linux 5.14), else by the device's path.
// Threads:  const methods may run in parallel.
// Persistence: ids and limits are the file system's; both survive a reboot.
// Errors:   kUnimplemented: no project quota here; the message says why and what would make one.
// After a failed SetLimit the limit is what it was.
#ifndef CRISP_BASE_CORE_PROJECT_QUOTA_H_
#define CRISP_BASE_CORE_PROJECT_QUOTA_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/core/dir_fd.h"
#include "base/core/result.h"

namespace crisp {

struct ProjectLimit {
  uint64_t bytes = 0;  // rounded up to KiB; 0: none
  uint64_t inodes = 0;
  bool none() const { return bytes == 0 && inodes == 0; }
};

struct ProjectUsage {
  uint64_t bytes = 0;
  uint64_t inodes = 0;
  ProjectLimit limit;  // hard
  // Nobody has files or limits under this id.
  bool unused() const { return bytes == 0 && inodes == 0 && limit.none(); }
};

class ProjectQuota {
 public:
  enum class Access { kByDescriptor, kByDevice };

  // Of the file system of this directory. `access`: for tests; what the kernel has is preferred.
  static Result<ProjectQuota> Open(const std::string& directory,
                                   std::optional<Access> access = std::nullopt);

  // For what is to have this limit below `directory`. nullopt: there is no project quota, or it
  // cannot be used, and no limit is wanted; then `why_not` is set. kFailedPrecondition: nothing
  // would hold the limit.
  static Result<std::optional<ProjectQuota>> OpenFor(const ProjectLimit& limit,
                                                     const std::string& directory, Status* why_not);

  // Whether limits hold; without, there is accounting only.
  bool enforces() const { return enforces_; }
  const std::string& file_system() const { return file_system_; }  // "ext4"

  Result<ProjectUsage> Get(uint32_t id) const;
  Status SetLimit(uint32_t id, const ProjectLimit& limit) const;

 private:
  explicit ProjectQuota(DirFd directory) : directory_(std::move(directory)) {}
  Status Detect(std::optional<Access> access);
  long Call(int command, uint32_t id, void* data) const;

  DirFd directory_;
  std::string device_;  // empty: by descriptor
  std::string file_system_;
  bool enforces_ = false;
};

// Of a directory or a file. 0: none. kNotFound: there is no such thing.
Result<uint32_t> ProjectIdOf(const std::string& path);
// For a file or a directory, and for what is made in that from now on; 0 takes it away.
Status SetProjectId(const std::string& path, uint32_t id);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_PROJECT_QUOTA_H_
