// The step table of RunPodSandbox, which is also how a sandbox is stopped and removed.
//
//   directories     /run/crisp/pods/<id> (a tmpfs), /run/crisp/ns/<id>
//   files           resolv.conf, hostname, hosts
//   shm             tmpfs for /dev/shm                        ┐
//   user_namespace  pinned; only for pods that ask for one    │
//   namespaces      net, ipc, uts, pinned; hostname, sysctls  │ undone by StopPodSandbox
//   network         CNI ADD                                   │
//   init            crisp-init in the pod's PID namespace     ┘
//
// Contract: cri-contract 5.1 to 5.3, 6.1 to 6.6. The row is written before the first step and
//           deleted after the last undo by the caller; each undo needs nothing but the row.
// Threads:  jobs of the sandbox's strand (or recovery, before there are others).
#ifndef CRISP_POD_RUN_SANDBOX_H_
#define CRISP_POD_RUN_SANDBOX_H_

#include "base/steps.h"
#include "pod/environment.h"

namespace crisp::pod {

struct SandboxContext {
  Environment& env;
  SandboxPtr sandbox;
};

const StepTable<SandboxContext>& RunSandboxTable();

// Undoes what StopPodSandbox gives up: processes, network, namespaces with their directory, mounts.
Status ReleaseSandbox(SandboxContext& context);
// Undoes everything that is not undone yet.
Status DestroySandbox(SandboxContext& context);

// What is wrong with the request, before anything is done.
Status ValidateSandboxConfig(const v1::PodSandboxConfig& config);

// Watches the init process of a shared PID namespace: when it ends, the sandbox is NotReady.
oci::MonitorObserver ObserveInit(Environment& env, const SandboxPtr& sandbox);

}  // namespace crisp::pod

#endif  // CRISP_POD_RUN_SANDBOX_H_
