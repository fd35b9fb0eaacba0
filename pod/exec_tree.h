// ExecTree: the processes of one exec, killed as a whole.
//
// What:    where the runtime puts the exec in a sub-cgroup, that is the tree. Elsewhere the tree is
//          what descends from the exec's process, found in /proc; a descendant that was orphaned
//          before the kill belongs to the container's init and is found by its session, which the
//          runtime makes for each exec.
// Threads: Kill blocks for some milliseconds: not on the loop.
#ifndef CRISP_POD_EXEC_TREE_H_
#define CRISP_POD_EXEC_TREE_H_

#include <sys/types.h>

#include <string>

#include "base/cgroup_dir.h"
#include "base/core/clock.h"

namespace crisp::pod {

struct ExecTree {
  pid_t pid = 0;         // of the exec's first process
  CgroupDir container;   // the container's cgroup: only processes in it are ever killed
  CgroupDir sub_cgroup;  // path empty: none

  // SIGKILLs the tree until nothing of it is left or the deadline passes.
  Status Kill(MonoTime deadline) const;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_EXEC_TREE_H_
