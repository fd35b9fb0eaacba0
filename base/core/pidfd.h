// Pidfds: references to processes that a reused number cannot mislead.
//
// What:     OpenPidfd, and <sys/pidfd.h> for C++: glibc 2.36 declares pidfd_open and
//           pidfd_send_signal without C linkage.
// Contract: pidfd_open(2).
// Threads:  free functions.
#ifndef CRISP_BASE_CORE_PIDFD_H_
#define CRISP_BASE_CORE_PIDFD_H_

#include <sys/types.h>

extern "C" {
#include <sys/pidfd.h>
}

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

// kNotFound: there is no such process (any more). That is ESRCH, and for one that is being reaped
// at this very moment EINVAL or (newer kernels) ENOENT: its number is still taken, its task gone.
Result<UniqueFd> OpenPidfd(pid_t pid);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_PIDFD_H_
