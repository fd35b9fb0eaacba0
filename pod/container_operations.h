// ContainerOperations: the container RPCs that change something (cri-contract 7.1 to 7.4, 7.7, 10).
//
// Threads: each method returns at once; the work is done by jobs of the sandbox's strand, and
//          waiting for the exit by the Stopper. `done` is called once, from any thread.
#ifndef CRISP_POD_CONTAINER_OPERATIONS_H_
#define CRISP_POD_CONTAINER_OPERATIONS_H_

#include "pod/container_lifecycle.h"
#include "pod/container_stats.h"
#include "pod/environment.h"
#include "pod/leases.h"
#include "pod/stopper.h"

namespace crisp::pod {

class ContainerOperations {
 public:
  ContainerOperations(Environment* env, Stopper* stopper, ContainerLifecycle* lifecycle,
                      Leases* leases, StatsReader* stats)
      : env_(env), stopper_(stopper), lifecycle_(lifecycle), leases_(leases), stats_(stats) {}

  void Create(v1::CreateContainerRequest request, const CancelToken& cancel,
              Done<v1::CreateContainerResponse> done);
  void Start(const std::string& id, std::function<void(Status)> done);
  void Stop(const std::string& id, int64_t timeout_seconds, const CancelToken& cancel,
            std::function<void(Status)> done);
  void Remove(const std::string& id, std::function<void(Status)> done);
  void UpdateResources(const v1::UpdateContainerResourcesRequest& request,
                       std::function<void(Status)> done);
  void ReopenLog(const std::string& id, const CancelToken& cancel,
                 std::function<void(Status)> done);

  // A job of the strand: undoes the container and forgets it. The container does not run.
  Status Destroy(const ContainerPtr& container);

 private:
  // `for_image_volume`: set when what failed was done for an image volume.
  Result<ContainerPtr> NewContainer(const SandboxPtr& sandbox, v1::CreateContainerRequest request,
                                    bool* for_image_volume);
  Status RunSteps(const ContainerPtr& container, bool* for_image_volume);
  Status ApplyResources(const ContainerPtr& container, const v1::LinuxContainerResources& update);
  Status ChangeLimits(const ContainerPtr& container, const v1::LinuxContainerResources& before,
                      const v1::LinuxContainerResources& after);
  void RestoreLimits(const ContainerPtr& container, const v1::LinuxContainerResources& tried,
                     const v1::LinuxContainerResources& before);

  Environment* const env_;
  Stopper* const stopper_;
  ContainerLifecycle* const lifecycle_;
  Leases* const leases_;
  StatsReader* const stats_;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_CONTAINER_OPERATIONS_H_
