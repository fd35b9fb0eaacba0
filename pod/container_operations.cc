#include "pod/container_operations.h"

#include <signal.h>

#include "base/answer_on.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "oci/spec_builder.h"
#include "pod/container_request.h"
#include "pod/container_stats.h"
#include "pod/create_container.h"
#include "pod/created_at.h"
#include "pod/image_volumes.h"
#include "pod/memory_limit.h"
#include "pod/messages.h"
#include "pod/monitors.h"
#include "pod/workloads.h"

namespace crisp::pod {
namespace {

constexpr std::string_view kSignalPrefix = "SIGNAL_";
// The kernel's (sched-design-CFS.rst, sched-bwc.rst).
constexpr uint64_t kDefaultShares = 1024;
constexpr uint64_t kDefaultPeriod_us = 100000;

// config.stop_signal, else the image's StopSignal, else SIGTERM (cri-contract 7.3).
Result<int> StopSignal(const v1::ContainerConfig& config, const image::ImageConfig& image) {
  if (config.stop_signal() != v1::SIGNAL_RUNTIME_DEFAULT) {
    if (!v1::Signal_IsValid(config.stop_signal())) {
      return InvalidArgument("config.stop_signal: ", static_cast<int>(config.stop_signal()),
                             " is no signal of this CRI version");
    }
    const std::string name = v1::Signal_Name(config.stop_signal());  // "SIGNAL_SIGTERM"
    return oci::ParseSignal(name.substr(kSignalPrefix.size())).Wrap("config.stop_signal");
  }
  if (image.stop_signal.empty()) return SIGTERM;
  return oci::ParseSignal(image.stop_signal).Wrap("the image's StopSignal");
}

// What ContainerStatus.image shows: a tag, what the user wrote, a digest, the id
// (cri-contract 7.6).
std::string ShownImageName(const image::Image& image, const v1::ContainerConfig& config) {
  if (!image.repo_tags.empty()) return image.repo_tags.front();
  const std::string& specified = config.image().user_specified_image();
  if (!specified.empty()) return specified;
  return image.repo_digests.empty() ? image.id : image.repo_digests.front();
}

Status CheckMemory(const Environment& env, const Container& container,
                   const v1::LinuxContainerResources& limits) {
  if (!env.options.cgroup_layout->v2) return OkStatus();
  const CgroupDir group = env.LimitedCgroupOf(container);
  // The file's own name wins (cri-contract 8.4).
  if (const auto own = limits.unified().find("memory.max"); own != limits.unified().end()) {
    return CheckMemoryMax(group, own->second).Wrap("unified: memory.max");
  }
  if (limits.memory_limit_in_bytes() <= 0) return OkStatus();
  return CheckMemoryMax(group, Cat(limits.memory_limit_in_bytes())).Wrap("memory_limit_in_bytes");
}

// To an update "absent" means "leave": what had no limit before must be told so.
void LiftAbsentLimits(const oci::LinuxResources& tried, oci::LinuxResources* limits) {
  if (tried.cpu_shares && !limits->cpu_shares) limits->cpu_shares = kDefaultShares;
  if (tried.cpu_period_us && !limits->cpu_period_us) limits->cpu_period_us = kDefaultPeriod_us;
  if (!limits->cpu_quota_us) limits->cpu_quota_us = -1;
  if (!limits->memory_limit_bytes) {
    limits->memory_limit_bytes = -1;
    limits->memory_swap_bytes = -1;
  }
}

// The kubelet looks for this word at the start of the message (cri-contract section 1), so nothing
// may stand before it.
Status CheckRecursiveReadOnly(const v1::ContainerConfig& config, const oci::Runtime* runtime) {
  if (runtime == nullptr || runtime->features().recursive_read_only) return OkStatus();
  for (const v1::Mount& mount : config.mounts()) {
    if (mount.recursive_read_only()) {
      return InvalidArgument("RROUnsupported: mount ", mount.container_path(),
                             ": runtime handler '", runtime->options().handler,
                             "' cannot make mounts recursively read-only");
    }
  }
  return OkStatus();
}

}  // namespace

Result<ContainerPtr> ContainerOperations::NewContainer(const SandboxPtr& sandbox,
                                                       v1::CreateContainerRequest request,
                                                       bool* for_image_volume) {
  if (sandbox->state() != SandboxState::kReady) {
    return FailedPrecondition("sandbox ", sandbox->id().short_str(), " is not ready");
  }
  CRISP_TRY(sandbox->ConfiguredRuntime());
  CRISP_RETURN_IF_ERROR(ValidateContainerConfig(request.config(), *sandbox));
  const std::string& reference = request.config().image().image();
  const image::ImagePtr image =
      CRISP_TRY(env_->options.images->Find(reference).Wrap("config.image"));
  if (!image) {
    return NotFound("image ", reference, " is not on this node; pull it first");
  }
  if (!image->config.artifact_type.empty()) {
    return FailedPrecondition("image ", reference, " is an OCI artifact of the type ",
                              image->config.artifact_type,
                              ", not a container image; it can be mounted as an image volume");
  }
  ContainerRow row;
  *for_image_volume = true;
  row.image_volume_ids = CRISP_TRY(FindImageVolumes(*env_->options.images, request.config()));
  *for_image_volume = false;
  row.id = ContainerId::MakeRandom();
  row.sandbox = sandbox->id();
  row.config = std::move(*request.mutable_config());
  row.image_id = image->id;
  row.image_ref = image->repo_digests.empty() ? image->id : image->repo_digests.front();
  row.image_name = ShownImageName(*image, row.config);
  row.created_at_ns = NextCreatedAtNs();
  row.stop_signal = CRISP_TRY(StopSignal(row.config, image->config));
  row.resources = row.config.linux().resources();
  CRISP_RETURN_IF_ERROR(ApplyWorkload(env_->options.workloads, sandbox->config(),
                                      row.config.metadata().name(), &row.resources));
  return std::make_shared<Container>(std::move(row), sandbox, env_->roots);
}

void ContainerOperations::Create(v1::CreateContainerRequest request, const CancelToken& cancel,
                                 Done<v1::CreateContainerResponse> done) {
  auto sandbox = env_->registry.GetSandbox(request.pod_sandbox_id());
  if (!sandbox.ok()) return done(std::move(sandbox).status().Wrap("create container"));
  if (Status status = CheckRecursiveReadOnly(request.config(), (*sandbox)->runtime());
      !status.ok()) {
    return done(std::move(status));
  }
  WarmUpCreate(*env_);
  auto shared = std::make_shared<v1::CreateContainerRequest>(std::move(request));
  AnswerOn((*sandbox)->strand(), std::move(done), [this, sandbox = *sandbox, shared, cancel] {
    const std::string name = shared->config().metadata().name();
    bool for_image_volume = false;
    const auto run = [&]() -> Result<v1::CreateContainerResponse> {
      CRISP_RETURN_IF_ERROR(cancel.Check());
      const ContainerPtr container =
          CRISP_TRY(NewContainer(sandbox, std::move(*shared), &for_image_volume));
      CRISP_RETURN_IF_ERROR(env_->registry.Add(container));
      CRISP_RETURN_IF_ERROR(RunSteps(container, &for_image_volume));
      v1::CreateContainerResponse response;
      response.set_container_id(container->id().str());
      return response;
    };
    Result<v1::CreateContainerResponse> created = run().Wrap("create container ", name);
    // At the start: there the kubelet looks for it.
    return for_image_volume ? std::move(created).Wrap(kImageVolumePrefix) : std::move(created);
  });
}

Status ContainerOperations::RunSteps(const ContainerPtr& container, bool* for_image_volume) {
  ContainerContext context{*env_, container, *leases_, lifecycle_->Observe(container)};
  StepFailure failure{env_->db->Put(container->row()), OkStatus()};
  if (failure.cause.ok()) failure = crisp::RunSteps(CreateContainerTable(), context);
  *for_image_volume = context.for_image_volume;
  if (failure.cause.ok()) {
    failure.cause = lifecycle_->MarkCreated(container);
    if (!failure.cause.ok()) failure.undo = DestroyContainer(context);
  }
  if (failure.cause.ok()) return OkStatus();
  if (failure.undo.ok()) failure.undo = env_->db->Delete(container->id());
  if (failure.undo.ok()) {
    env_->registry.Remove(container);
    return std::move(failure.cause);
  }
  // Stays listed, so that RemoveContainer can finish.
  container->Update(
      [&](ContainerRow& row) { SetExited(128, "CreateError", failure.cause.message(), &row); });
  (void)env_->db->Put(container->row());
  log::Error("container could not be undone",
             {{"container", container->id()}, {"error", failure.undo}});
  return Status(failure.cause.code(),
                Cat(failure.cause.message(), " (and not all could be undone: ",
                    failure.undo.message(), "; the container stays listed as exited)"),
                failure.cause.sys_errno());
}

void ContainerOperations::Start(const std::string& id, std::function<void(Status)> done) {
  auto found = env_->registry.GetContainer(id);
  if (!found.ok()) return done(found.status());
  AnswerOn((*found)->sandbox()->strand(), std::move(done),
           [this, container = *found] { return lifecycle_->Start(container); });
}

void ContainerOperations::Stop(const std::string& id, int64_t timeout_seconds,
                               const CancelToken& cancel, std::function<void(Status)> done) {
  auto found = env_->registry.GetContainer(id);
  if (!found.ok()) return done(OkIfUnknown(found.status()));
  // A created container has nothing to stop (cri-contract 7.3).
  if ((*found)->state() != ContainerState::kRunning) return done(OkStatus());
  if (Status hit = failpoint::Hit("pod.stop_container.before"); !hit.ok()) return done(hit);
  // Thousands of years would overflow the clock's arithmetic.
  const auto grace =
      std::chrono::seconds(std::clamp<int64_t>(timeout_seconds, 0, 10 * 365 * 86400));
  stopper_->Stop(*found, grace, cancel, std::move(done));
}

Status ContainerOperations::Destroy(const ContainerPtr& container) {
  // Removed by an earlier job: two removals at once are fine.
  if (!env_->registry.GetContainer(container->id().str()).ok()) return OkStatus();
  ContainerContext context{*env_, container, *leases_, {}};
  CRISP_RETURN_IF_ERROR(DestroyContainer(context));
  CRISP_FAILPOINT("pod.remove_container.row");
  CRISP_RETURN_IF_ERROR(env_->db->Delete(container->id()));
  env_->registry.Remove(container);
  stats_->Forget(container->id());
  env_->events.Publish(EventType::kDeleted, container->id().str(), container->sandbox());
  return OkStatus();
}

void ContainerOperations::Remove(const std::string& id, std::function<void(Status)> done) {
  auto found = env_->registry.GetContainer(id);
  if (!found.ok()) return done(OkIfUnknown(found.status()));
  const ContainerPtr container = *found;
  const auto destroy = [this, container] {
    return NotUnknown(Destroy(container)).Wrap("remove container ", container->id().short_str());
  };
  stopper_->Stop(container, Duration::zero(), CancelToken(),
                 [container, destroy, done = std::move(done)](Status stopped) {
                   if (!stopped.ok()) return done(std::move(stopped));
                   AnswerOn(container->sandbox()->strand(), done, destroy);
                 });
}

Status ContainerOperations::ApplyResources(const ContainerPtr& container,
                                           const v1::LinuxContainerResources& update) {
  // RemoveContainer may have been faster, and then there is no row to write.
  CRISP_RETURN_IF_ERROR(env_->registry.GetContainer(container->id().str()).status());
  CRISP_RETURN_IF_ERROR(CheckNumbers(update));
  const v1::LinuxContainerResources before = container->row().resources;
  v1::LinuxContainerResources after = before;
  MergeLimits(update, &after);
  // A workload's settings are the node owner's: the kubelet's managers do not undo them.
  CRISP_RETURN_IF_ERROR(ApplyWorkload(env_->options.workloads, container->sandbox()->config(),
                                      container->config().metadata().name(), &after));
  const bool has_limits =
      container->state() != ContainerState::kExited && !container->cannot_start();
  if (has_limits) CRISP_RETURN_IF_ERROR(ChangeLimits(container, before, after));
  Status written = failpoint::Hit("pod.update_container.applied");
  if (written.ok()) {
    ContainerRow row = container->row();
    row.resources = after;
    written = env_->db->Put(row);
  }
  if (!written.ok()) {
    if (has_limits) RestoreLimits(container, after, before);
    return written;
  }
  container->Update([&](ContainerRow& row) { row.resources = std::move(after); });
  return OkStatus();
}

Status ContainerOperations::ChangeLimits(const ContainerPtr& container,
                                         const v1::LinuxContainerResources& before,
                                         const v1::LinuxContainerResources& after) {
  const auto limits =
      CRISP_TRY(oci::CompleteResources(ToOciResources(after), env_->options.cgroup_layout));
  CRISP_RETURN_IF_ERROR(CheckMemory(*env_, *container, after));
  Status applied = container->runtime()->Update(container->id(), limits,
                                                MonoNow() + env_->options.runtime_deadline);
  // Some files may have been written before the one that failed.
  if (!applied.ok()) RestoreLimits(container, after, before);
  return applied;
}

// All or nothing (cri-contract 7.7). With time of its own: the failure may have been that the first
// update's ran out.
void ContainerOperations::RestoreLimits(const ContainerPtr& container,
                                        const v1::LinuxContainerResources& tried,
                                        const v1::LinuxContainerResources& before) {
  const auto restore = [&]() -> Status {
    const CgroupLayout* layout = env_->options.cgroup_layout;
    const auto new_limits = CRISP_TRY(oci::CompleteResources(ToOciResources(tried), layout));
    auto limits = CRISP_TRY(oci::CompleteResources(ToOciResources(before), layout));
    LiftAbsentLimits(new_limits, &limits);
    return container->runtime()->Update(container->id(), limits,
                                        MonoNow() + env_->options.runtime_deadline);
  };
  if (Status restored = restore(); !restored.ok()) {
    log::Warning("limits not restored", {{"container", container->id()}, {"error", restored}});
  }
}

void ContainerOperations::UpdateResources(const v1::UpdateContainerResourcesRequest& request,
                                          std::function<void(Status)> done) {
  auto found = env_->registry.GetContainer(request.container_id());
  if (!found.ok()) return done(found.status());
  if (auto runtime = (*found)->sandbox()->ConfiguredRuntime(); !runtime.ok()) {
    return done(std::move(runtime).status());
  }
  AnswerOn((*found)->sandbox()->strand(), std::move(done),
           [this, container = *found, update = request.linux()] {
             return ApplyResources(container, update)
                 .Wrap("update container ", container->id().short_str());
           });
}

void ContainerOperations::ReopenLog(const std::string& id, const CancelToken& cancel,
                                    std::function<void(Status)> done) {
  auto found = env_->registry.GetContainer(id);
  if (!found.ok()) return done(found.status());
  // Not on the strand: a monitor that does not answer must not stop the pod's other operations.
  AnswerOn(*env_->options.work_lane, std::move(done), [container = *found, cancel] {
    const auto monitor = container->monitor();
    if (container->state() != ContainerState::kRunning || !monitor) {
      return FailedPrecondition("reopen log: container ", container->id().short_str(),
                                " is not running");
    }
    const MonoTime deadline = std::min(cancel.deadline(), MonoNow() + std::chrono::seconds(10));
    return monitor->ReopenLog(deadline).Wrap("reopen log");
  });
}

}  // namespace crisp::pod
