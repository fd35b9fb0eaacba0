// LayerQuotas: project ids and limits of the containers' writable layers, and what they use.
//
// What:     each container's upper, work and volumes carry a project id of their own, from a range
//           that is crisp's alone; so the file system counts what the container writes, and refuses
//           what is beyond the limit (ENOSPC, or EDQUOT on ext4).
// Life of an id:
//
//     Reserve ──(directories made)──> Apply: ids on directories, then the limit
//        Release <──(directories gone)── LiftLimit <──┘
//
//           The directories are the only record: what `work` carries, which the container cannot
//           reach, is what recovery finds. The limit goes before they do and comes after they have
//           the id, so that no moment leaves a limit whose id nobody knows.
// Ids of the range that something else uses are left alone; only some are tried at once. Where none
//           is found and no limit is wanted, a container goes without: its usage is found by
//           walking its files.
// Threads:  any.
// Without:  on a file system that has no project quotas all of it does nothing, and Usage knows
//           nothing; a limit that is configured there is an error of Open.
#ifndef CRISP_POD_LAYER_QUOTAS_H_
#define CRISP_POD_LAYER_QUOTAS_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/core/project_quota.h"
#include "base/ids.h"
#include "pod/paths.h"
#include "pod/pod_service.h"

namespace crisp::pod {

class LayerQuotas {
 public:
  // Says once in the log which way usage is measured.
  static Result<std::unique_ptr<LayerQuotas>> Open(const std::string& root,
                                                   const LayerQuotaOptions& options);

  // What the directories of a container carry that was made before (recovery).
  Status Adopt(const ContainerId& id, const ContainerPaths& paths);
  // kResourceExhausted: there is a limit, and no id for it.
  Status Reserve(const ContainerId& id);
  Status Apply(const ContainerId& id, const ContainerPaths& paths);
  // A file of the container's that is beside its layer.
  Status ApplyToFile(const ContainerId& id, const std::string& path);
  // The volumes' directory is made later, and not for every container.
  Status ApplyToVolumes(const ContainerId& id, const ContainerPaths& paths);
  Status LiftLimit(const ContainerId& id);
  void Release(const ContainerId& id);
  // nullopt: this container has no id.
  Result<std::optional<ProjectUsage>> Usage(const ContainerId& id) const;

 private:
  LayerQuotas(std::optional<ProjectQuota> quota, LayerQuotaOptions options)
      : quota_(std::move(quota)), options_(options) {}
  bool IsOurs(uint32_t project) const {
    return project >= options_.first_project_id &&
           project - options_.first_project_id < options_.project_ids;
  }
  bool Take(uint32_t project);  // false: that one is taken
  void GiveBack(uint32_t project);
  uint32_t Find(const ContainerId& id) const;  // 0: none

  const std::optional<ProjectQuota> quota_;
  const LayerQuotaOptions options_;
  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<ContainerId, uint32_t> ids_;
  std::unordered_multiset<uint32_t> taken_;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_LAYER_QUOTAS_H_
