// What posix_spawn(3) cannot do: ForkIntoCgroup starts a program as a member of a cgroup v2 group
// from its first moment on; VforkAndExec with another limit of descriptors than ours.
//
// What:    clone3(2) with CLONE_INTO_CGROUP, which posix_spawn has only since glibc 2.39. Moving a
//          process instead waits for an RCU grace period (see launch_cgroup.h). And vfork(2), whose
//          child has limits, descriptors and signal handlers of its own, but our memory.
// Contract: clone3(2), Linux 5.7; the child makes only calls of signal-safety(7). Its memory is a
//          copy (no CLONE_VM): without assembly a child cannot share the stack of this function,
//          and the page tables of crispd are copied in some hundred microseconds.
// Threads:  any.
// Errors:   of clone3 itself, where nothing was started: ForkError::kClone; of the child's own
//           preparations and of exec: kExec, with the child reaped.
#ifndef CRISP_BASE_CORE_FORK_INTO_CGROUP_H_
#define CRISP_BASE_CORE_FORK_INTO_CGROUP_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace crisp {

// What a child does with its descriptors, in this order.
struct DescriptorPlan {
  std::vector<int> null;                  // opened on /dev/null
  std::vector<std::pair<int, int>> dups;  // (close-on-exec source, number in the child)
  std::vector<int> closed;
  int close_from = 3;
};

struct ForkRequest {
  int cgroup_dir = -1;  // a descriptor of the group's directory
  char* const* argv = nullptr;
  char* const* env = nullptr;
  const char* working_directory = nullptr;  // null: as here
  bool new_session = false;
  uint64_t descriptor_limit = 0;  // the child's soft RLIMIT_NOFILE; 0: as here
  std::string oom_score_adj;      // what the child writes to its own; empty: as here
  const DescriptorPlan* descriptors = nullptr;
};

enum class ForkError { kNone, kClone, kExec };
struct ForkResult {
  ForkError failed = ForkError::kNone;
  int error = 0;  // errno
  pid_t pid = -1;
};

// argv[0] must be a path with a slash.
ForkResult ForkIntoCgroup(const ForkRequest& request);
// argv[0] without a slash is looked up in PATH. request.cgroup_dir is not used.
ForkResult VforkAndExec(const ForkRequest& request);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_FORK_INTO_CGROUP_H_
