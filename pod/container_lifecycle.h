// ContainerLifecycle: what happens to a container between create and remove: start, exit, and the
// writing down of both.
//
// Contract: cri-contract sections 3 (states, exit codes, reasons) and 7.2.
// Threads:  Start is a job of the sandbox's strand; exits arrive on the loop and are visible in
//           memory at once; the row follows on the strand (after a crash in between, the monitor's
//           exit record says the same).
#ifndef CRISP_POD_CONTAINER_LIFECYCLE_H_
#define CRISP_POD_CONTAINER_LIFECYCLE_H_

#include "pod/environment.h"
#include "pod/stopper.h"

namespace crisp::pod {

class ContainerLifecycle {
 public:
  ContainerLifecycle(Environment* env, Stopper* stopper) : env_(env), stopper_(stopper) {}

  // For the monitor of `container`: its exit and OOM arrive here.
  oci::MonitorObserver Observe(const ContainerPtr& container);

  // After the create steps: CREATED, or EXITED when it was killed meanwhile. Writes the row.
  Status MarkCreated(const ContainerPtr& container);
  // Runs the OCI runtime's start. After a failure the container is EXITED with reason StartError.
  Status Start(const ContainerPtr& container);

  // Writes the row as it is in memory.
  Status Persist(const ContainerPtr& container);

 private:
  void OnExit(const ContainerPtr& container, const oci::ExitRecord& record, bool known);

  Environment* const env_;
  Stopper* const stopper_;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_CONTAINER_LIFECYCLE_H_
