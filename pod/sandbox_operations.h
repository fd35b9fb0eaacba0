// SandboxOperations: RunPodSandbox, StopPodSandbox and RemovePodSandbox (cri-contract 5.1 to 5.3).
//
// Threads: each method returns at once; the work is done by jobs of the sandbox's strand, and
//          waiting for containers to die by the Stopper. `done` is called once, from any thread.
#ifndef CRISP_POD_SANDBOX_OPERATIONS_H_
#define CRISP_POD_SANDBOX_OPERATIONS_H_

#include <optional>

#include "base/cgroup_dir.h"
#include "pod/container_operations.h"
#include "pod/environment.h"
#include "pod/stopper.h"

namespace crisp::pod {

class SandboxOperations {
 public:
  SandboxOperations(Environment* env, Stopper* stopper, ContainerOperations* containers)
      : env_(env), stopper_(stopper), containers_(containers) {}

  void Run(v1::RunPodSandboxRequest request, const CancelToken& cancel,
           Done<v1::RunPodSandboxResponse> done);
  void Stop(const std::string& id, std::function<void(Status)> done);
  void Remove(const std::string& id, std::function<void(Status)> done);
  // Keeps what is new and brings the pod's cgroup to it (pod_cgroup.h).
  void UpdateResources(v1::UpdatePodSandboxResourcesRequest request,
                       std::function<void(Status)> done);

 private:
  Result<SandboxPtr> NewSandbox(v1::RunPodSandboxRequest request);
  Status RunSteps(const SandboxPtr& sandbox);
  // Kills all containers; then `then` runs on the strand with what went wrong.
  void KillContainers(const SandboxPtr& sandbox, std::function<void(Status)> then);
  Status Release(const SandboxPtr& sandbox);
  // A stop goes on without its row: pods are stopped to free a full disk, and recovery finds out by
  // itself that the namespaces are gone.
  void WriteState(const SandboxPtr& sandbox);
  Status Destroy(const SandboxPtr& sandbox);
  Result<std::optional<CgroupDir>> OwnGroup(const Sandbox& sandbox) const;
  Status ApplyResources(const SandboxPtr& sandbox,
                        const v1::UpdatePodSandboxResourcesRequest& request);

  Environment* const env_;
  Stopper* const stopper_;
  ContainerOperations* const containers_;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_SANDBOX_OPERATIONS_H_
