#include "pod/layer_quotas.h"

#include <sys/random.h>

#include <algorithm>

#include "base/core/file.h"
#include "base/failpoint.h"
#include "base/log.h"

namespace crisp::pod {
namespace {

// Each is a system call of some microseconds.
constexpr uint32_t kMostTries = 4096;

}  // namespace

Result<std::unique_ptr<LayerQuotas>> LayerQuotas::Open(const std::string& root,
                                                       const LayerQuotaOptions& options) {
  Status why_not;
  std::optional<ProjectQuota> quota =
      CRISP_TRY(ProjectQuota::OpenFor(options.limit, root, &why_not).Wrap("writable_layer"));
  if (quota) {
    log::Info("writable layers have project quotas", {{"file_system", quota->file_system()},
                                                      {"limit_bytes", options.limit.bytes},
                                                      {"limit_inodes", options.limit.inodes}});
  } else {
    log::Info("writable layers have no project quotas; their usage is found by walking them",
              {{"why", why_not}});
  }
  return std::unique_ptr<LayerQuotas>(new LayerQuotas(std::move(quota), options));
}

uint32_t LayerQuotas::Find(const ContainerId& id) const {
  std::lock_guard lock(mutex_);
  const auto it = ids_.find(id);
  return it == ids_.end() ? 0 : it->second;
}

// Not of what the container can reach, whose root may give it the id of another one. An
// administrator may have given the whole root an id, which everything in it inherits: ours are
// those that the container's own directory does not have.
Status LayerQuotas::Adopt(const ContainerId& id, const ContainerPaths& paths) {
  if (!quota_) return OkStatus();
  const auto inherited = ProjectIdOf(paths.data());
  if (inherited.status().code() == Code::kNotFound) return OkStatus();
  CRISP_RETURN_IF_ERROR(inherited.status());
  const auto project = ProjectIdOf(paths.work());
  if (project.status().code() == Code::kNotFound) return OkStatus();
  CRISP_RETURN_IF_ERROR(project.status());
  if (!IsOurs(*project) || *project == *inherited) return OkStatus();
  std::lock_guard lock(mutex_);
  ids_[id] = *project;
  taken_.insert(*project);
  return OkStatus();
}

bool LayerQuotas::Take(uint32_t project) {
  std::lock_guard lock(mutex_);
  if (taken_.contains(project)) return false;
  taken_.insert(project);
  return true;
}

void LayerQuotas::GiveBack(uint32_t project) {
  std::lock_guard lock(mutex_);
  taken_.erase(taken_.find(project));
}

// The file system is asked without the lock: who has put an id into taken_ is the only one to ask.
Status LayerQuotas::Reserve(const ContainerId& id) {
  if (!quota_) return OkStatus();
  // At random: whoever owns a file can give it another id, and must not know his neighbours'.
  uint32_t at = 0;
  if (::getrandom(&at, sizeof(at), 0) != sizeof(at)) return Errno("getrandom");
  Status failed;
  const uint32_t most = std::min(options_.project_ids, kMostTries);
  for (uint32_t tried = 0; tried < most && failed.ok(); ++tried) {
    const uint32_t project = options_.first_project_id +
                             static_cast<uint32_t>((uint64_t{at} + tried) % options_.project_ids);
    if (!Take(project)) continue;
    const auto usage = quota_->Get(project);
    // Files are somebody else's, against the rule of the range; a limit alone is a left one of
    // ours.
    if (usage.ok() && usage->bytes == 0 && usage->inodes == 0) {
      std::lock_guard lock(mutex_);
      ids_[id] = project;
      return OkStatus();
    }
    failed = usage.status();
    GiveBack(project);
  }
  if (failed.ok()) {
    failed = ResourceExhausted("no project id from ", options_.first_project_id, " to ",
                               options_.first_project_id + options_.project_ids - 1,
                               " was found free; widen writable_layer.project_ids");
  }
  if (!options_.limit.none()) return failed;
  log::Debug("a writable layer goes without project id", {{"container", id}, {"why", failed}});
  return OkStatus();
}

Status LayerQuotas::Apply(const ContainerId& id, const ContainerPaths& paths) {
  const uint32_t project = Find(id);
  if (project == 0) return OkStatus();
  CRISP_RETURN_IF_ERROR(SetProjectId(paths.work(), project));  // what Adopt finds
  CRISP_RETURN_IF_ERROR(SetProjectId(paths.upper(), project));
  // One may be left over from an earlier life of the id.
  return options_.limit.none() ? LiftLimit(id) : quota_->SetLimit(project, options_.limit);
}

Status LayerQuotas::ApplyToFile(const ContainerId& id, const std::string& path) {
  const uint32_t project = Find(id);
  return project == 0 ? OkStatus() : SetProjectId(path, project);
}

Status LayerQuotas::ApplyToVolumes(const ContainerId& id, const ContainerPaths& paths) {
  const uint32_t project = Find(id);
  return project == 0 ? OkStatus() : SetProjectId(paths.volumes(), project);
}

Status LayerQuotas::LiftLimit(const ContainerId& id) {
  CRISP_FAILPOINT("pod.layer_quotas.lift");
  const uint32_t project = Find(id);
  if (project == 0) return OkStatus();
  // Without a limit there is nothing to lift, and nothing is written.
  if (CRISP_TRY(quota_->Get(project)).limit.none()) return OkStatus();
  return quota_->SetLimit(project, {});
}

void LayerQuotas::Release(const ContainerId& id) {
  std::lock_guard lock(mutex_);
  const auto it = ids_.find(id);
  if (it == ids_.end()) return;
  taken_.erase(taken_.find(it->second));
  ids_.erase(it);
}

Result<std::optional<ProjectUsage>> LayerQuotas::Usage(const ContainerId& id) const {
  const uint32_t project = Find(id);
  if (project == 0) return std::optional<ProjectUsage>();
  return std::optional<ProjectUsage>(CRISP_TRY(quota_->Get(project)));
}

}  // namespace crisp::pod
