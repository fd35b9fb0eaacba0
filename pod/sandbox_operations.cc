#include "pod/sandbox_operations.h"

#include <atomic>

#include "base/answer_on.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "oci/spec_builder.h"
#include "pod/cgroups.h"
#include "pod/created_at.h"
#include "pod/monitors.h"
#include "pod/pod_cgroup.h"
#include "pod/run_sandbox.h"
#include "pod/selinux_labels.h"
#include "pod/userns.h"

namespace crisp::pod {

Result<SandboxPtr> SandboxOperations::NewSandbox(v1::RunPodSandboxRequest request) {
  CRISP_RETURN_IF_ERROR(ValidateSandboxConfig(request.config()));
  oci::Runtime* runtime = CRISP_TRY(env_->FindRuntime(request.runtime_handler()));
  if (runtime->options().sandbox == oci::SandboxKind::kProcess) {
    return Unimplemented("runtime handler '", runtime->options().handler,
                         "': sandbox: process is not supported yet");
  }
  if (HasUserNamespace(request.config())) {
    CRISP_RETURN_IF_ERROR(env_->CheckUserNamespaces(*runtime).Wrap("userns_options"));
  }
  SandboxRow row;
  row.id = SandboxId::MakeRandom();
  row.config = std::move(*request.mutable_config());
  row.requested_handler = request.runtime_handler();
  row.handler = runtime->options().handler;
  row.created_at_ns = NextCreatedAtNs();
  SelinuxLevel level = CRISP_TRY(ChooseSelinuxLevel(env_, row.config));
  row.selinux_level = level.text();
  auto sandbox = std::make_shared<Sandbox>(std::move(row), runtime, env_->roots,
                                           env_->options.work_lane, std::move(level));
  CRISP_RETURN_IF_ERROR(SelinuxLabelsOf(*env_, *sandbox).status().Wrap("security_context"));
  return sandbox;
}

void SandboxOperations::Run(v1::RunPodSandboxRequest request, const CancelToken& cancel,
                            Done<v1::RunPodSandboxResponse> done) {
  auto made = NewSandbox(std::move(request));
  if (!made.ok()) return done(std::move(made).status().Wrap("run pod sandbox"));
  const SandboxPtr sandbox = *made;
  const std::string name = sandbox->config().metadata().name();
  if (Status added = env_->registry.Add(sandbox); !added.ok()) return done(std::move(added));
  // Shared: the job may be refused, and then the answer is still owed.
  auto answer = std::make_shared<Done<v1::RunPodSandboxResponse>>(std::move(done));
  Status posted = sandbox->strand().Submit([this, sandbox, cancel, name, answer] {
    Status status = cancel.Check();
    if (status.ok()) {
      status = RunSteps(sandbox);
    } else {
      env_->registry.Remove(sandbox);
    }
    if (!status.ok()) return (*answer)(std::move(status).Wrap("run pod sandbox ", name));
    v1::RunPodSandboxResponse response;
    response.set_pod_sandbox_id(sandbox->id().str());
    (*answer)(std::move(response));
  });
  if (posted.ok()) return;
  env_->registry.Remove(sandbox);
  (*answer)(std::move(posted));
}

Status SandboxOperations::RunSteps(const SandboxPtr& sandbox) {
  SandboxContext context{*env_, sandbox};
  StepFailure failure{env_->db->Put(sandbox->row()), OkStatus()};
  if (failure.cause.ok()) failure = crisp::RunSteps(RunSandboxTable(), context);
  if (failure.cause.ok()) {
    WarmUpCreate(*env_);  // the first container is asked for within milliseconds
    // READY is written before it is visible: what a client saw must survive.
    SandboxRow row = sandbox->row();
    row.state = SandboxState::kReady;
    failure.cause = failpoint::Hit("pod.run_pod_sandbox.row");
    if (failure.cause.ok()) failure.cause = env_->db->Put(row);
    if (!failure.cause.ok()) failure.undo = DestroySandbox(context);
  }
  if (failure.cause.ok()) {
    sandbox->set_state(SandboxState::kReady);
    env_->events.Publish(EventType::kCreated, sandbox->id().str(), sandbox);
    env_->events.Publish(EventType::kStarted, sandbox->id().str(), sandbox);
    return OkStatus();
  }
  if (failure.undo.ok()) failure.undo = env_->db->Delete(sandbox->id());
  if (failure.undo.ok()) {
    env_->registry.Remove(sandbox);
    return std::move(failure.cause);
  }
  // Stays listed, so that Stop and Remove can finish (cri-contract 5.1).
  sandbox->set_state(SandboxState::kNotReady);
  (void)env_->db->Put(sandbox->row());
  log::Error("sandbox could not be undone", {{"sandbox", sandbox->id()}, {"error", failure.undo}});
  return Status(failure.cause.code(),
                Cat(failure.cause.message(), " (and not all could be undone: ",
                    failure.undo.message(), "; the sandbox stays listed as NotReady)"),
                failure.cause.sys_errno());
}

void SandboxOperations::KillContainers(const SandboxPtr& sandbox,
                                       std::function<void(Status)> then) {
  struct Pending {
    std::atomic<size_t> left{1};
    std::mutex mutex;
    Status failed;
    std::function<void(Status)> then;
  };
  auto pending = std::make_shared<Pending>();
  pending->then = std::move(then);
  auto one_done = [sandbox, pending](const Status& status) {
    if (!status.ok()) {
      std::lock_guard lock(pending->mutex);
      pending->failed = status;
    }
    if (pending->left.fetch_sub(1) != 1) return;
    Status posted = sandbox->strand().Submit([pending] { pending->then(pending->failed); });
    if (!posted.ok()) pending->then(std::move(posted));
  };
  for (const ContainerPtr& container : env_->registry.ContainersOf(sandbox->id())) {
    pending->left.fetch_add(1);
    stopper_->Stop(container, Duration::zero(), CancelToken(), one_done);
  }
  one_done(OkStatus());  // the 1 that `left` began with
}

void SandboxOperations::WriteState(const SandboxPtr& sandbox) {
  if (Status s = env_->db->Put(sandbox->row()); !s.ok()) {
    log::Error("state not written", {{"sandbox", sandbox->id()}, {"error", s}});
  }
}

Status SandboxOperations::Release(const SandboxPtr& sandbox) {
  if (sandbox->state() == SandboxState::kStopped) return OkStatus();
  SandboxContext context{*env_, sandbox};
  CRISP_RETURN_IF_ERROR(ReleaseSandbox(context));
  CRISP_FAILPOINT("pod.stop_pod_sandbox.row");
  sandbox->set_state(SandboxState::kStopped);
  WriteState(sandbox);
  return OkStatus();
}

void SandboxOperations::Stop(const std::string& id, std::function<void(Status)> done) {
  auto found = env_->registry.GetSandbox(id);
  if (!found.ok()) return done(OkIfUnknown(found.status()));
  const SandboxPtr sandbox = *found;
  auto answer = std::make_shared<std::function<void(Status)>>(std::move(done));
  Status posted = sandbox->strand().Submit([this, sandbox, answer] {
    if (sandbox->state() == SandboxState::kStopped) return (*answer)(OkStatus());
    if (sandbox->state() == SandboxState::kReady) {
      // From here on nothing new is created or started in it.
      sandbox->set_state(SandboxState::kNotReady);
      WriteState(sandbox);
      if (Status hit = failpoint::Hit("pod.stop_pod_sandbox.not_ready"); !hit.ok()) {
        return (*answer)(std::move(hit));
      }
      env_->events.Publish(EventType::kStopped, sandbox->id().str(), sandbox);
    }
    KillContainers(sandbox, [this, sandbox, answer](Status killed) {
      if (killed.ok()) killed = Release(sandbox);
      (*answer)(NotUnknown(std::move(killed)).Wrap("stop pod sandbox ", sandbox->id().short_str()));
    });
  });
  if (!posted.ok()) (*answer)(std::move(posted));
}

Status SandboxOperations::Destroy(const SandboxPtr& sandbox) {
  if (!env_->registry.GetSandbox(sandbox->id().str()).ok()) return OkStatus();  // twice at once
  for (const ContainerPtr& container : env_->registry.ContainersOf(sandbox->id())) {
    CRISP_RETURN_IF_ERROR(containers_->Destroy(container));
  }
  SandboxContext context{*env_, sandbox};
  CRISP_RETURN_IF_ERROR(DestroySandbox(context));
  CRISP_FAILPOINT("pod.remove_pod_sandbox.row");
  CRISP_RETURN_IF_ERROR(env_->db->Delete(sandbox->id()));
  env_->registry.Remove(sandbox);
  env_->events.Publish(EventType::kDeleted, sandbox->id().str(), sandbox);
  return OkStatus();
}

void SandboxOperations::Remove(const std::string& id, std::function<void(Status)> done) {
  auto found = env_->registry.GetSandbox(id);
  if (!found.ok()) return done(OkIfUnknown(found.status()));
  const SandboxPtr sandbox = *found;
  const auto destroy = [this, sandbox] {
    return NotUnknown(Destroy(sandbox)).Wrap("remove pod sandbox ", sandbox->id().short_str());
  };
  Stop(sandbox->id().str(), [sandbox, destroy, done = std::move(done)](Status stopped) {
    if (!stopped.ok()) return done(std::move(stopped));
    AnswerOn(sandbox->strand(), done, destroy);
  });
}

// The group that the client named for this pod; empty: none. The root and the default parent are no
// pod's own.
Result<std::optional<CgroupDir>> SandboxOperations::OwnGroup(const Sandbox& sandbox) const {
  const std::string& parent = sandbox.config().linux().cgroup_parent();
  const oci::Runtime* runtime = sandbox.runtime();
  if (parent.empty() || parent == env_->options.default_cgroup_parent || runtime == nullptr) {
    return std::optional<CgroupDir>();
  }
  const CgroupPaths paths =
      CRISP_TRY(MakeCgroupPaths(parent, sandbox.id().str(), runtime->options().cgroup_driver));
  const std::string path = paths.host.substr(0, paths.host.rfind('/'));
  if (path.find_first_not_of('/') == std::string::npos) return std::optional<CgroupDir>();
  return std::optional(CgroupDir(env_->options.cgroup_layout, path));
}

Status SandboxOperations::ApplyResources(const SandboxPtr& sandbox,
                                         const v1::UpdatePodSandboxResourcesRequest& request) {
  // RemovePodSandbox may have been faster, and then there is no row to write.
  CRISP_RETURN_IF_ERROR(env_->registry.GetSandbox(sandbox->id().str()).status());
  SandboxRow row = sandbox->row();
  v1::LinuxPodSandboxConfig& linux = *row.config.mutable_linux();
  if (request.has_resources()) *linux.mutable_resources() = request.resources();
  if (request.has_overhead()) *linux.mutable_overhead() = request.overhead();
  const auto& unified = linux.resources().unified();
  CRISP_RETURN_IF_ERROR(
      oci::CheckUnified(env_->options.cgroup_layout, {unified.begin(), unified.end()}));
  const auto group = CRISP_TRY(OwnGroup(*sandbox));
  if (group && sandbox->state() == SandboxState::kReady) {
    const auto values =
        PodGroupValues(linux.resources(), linux.overhead(), env_->options.cgroup_layout->v2);
    const int written = CRISP_TRY(Converge(*group, values));
    if (written != 0) {
      log::Info("cgroup of a pod changed",
                {{"sandbox", sandbox->id()}, {"cgroup", group->path()}, {"files", written}});
    }
  }
  CRISP_FAILPOINT("pod.update_pod_sandbox.applied");
  CRISP_RETURN_IF_ERROR(env_->db->Put(row));
  sandbox->set_limits(linux.resources(), linux.overhead());
  return OkStatus();
}

void SandboxOperations::UpdateResources(v1::UpdatePodSandboxResourcesRequest request,
                                        std::function<void(Status)> done) {
  auto found = env_->registry.GetSandbox(request.pod_sandbox_id());
  if (!found.ok()) return done(found.status());
  const SandboxPtr sandbox = *found;
  AnswerOn(sandbox->strand(), std::move(done), [this, sandbox, request = std::move(request)] {
    return ApplyResources(sandbox, request).Wrap("update pod sandbox ", sandbox->id().short_str());
  });
}

}  // namespace crisp::pod
