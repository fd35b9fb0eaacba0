// Stopper: ends containers and waits for their end, without a thread that waits.
//
//   Stop(kill_at) ── stop signal to PID 1 ──> waiting ── exit seen ──> all waiters: OK
//                                               │ kill_at (a later call may only bring it forward)
//                                               v
//                                            SIGKILL ── kill_deadline passed ──> waiters: error
//
// Contract: cri-contract 7.3. The signal is sent once, by pidfd, to the container's PID 1; SIGKILL
//           goes to everything in the container's cgroup where PID 1's death does not already take
//           it along (shared or host PID namespace).
// Threads:  Stop and OnExit from anywhere; the state lives on the loop thread. `done` is called
//           once on the loop thread and must not block.
#ifndef CRISP_POD_STOPPER_H_
#define CRISP_POD_STOPPER_H_

#include <functional>
#include <list>
#include <map>
#include <memory>

#include "pod/environment.h"

namespace crisp::pod {

class Stopper {
 public:
  using DoneFn = std::function<void(Status)>;

  explicit Stopper(Environment* env) : env_(env) {}

  // `grace`: from now until SIGKILL; 0 or less: at once. A container that does not run is done.
  // A cancelled token ends the waiting with kCancelled; the signal is not undone.
  void Stop(const ContainerPtr& container, Duration grace, const CancelToken& cancel, DoneFn done);
  // To be called when the container's exit is on its row.
  void OnExit(const ContainerPtr& container);
  // SIGKILLs what is left in the cgroup, on the work lane.
  void KillCgroup(const ContainerPtr& container);

 private:
  struct Waiter {
    DoneFn done;
    CancelToken cancel;
    EpollLoop::WatchId watch = 0;
  };
  struct Stopping {
    ContainerPtr container;
    bool killed = false;
    MonoTime kill_at;
    EpollLoop::TimerId timer = 0;
    std::list<Waiter> waiters;
  };

  void Begin(const ContainerPtr& container, MonoTime kill_at, Waiter waiter);
  void AddWaiter(Stopping& stopping, Waiter waiter);
  void SetTimer(const ContainerId& id, Stopping& stopping, MonoTime at);
  void OnTimer(const ContainerId& id);
  void Kill(Stopping& stopping);
  void Finish(const ContainerId& id, const Status& status);
  void DropWaiter(const ContainerId& id, EpollLoop::WatchId watch);

  Environment* const env_;
  std::map<ContainerId, Stopping> stopping_;  // loop thread only
};

}  // namespace crisp::pod

#endif  // CRISP_POD_STOPPER_H_
