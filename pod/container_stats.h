// ContainerStats: one container's usage, read from its cgroup and its writable layer on demand
// (cri-contract section 13).
//
// Threads: any; blocks for file reads. What the writable layer uses is the file system's count
// where there are project quotas (upper, work and volumes); else upper is walked, at most every ten
// seconds, and less often where that takes long. One walks at a time: who asks meanwhile gets the
// last value, and walks as well only where there is none yet.
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
  Duration of_a_list = std::chrono::seconds(1);  // within which a list begins walks
};

class StatsReader {
 public:
  explicit StatsReader(const Environment* env, LayerWalks walks = {})
      : env_(env), walks_(std::move(walks)) {}

  // Fills everything that this machine knows. A cgroup that is gone (the container has just
  // exited) leaves cpu and memory unset.
  Status Read(const ContainerPtr& container, v1::ContainerStats* out);
  // Of those that can be read, in the given order, which is that of their ids. Walks begin within a
  // second; whose turn does not come is told from its last walk, or has no writable layer, and is
  // among the first of the next list.
  std::vector<v1::ContainerStats> ReadAll(const std::vector<ContainerPtr>& containers);
  void Forget(const ContainerId& id);
  // Containers with a value of their last walk, or in their first.
  size_t remembered() const;

 private:
  Status Read(const ContainerPtr& container, MonoTime walk_until, v1::ContainerStats* out);
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
  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<ContainerId, Measured> measured_;
  std::optional<ContainerId> next_in_lists_;  // whose turn did not come
};

}  // namespace crisp::pod

#endif  // CRISP_POD_CONTAINER_STATS_H_
