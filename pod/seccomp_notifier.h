// SeccompNotifier: sees the system calls that containers' seccomp profiles block.
//
//   runtime ── connects, sends the filter's descriptor ──> watched ── blocked call ──> counted,
//   (create, exec)                                            │                         answered
//                                                             └ the last process is gone: closed
//
// What:     for pods with the annotation io.crisp.seccompNotifierAction (or CRI-O's,
//           io.kubernetes.cri-o.seccompNotifierAction) where configuration allows it, by
//           seccomp_notifier for all pods or by the key in allowed_annotations of their handler or
//           workload. A blocked call is logged, counted in the metric
//           crisp_pod_seccomp_blocked_total and named in the message of ContainerStatus once the
//           container has exited; it fails as it would without a notifier. With the value "stop"
//           the container is killed five seconds after its first blocked call (time for more of
//           them to be seen), and its reason is "seccomp killed".
// Contract: seccomp_unotify(2); oci/seccomp_notify.h says what a notifying profile is.
// Threads:  Open and the destructor anywhere, with the loop not running callbacks of this object
//           any more at the end; everything else happens on the loop thread.
// A container cannot keep the loop busy: after kBurst calls its descriptor rests for a moment,
// while its processes wait in the kernel.
// Restart:  the descriptors are this process's. When it ends, blocked calls fail with ENOSYS and
//           nobody sees them; the containers run on. The socket is made again at the start,
//           because every later exec in such a container brings a descriptor of its own.
#ifndef CRISP_POD_SECCOMP_NOTIFIER_H_
#define CRISP_POD_SECCOMP_NOTIFIER_H_

#include <map>
#include <memory>
#include <string>

#include "base/core/unique_fd.h"
#include "oci/seccomp_notify.h"
#include "pod/environment.h"
#include "pod/stopper.h"

namespace crisp::pod {

// The annotation's value, "" when the pod has none.
std::string SeccompNotifierAction(const v1::PodSandboxConfig& pod);
// Whether configuration lets pods of this handler (null: of some handler or workload) have one.
bool AllowsSeccompNotifier(const Environment& env, const oci::Runtime* runtime);
// Whether the pod asks and may. One that may not is as if it had not asked, as in CRI-O.
bool WantsSeccompNotifier(const Environment& env, const Sandbox& sandbox);
// The socket's path, which becomes part of containers' specs.
std::string SeccompListenerPath(const std::string& state);

class SeccompNotifier {
 public:
  SeccompNotifier(Environment* env, Stopper* stopper) : env_(env), stopper_(stopper) {}
  SeccompNotifier(const SeccompNotifier&) = delete;
  SeccompNotifier& operator=(const SeccompNotifier&) = delete;
  ~SeccompNotifier();

  // Listens where configuration allows the notifier; else does nothing.
  Status Open();

 private:
  struct Peer {  // a runtime that is about to hand over a descriptor
    UniqueFd socket;
    UniqueFd listener;
    std::string text;
    EpollLoop::WatchId watch = 0;
    EpollLoop::TimerId timer = 0;
  };
  struct Listener {  // one filter: of a container's PID 1 or of an exec
    UniqueFd fd;
    oci::SeccompListenerData data;
    EpollLoop::WatchId watch = 0;
    EpollLoop::TimerId rest = 0;
    bool broken = false;  // it does not answer: no listener at all
  };
  struct Seen {
    std::map<std::string, uint64_t> calls;
    bool stopping = false;
    EpollLoop::TimerId timer = 0;
    size_t listeners = 0;
  };
  using Id = uint64_t;

  void OnConnection();
  void OnPeer(Id id);
  void DropPeer(Id id);
  void AddListener(UniqueFd fd, oci::SeccompListenerData data);
  void OnListener(Id id, uint32_t events);
  void DropListener(Id id);
  // False when there was none.
  bool AnswerOne(Listener& listener);
  void Record(const std::string& container_id, const std::string& call);
  void Count(const Container& container, const std::string& call);
  void Stop(const std::string& container_id);

  Environment* const env_;
  Stopper* const stopper_;
  UniqueFd directory_;
  UniqueFd socket_;
  EpollLoop::WatchId watch_ = 0;
  Id next_id_ = 1;
  std::map<Id, Peer> peers_;
  std::map<Id, Listener> listeners_;
  std::map<std::string, Seen> seen_;  // by container, while it has listeners
  size_t series_ = 0;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_SECCOMP_NOTIFIER_H_
