#include "pod/pod_service.h"

#include "base/answer_on.h"
#include "base/log.h"
#include "pod/container_operations.h"
#include "pod/container_stats.h"
#include "pod/create_container.h"
#include "pod/exec_sync.h"
#include "pod/infra_cpuset.h"
#include "pod/init_process.h"
#include "pod/messages.h"
#include "pod/recovery.h"
#include "pod/run_sandbox.h"
#include "pod/sandbox_operations.h"
#include "pod/seccomp_notifier.h"
#include "pod/streaming.h"

namespace crisp::pod {
namespace {

// An empty response for a Status.
template <typename Response>
std::function<void(Status)> Empty(Done<Response> done) {
  return [done = std::move(done)](Status status) {
    if (status.ok()) return done(Response());
    done(std::move(status));
  };
}

class HubReader final : public EventReader {
 public:
  HubReader(const Registry* registry, std::shared_ptr<EventHub::Subscription> subscription)
      : registry_(registry), subscription_(std::move(subscription)) {}

  Result<v1::ContainerEventResponse> Next() override {
    const Event event = CRISP_TRY(subscription_->Next());
    v1::ContainerEventResponse out;
    out.set_container_id(event.id);
    out.set_container_event_type(static_cast<v1::ContainerEventType>(event.type));
    out.set_created_at(event.at_ns);
    FillPodSandboxStatus(*event.sandbox, out.mutable_pod_sandbox_status());
    for (const ContainerPtr& container : registry_->ContainersOf(event.sandbox->id())) {
      // Not there yet for any other call.
      if (container->state() == ContainerState::kCreating) continue;
      FillContainerStatus(*container, out.add_containers_statuses());
    }
    return out;
  }

 private:
  const Registry* const registry_;
  const std::shared_ptr<EventHub::Subscription> subscription_;
};

class Service final : public PodService {
 public:
  explicit Service(Options options)
      : env_(std::move(options)),
        stopper_(&env_),
        lifecycle_(&env_, &stopper_),
        seccomp_notifier_(&env_, &stopper_),
        stats_(&env_),
        streaming_(&env_),
        containers_(&env_, &stopper_, &lifecycle_, &leases_, &stats_),
        sandboxes_(&env_, &stopper_, &containers_) {}

  ~Service() override {
    RemoveDefaultParent();
    env_.monitor_place.reset();
    // Busy while containers run; then it stays for the next daemon.
    (void)CgroupDir(env_.options.cgroup_layout, env_.options.monitor_cgroup).EnsureRemoved();
  }

  Status Start() {
    CRISP_RETURN_IF_ERROR(EnsureDirectory(env_.options.root, 0711));
    CRISP_RETURN_IF_ERROR(EnsureDirectory(env_.options.state, 0711));
    const CgroupDir monitors(env_.options.cgroup_layout, env_.options.monitor_cgroup);
    CRISP_RETURN_IF_ERROR(monitors.EnsureCreated().Wrap("cgroup of the monitors"));
    CRISP_RETURN_IF_ERROR(
        ConfineGroup(monitors, *env_.options.cgroup_layout, env_.options.infra_cpuset));
    env_.monitor_place = CRISP_TRY(
        LaunchCgroup::Open(CRISP_TRY(monitors.OpenDirs()), env_.options.cgroup_layout->v2));
    CRISP_RETURN_IF_ERROR(EnsureInitRoot(env_).Wrap("root of init processes"));
    env_.user_namespaces.Probe();
    CRISP_RETURN_IF_ERROR(seccomp_notifier_.Open());
    env_.layer_quotas = CRISP_TRY(LayerQuotas::Open(env_.options.root, env_.options.layer_quota));
    env_.db = CRISP_TRY(StateDb::Open(JoinPath(env_.options.root, "pods.db")));
    return Recover(&env_, &lifecycle_, &leases_).Wrap("recovery");
  }

  Status PodSandboxStatus(const v1::PodSandboxStatusRequest& request,
                          v1::PodSandboxStatusResponse* response) override {
    const SandboxPtr sandbox = CRISP_TRY(env_.registry.GetSandbox(request.pod_sandbox_id()));
    FillPodSandboxStatus(*sandbox, response->mutable_status());
    if (request.verbose()) (*response->mutable_info())["info"] = SandboxInfoJson(*sandbox);
    return OkStatus();
  }
  Status ListPodSandbox(const v1::ListPodSandboxRequest& request,
                        v1::ListPodSandboxResponse* response) override {
    for (const SandboxPtr& sandbox : env_.registry.Sandboxes()) {
      if (Matches(request.filter(), *sandbox)) FillPodSandbox(*sandbox, response->add_items());
    }
    return OkStatus();
  }
  Status ListContainers(const v1::ListContainersRequest& request,
                        v1::ListContainersResponse* response) override {
    for (const ContainerPtr& container : env_.registry.Containers()) {
      if (Matches(request.filter(), *container)) {
        FillContainer(*container, response->add_containers());
      }
    }
    return OkStatus();
  }
  Status ContainerStatus(const v1::ContainerStatusRequest& request,
                         v1::ContainerStatusResponse* response) override {
    const ContainerPtr container = CRISP_TRY(env_.registry.GetContainer(request.container_id()));
    FillContainerStatus(*container, response->mutable_status());
    if (request.verbose()) (*response->mutable_info())["info"] = ContainerInfoJson(*container);
    return OkStatus();
  }
  std::unique_ptr<EventReader> SubscribeEvents(std::function<void()> notify) override {
    return std::make_unique<HubReader>(&env_.registry, env_.events.Subscribe(std::move(notify)));
  }
  std::vector<oci::Runtime*> Runtimes() const override {
    std::vector<oci::Runtime*> out;
    for (const auto& [name, runtime] : env_.options.runtimes) out.push_back(runtime);
    return out;
  }
  Status CheckUserNamespaces(const oci::Runtime& runtime) const override {
    return env_.CheckUserNamespaces(runtime);
  }

  void RunPodSandbox(v1::RunPodSandboxRequest request, CancelToken cancel,
                     Done<v1::RunPodSandboxResponse> done) override {
    sandboxes_.Run(std::move(request), cancel, std::move(done));
  }
  void StopPodSandbox(v1::StopPodSandboxRequest request, CancelToken,
                      Done<v1::StopPodSandboxResponse> done) override {
    sandboxes_.Stop(request.pod_sandbox_id(), Empty(std::move(done)));
  }
  void RemovePodSandbox(v1::RemovePodSandboxRequest request, CancelToken,
                        Done<v1::RemovePodSandboxResponse> done) override {
    sandboxes_.Remove(request.pod_sandbox_id(), Empty(std::move(done)));
  }
  void CreateContainer(v1::CreateContainerRequest request, CancelToken cancel,
                       Done<v1::CreateContainerResponse> done) override {
    containers_.Create(std::move(request), cancel, std::move(done));
  }
  void StartContainer(v1::StartContainerRequest request, CancelToken,
                      Done<v1::StartContainerResponse> done) override {
    containers_.Start(request.container_id(), Empty(std::move(done)));
  }
  void StopContainer(v1::StopContainerRequest request, CancelToken cancel,
                     Done<v1::StopContainerResponse> done) override {
    containers_.Stop(request.container_id(), request.timeout(), cancel, Empty(std::move(done)));
  }
  void RemoveContainer(v1::RemoveContainerRequest request, CancelToken,
                       Done<v1::RemoveContainerResponse> done) override {
    containers_.Remove(request.container_id(), Empty(std::move(done)));
  }
  void UpdateContainerResources(v1::UpdateContainerResourcesRequest request, CancelToken,
                                Done<v1::UpdateContainerResourcesResponse> done) override {
    containers_.UpdateResources(request, Empty(std::move(done)));
  }
  void UpdatePodSandboxResources(v1::UpdatePodSandboxResourcesRequest request, CancelToken,
                                 Done<v1::UpdatePodSandboxResourcesResponse> done) override {
    sandboxes_.UpdateResources(std::move(request), Empty(std::move(done)));
  }
  void ReopenContainerLog(v1::ReopenContainerLogRequest request, CancelToken cancel,
                          Done<v1::ReopenContainerLogResponse> done) override {
    containers_.ReopenLog(request.container_id(), cancel, Empty(std::move(done)));
  }

  void ExecSync(v1::ExecSyncRequest request, CancelToken cancel,
                Done<v1::ExecSyncResponse> done) override {
    if (request.cmd().empty()) return done(InvalidArgument("exec: cmd is empty"));
    auto found = streaming_.GetForExec(request.container_id());
    if (!found.ok()) return done(std::move(found).status().Wrap("exec"));
    RunExecSync(&env_, &exec_outputs_, *found, {request.cmd().begin(), request.cmd().end()},
                std::chrono::seconds(std::clamp<int64_t>(request.timeout(), 0, 365 * 86400)),
                cancel, [done = std::move(done)](Result<ExecResult> result) {
                  if (!result.ok()) return done(std::move(result).status());
                  v1::ExecSyncResponse response;
                  response.set_stdout(std::move(result->stdout_data));
                  response.set_stderr(std::move(result->stderr_data));
                  response.set_exit_code(result->exit_code);
                  done(std::move(response));
                });
  }

  Status CheckExec(const v1::ExecRequest& request) const override {
    return streaming_.CheckExec(request);
  }
  Status CheckAttach(const v1::AttachRequest& request) const override {
    return streaming_.CheckAttach(request);
  }
  Status CheckPortForward(const v1::PortForwardRequest& request) const override {
    return streaming_.CheckPortForward(request);
  }
  void OpenExec(v1::ExecRequest request, TerminalSize size, CancelToken cancel,
                Done<std::unique_ptr<ExecStreams>> done) override {
    streaming_.OpenExec(std::move(request), size, cancel, std::move(done));
  }
  void OpenAttach(v1::AttachRequest request, CancelToken cancel,
                  Done<std::unique_ptr<oci::AttachConnection>> done) override {
    streaming_.OpenAttach(std::move(request), cancel, std::move(done));
  }
  Result<UniqueFd> MakePodSocket(const std::string& sandbox_id, int family) const override {
    return streaming_.MakePodSocket(sandbox_id, family);
  }

  void ContainerStats(v1::ContainerStatsRequest request, CancelToken,
                      Done<v1::ContainerStatsResponse> done) override {
    auto found = env_.registry.GetContainer(request.container_id());
    if (!found.ok()) return done(found.status());
    OnWorkLane<v1::ContainerStatsResponse>(
        std::move(done), [this, container = *found](v1::ContainerStatsResponse* response) {
          return stats_.Read(container, response->mutable_stats());
        });
  }
  void ListContainerStats(v1::ListContainerStatsRequest request, CancelToken,
                          Done<v1::ListContainerStatsResponse> done) override {
    OnWorkLane<v1::ListContainerStatsResponse>(
        std::move(done),
        [this, filter = request.filter()](v1::ListContainerStatsResponse* response) -> Status {
          std::vector<ContainerPtr> running = env_.registry.Containers();
          std::erase_if(running, [&filter](const ContainerPtr& container) {
            return container->state() != ContainerState::kRunning || !Matches(filter, *container);
          });
          for (v1::ContainerStats& stats : stats_.ReadAll(running)) {
            *response->add_stats() = std::move(stats);
          }
          return OkStatus();
        });
  }

 private:
  // The runtimes make the default parent cgroup with the first container. It goes with the daemon
  // that leaves no pod, not with the last pod: a pod that begins just then would lose it between
  // two steps of its runtime. Slices are systemd's, and parents that a client names are the
  // client's.
  void RemoveDefaultParent() {
    const std::string& parent = env_.options.default_cgroup_parent;
    if (parent.ends_with(".slice") || parent.find_first_not_of('/') == std::string::npos) return;
    if (!env_.registry.Sandboxes().empty()) return;
    CgroupDir(env_.options.cgroup_layout, parent).RemoveIfEmpty();
  }

  template <typename Response>
  void OnWorkLane(Done<Response> done, std::function<Status(Response*)> work) {
    AnswerOn(*env_.options.work_lane, std::move(done),
             [work = std::move(work)]() -> Result<Response> {
               Response response;
               CRISP_RETURN_IF_ERROR(work(&response));
               return response;
             });
  }

  Environment env_;
  ExecOutputs exec_outputs_;
  Leases leases_;
  Stopper stopper_;
  ContainerLifecycle lifecycle_;
  SeccompNotifier seccomp_notifier_;
  StatsReader stats_;
  Streaming streaming_;
  ContainerOperations containers_;
  SandboxOperations sandboxes_;
};

}  // namespace

Result<std::unique_ptr<PodService>> PodService::Open(Options options) {
  auto service = std::make_unique<Service>(std::move(options));
  CRISP_RETURN_IF_ERROR(service->Start());
  return std::unique_ptr<PodService>(std::move(service));
}

std::vector<std::string> ListSteps() {
  std::vector<std::string> out;
  for (const auto& step : RunSandboxTable().steps) {
    out.push_back(Cat(RunSandboxTable().name, '.', step.name));
  }
  for (const auto& step : CreateContainerTable().steps) {
    out.push_back(Cat(CreateContainerTable().name, '.', step.name));
  }
  return out;
}

}  // namespace crisp::pod
