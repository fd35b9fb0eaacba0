#include "base/core/pidfd.h"

#include <cerrno>

namespace crisp {

Result<UniqueFd> OpenPidfd(pid_t pid) {
  UniqueFd fd(::pidfd_open(pid, 0));
  if (fd) return fd;
  if (errno == ESRCH || errno == EINVAL || errno == ENOENT) {
    return NotFound("process ", pid, " is gone");
  }
  return Errno("pidfd_open ", pid);
}

}  // namespace crisp
