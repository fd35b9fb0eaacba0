// ContainerStats: one container's usage, read from its cgroup and its writable layer on demand
// (cri-contract section 13).
//
// Threads: any; blocks for file reads. What the writable layer uses is the file system's count
// where there are project quotas (upper, work and volumes); else upper is walked, at most every ten
// seconds, and less often where that takes long. One walks at a time: who asks meanwhile gets the
// last value, and walks as well only where there is none yet. A list walks for a second in all.
#ifndef CRISP_POD_CONTAINER_STATS_H_
#define CRISP_POD_CONTAINER_STATS_H_

#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "pod/environment.h"

namespace crisp::pod {

// Bytes and inodes below a directory.
struct DiskUsage {
  uint64_t used_bytes = 0;
  uint64_t inodes = 0;
};
Result<DiskUsage> MeasureDirectory(const std::string& path);

// Memory that a container uses and the kernel cannot just drop; unset: not known.
std::optional<uint64_t> WorkingSetBytes(const CgroupDir& cgroup, bool v2);

// How layers are walked; a test has its own.
struct LayerWalks {
  std::function<Result<DiskUsage>(const std::string&)> measure = MeasureDirectory;
  Duration again = std::chrono::seconds(10);
};

class StatsReader {
 public:
  explicit StatsReader(const Environment* env, LayerWalks walks = {})
      : env_(env), walks_(std::move(walks)) {}

  // Fills everything that this machine knows. A cgroup that is gone (the container has just
  // exited) leaves cpu and memory unset. No walk begins after `walk_until`: what there is of the
  // last one is told, and without one the writable layer is left unset.
  Status Read(const ContainerPtr& container, MonoTime walk_until, v1::ContainerStats* out);
  void Forget(const ContainerId& id);
  // Containers with a value of their last walk, or in their first.
  size_t remembered() const;

 private:
  Result<std::optional<DiskUsage>> WritableLayer(const Container& container, MonoTime walk_until);
  // `walk`: whether it is the caller's turn to walk.
  std::optional<DiskUsage> LastWalk(const ContainerId& id, MonoTime walk_until, bool* walk);
  Result<DiskUsage> Walk(const Container& container);

  struct Measured {
    std::optional<DiskUsage> usage;
    MonoTime again_at;
  };
  const Environment* const env_;
  const LayerWalks walks_;
  mutable std::mutex mutex_;  // guards measured_
  std::unordered_map<ContainerId, Measured> measured_;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_CONTAINER_STATS_H_
