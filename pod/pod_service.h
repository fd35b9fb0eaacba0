// PodService: the door of the pod room. Sandboxes, containers, exec, stats, events.
//
// What:     one method per RPC of the RuntimeService that is about pods and containers. Requests
//           and responses are the CRI's own messages; codes and behaviour are cri-contract's.
// Threads:  every method may be called from any thread.
//           - "quick" methods answer from memory and never block: call them inline.
//           - "slow" methods return at once; they run on the lanes and the loop and call `done`
//             exactly once, from any thread. `cancel` ends waiting, not what was begun: a call
//             whose client is gone is finished or undone, never left half-made.
// Persistence: pods.db below Options::root; see pod/README.md.
// After a failure: a sandbox or container that could not be made is gone with its name, or (when an
//           undo failed) listed NotReady/Exited so that Stop and Remove can finish.
#ifndef CRISP_POD_POD_SERVICE_H_
#define CRISP_POD_POD_SERVICE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cgroup_dir.h"
#include "base/core/cancel.h"
#include "base/core/epoll_loop.h"
#include "base/core/project_quota.h"
#include "base/core/reaper.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/lane.h"
#include "base/telemetry.h"
#include "cri-api/api.pb.h"
#include "image/image_service.h"
#include "network/network.h"
#include "oci/attach_connection.h"
#include "oci/blockio.h"
#include "oci/runtime.h"
#include "oci/selinux.h"
#include "oci/spec_builder.h"
#include "pod/exec_streams.h"
#include "pod/workloads.h"

namespace crisp::pod {

namespace v1 = ::runtime::v1;

template <typename Response>
using Done = std::function<void(Result<Response>)>;

// Of writable layers (layer_quotas.h).
struct LayerQuotaOptions {
  ProjectLimit limit;  // of each container; needs a file system with project quotas
  // The ids that are crisp's alone.
  uint32_t first_project_id = 2'000'000'000;
  uint32_t project_ids = 1'000'000;
};

struct Options {
  std::string root;   // /var/lib/crisp
  std::string state;  // /run/crisp
  std::string monitor_binary;
  std::string init_binary;  // crisp-init, for pods with a shared PID namespace
  std::string default_handler;
  std::string default_cgroup_parent = "/crisp";  // for sandboxes without cgroup_parent
  std::string monitor_cgroup = "/crisp.monitors";
  std::vector<std::string> default_capabilities;
  std::vector<oci::RequestedDevice> additional_devices;  // of every container
  bool device_ownership_from_security_context = false;
  std::map<std::string, std::string> default_sysctls;
  std::vector<oci::Rlimit> default_rlimits;
  int64_t pids_limit = 0;  // of a container; 0: none
  LayerQuotaOptions layer_quota;
  oci::BlockioClasses blockio_classes;
  std::vector<std::string> rdt_classes;  // that pods may ask for
  bool seccomp_notifier = false;         // pods may ask for it
  oci::SelinuxHost selinux;              // not enabled: no labels
  std::vector<Workload> workloads;
  std::string infra_cpuset;  // of monitors and init processes; empty: all CPUs
  int64_t log_line_limit_bytes = 16384;
  int64_t shm_size_bytes = 64 << 20;
  Duration runtime_deadline = std::chrono::seconds(60);  // of one OCI runtime operation
  Duration kill_deadline = std::chrono::seconds(30);     // SIGKILL until the exit is seen

  const CgroupLayout* cgroup_layout = nullptr;
  EpollLoop* loop = nullptr;
  Reaper* reaper = nullptr;
  Lane* work_lane = nullptr;
  Lane* exec_lane = nullptr;
  Telemetry* telemetry = nullptr;
  image::ImageService* images = nullptr;
  network::Network* network = nullptr;
  oci::CdiCatalog* cdi = nullptr;     // null: no such devices
  oci::HookCatalog* hooks = nullptr;  // null: none
  // By handler name; the default handler is one of them. They outlive the service.
  std::map<std::string, oci::Runtime*> runtimes;
};

// One reader of lifecycle events (cri-contract section 15), from its making on; no history.
class EventReader {
 public:
  virtual ~EventReader() = default;
  // The oldest event that was not read, with the pod's status and its containers as they are now.
  // kNotFound: none at present; kResourceExhausted: the reader was too slow and gets no more.
  virtual Result<v1::ContainerEventResponse> Next() = 0;
};

class PodService {
 public:
  // Opens the state database and recovers: re-adopts running containers, undoes or lists what was
  // half-made. Ready for calls when it returns.
  static Result<std::unique_ptr<PodService>> Open(Options options);
  virtual ~PodService() = default;

  // Quick.
  virtual Status PodSandboxStatus(const v1::PodSandboxStatusRequest&,
                                  v1::PodSandboxStatusResponse*) = 0;
  virtual Status ListPodSandbox(const v1::ListPodSandboxRequest&, v1::ListPodSandboxResponse*) = 0;
  virtual Status ListContainers(const v1::ListContainersRequest&, v1::ListContainersResponse*) = 0;
  virtual Status ContainerStatus(const v1::ContainerStatusRequest&,
                                 v1::ContainerStatusResponse*) = 0;
  // `notify` is called when there is something to read, on the publisher's thread: it must not
  // block, and must not destroy the reader. It may be called until the reader is destroyed.
  virtual std::unique_ptr<EventReader> SubscribeEvents(std::function<void()> notify) = 0;
  // Handlers in configuration order of Options::runtimes.
  virtual std::vector<oci::Runtime*> Runtimes() const = 0;
  // Whether pods of this handler may have user namespaces: OK, or which part is missing.
  virtual Status CheckUserNamespaces(const oci::Runtime& runtime) const = 0;

  // Slow.
  virtual void RunPodSandbox(v1::RunPodSandboxRequest, CancelToken,
                             Done<v1::RunPodSandboxResponse>) = 0;
  virtual void StopPodSandbox(v1::StopPodSandboxRequest, CancelToken,
                              Done<v1::StopPodSandboxResponse>) = 0;
  virtual void RemovePodSandbox(v1::RemovePodSandboxRequest, CancelToken,
                                Done<v1::RemovePodSandboxResponse>) = 0;
  virtual void CreateContainer(v1::CreateContainerRequest, CancelToken,
                               Done<v1::CreateContainerResponse>) = 0;
  virtual void StartContainer(v1::StartContainerRequest, CancelToken,
                              Done<v1::StartContainerResponse>) = 0;
  virtual void StopContainer(v1::StopContainerRequest, CancelToken,
                             Done<v1::StopContainerResponse>) = 0;
  virtual void RemoveContainer(v1::RemoveContainerRequest, CancelToken,
                               Done<v1::RemoveContainerResponse>) = 0;
  virtual void UpdateContainerResources(v1::UpdateContainerResourcesRequest, CancelToken,
                                        Done<v1::UpdateContainerResourcesResponse>) = 0;
  virtual void UpdatePodSandboxResources(v1::UpdatePodSandboxResourcesRequest, CancelToken,
                                         Done<v1::UpdatePodSandboxResourcesResponse>) = 0;
  virtual void ReopenContainerLog(v1::ReopenContainerLogRequest, CancelToken,
                                  Done<v1::ReopenContainerLogResponse>) = 0;
  virtual void ExecSync(v1::ExecSyncRequest, CancelToken, Done<v1::ExecSyncResponse>) = 0;
  virtual void ContainerStats(v1::ContainerStatsRequest, CancelToken,
                              Done<v1::ContainerStatsResponse>) = 0;
  virtual void ListContainerStats(v1::ListContainerStatsRequest, CancelToken,
                                  Done<v1::ListContainerStatsResponse>) = 0;

  // Streaming (streaming.md). The Check functions are quick and are what the RPCs ask before they
  // hand out a URL; the others run when a client has come to that URL, and check again.
  virtual Status CheckExec(const v1::ExecRequest&) const = 0;
  virtual Status CheckAttach(const v1::AttachRequest&) const = 0;
  virtual Status CheckPortForward(const v1::PortForwardRequest&) const = 0;
  // `size`: of the terminal, if there is one and its size is known. A cancelled token keeps a
  // command from being started; one that was started runs.
  virtual void OpenExec(v1::ExecRequest, TerminalSize size, CancelToken,
                        Done<std::unique_ptr<ExecStreams>>) = 0;
  virtual void OpenAttach(v1::AttachRequest, CancelToken,
                          Done<std::unique_ptr<oci::AttachConnection>>) = 0;
  // A non-blocking TCP socket of this family (AF_INET, AF_INET6) in the sandbox's network
  // namespace, or in the host's for a pod on the host network. Takes a throwaway thread's time.
  virtual Result<UniqueFd> MakePodSocket(const std::string& sandbox_id, int family) const = 0;
};

// "table.step" of every step table of this room: the fault tests are generated from it.
std::vector<std::string> ListSteps();

}  // namespace crisp::pod

#endif  // CRISP_POD_POD_SERVICE_H_
