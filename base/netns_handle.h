// Namespaces pinned by bind mounts, and running code inside one.
//
// Contract: PinNamespaces makes new namespaces on a throwaway thread (unshare(2)) and bind-mounts
//           /proc/thread-self/ns/* onto the given files: no process holds them (namespaces(7)).
// Threads:  any; the calling thread's own namespaces are never changed.
// After a failed PinNamespaces nothing is mounted and no file that it made is left.
#ifndef CRISP_BASE_NETNS_HANDLE_H_
#define CRISP_BASE_NETNS_HANDLE_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

struct NamespacePin {
  int type;          // CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, or CLONE_NEWUSER of a process
  std::string path;  // file to pin it on; made when missing
};

// Makes one new namespace per entry, all on the same thread, runs `prepare` inside them (set the
// hostname, sysctls, bring lo up) and pins them.
Status PinNamespaces(const std::vector<NamespacePin>& pins, const std::function<Status()>& prepare);
// Pins the namespaces of another process, a child of this one that waits. `prepare`, when given,
// runs inside them on a throwaway thread (not in a user namespace: a program with threads cannot
// enter one).
Status PinNamespacesOf(pid_t pid, const std::vector<NamespacePin>& pins,
                       const std::function<Status()>& prepare);
// Unmounts and removes the file; missing is fine.
Status EnsureUnpinned(const std::string& path);

// A network namespace held by descriptor.
class NetnsHandle {
 public:
  NetnsHandle() = default;
  static Result<NetnsHandle> Open(const std::string& path);
  int get() const { return fd_.get(); }
  // Runs `work` on a throwaway thread inside this namespace. Sockets that it makes stay bound to
  // the namespace and may be used by any thread.
  Status Run(const std::function<Status()>& work) const;

 private:
  UniqueFd fd_;
};

// Sets IFF_UP on "lo" of the calling thread's network namespace.
Status BringLoopbackUp();

}  // namespace crisp

#endif  // CRISP_BASE_NETNS_HANDLE_H_
