// DrainOutput: reads a descriptor and drops what comes, until its end.
//
// What:    keeps a command alive whose reader has gone: a closed pipe would kill it (SIGPIPE). Owns
//          itself. It rests between rounds, so that a command that writes for ever costs the loop
//          little.
// Threads: from any; it runs on the loop.
#ifndef CRISP_POD_EXEC_DRAIN_H_
#define CRISP_POD_EXEC_DRAIN_H_

#include "base/core/epoll_loop.h"
#include "base/core/unique_fd.h"

namespace crisp::pod {

// `fd`: a non-blocking pipe or terminal; invalid is fine.
void DrainOutput(EpollLoop* loop, UniqueFd fd);

}  // namespace crisp::pod

#endif  // CRISP_POD_EXEC_DRAIN_H_
