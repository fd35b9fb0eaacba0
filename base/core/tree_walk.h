// WalkTree: every entry below a directory, for trees that a container changes meanwhile.
//
// Contract: no symlink is followed and no path is looked up twice: what is visited is below `top`,
//           however directories are swapped for links during the walk. Mounts are walked into,
//           unless `enter` says no.
//           Whoever fills the tree decides neither about memory (a directory is read piece by
//           piece), nor about stack or descriptors (at most 33 are open, whatever the depth; below
//           the 32nd level one goes up by ".." and compares where that leads).
// Threads:  none of its own.
// Errors:   of `visit`, which end the walk; of the kernel (kResourceExhausted without descriptors).
// What is moved or removed during the walk may be missed or met twice.
#ifndef CRISP_BASE_CORE_TREE_WALK_H_
#define CRISP_BASE_CORE_TREE_WALK_H_

#include <sys/stat.h>

#include <functional>
#include <string>

#include "base/core/dir_fd.h"

namespace crisp {

// `st` is that of lstat(2). A directory is visited before what it holds.
using TreeVisitor =
    std::function<Status(int dir_fd, const std::string& name, const struct stat& st)>;

// Whether the walk goes into a directory below `top`, which is open as `fd`. Empty: into all.
using TreeGate = std::function<bool(int fd, const struct stat& st)>;

Status WalkTree(const DirFd& top, const TreeVisitor& visit, const TreeGate& enter = {});

}  // namespace crisp

#endif  // CRISP_BASE_CORE_TREE_WALK_H_
