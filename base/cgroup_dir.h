// CgroupDir: one control group, on all hierarchies of the machine at once.
//
// What:    on v2 one directory below /sys/fs/cgroup; on v1 (hybrid included) the same path below
//          each mounted controller. `path` is absolute from the hierarchies' roots.
// Contract: Linux Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
// Threads:  const methods may run in parallel; each call opens what it needs.
// Errors:   name the file. After a failed EnsureCreated what was made stays: EnsureRemoved ends it.
#ifndef CRISP_BASE_CGROUP_DIR_H_
#define CRISP_BASE_CGROUP_DIR_H_

#include <sys/types.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

// The cgroup mounts of this machine, found once at start.
struct CgroupLayout {
  bool v2 = false;
  // v2: {"", "/sys/fs/cgroup"}; v1: ("memory", "/sys/fs/cgroup/memory")...; named hierarchies as
  // "name=systemd". Co-mounted controllers (cpu,cpuacct) have one entry each with equal paths.
  std::vector<std::pair<std::string, std::string>> mounts;
  // v1 only: a cgroup2 mount beside the controllers, which crun refuses (DESIGN section 6).
  bool hybrid = false;

  // Reads /proc/self/mountinfo (or `mountinfo`, for tests).
  static Result<CgroupLayout> Detect(const std::string& mountinfo = "/proc/self/mountinfo");
  // The mount of `controller`, or empty. On v2 every controller is the one mount.
  std::string MountOf(std::string_view controller) const;
};

class CgroupDir {
 public:
  CgroupDir() = default;
  CgroupDir(const CgroupLayout* layout, std::string path)
      : layout_(layout), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // Makes it with its parents; existing is fine.
  Status EnsureCreated() const;
  Status AddProcess(pid_t pid) const;
  // Descriptors of the directories, for SpawnOptions::cgroup_dirs.
  Result<std::vector<UniqueFd>> OpenDirs() const;
  bool Exists() const;
  // All processes in it and below, each once. Missing is empty; what cannot be read is an error.
  Result<std::vector<pid_t>> Processes() const;
  // Of the groups right below it; none where it is missing.
  std::vector<std::string> ChildNames() const;
  // Waits until no process is in it or below; kDeadlineExceeded when some still are.
  Status AwaitEmpty(MonoTime deadline) const;
  // SIGKILLs everything in it and below (cgroup.kill where the kernel has it) until it is empty or
  // the deadline passes (kDeadlineExceeded). Also what forks without end: it is held meanwhile.
  Status KillAll(MonoTime deadline) const;
  // v1: lets what is frozen in it and below run on, which a signal alone does not; missing is fine.
  // On v2 a SIGKILL needs no thawing, and this does nothing.
  void Thaw() const;
  // SIGKILL, once, for those of `pids` that are in the group: a number may have gone to a process
  // outside since it was listed. kResourceExhausted: no descriptor even for one; some may be dead.
  Status Kill(const std::vector<pid_t>& pids) const;
  // Removes it with its child groups on all hierarchies; missing is fine. kFailedPrecondition
  // (EBUSY) while processes are in it.
  Status EnsureRemoved() const;
  // Removes it where it has neither processes nor child groups, and leaves it elsewhere.
  void RemoveIfEmpty() const;

  // A file of `controller` (ignored on v2), e.g. ReadFile("memory", "memory.usage_in_bytes").
  Result<std::string> ReadFile(std::string_view controller, const std::string& file) const;
  Status WriteFile(std::string_view controller, const std::string& file,
                   std::string_view value) const;
  // The directory on the hierarchy of `controller`.
  std::string DirOf(std::string_view controller) const;

 private:
  Status KillAtOnce(std::span<const pid_t> pids) const;
  // How many it found. `hold`: they are kept from forking while they are listed and killed.
  Result<size_t> KillListed(bool hold) const;
  // One directory per distinct mount.
  std::vector<std::string> Dirs() const;

  const CgroupLayout* layout_ = nullptr;
  std::string path_;
};

}  // namespace crisp

#endif  // CRISP_BASE_CGROUP_DIR_H_
