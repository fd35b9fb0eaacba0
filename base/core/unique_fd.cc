#include "base/core/unique_fd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace crisp {

void UniqueFd::Reset(int fd) {
  const int saved = errno;
  const int old = std::exchange(fd_, fd);
  if (old >= 0) ::close(old);  // EINTR after close(2) on Linux: the descriptor is gone all the same
  errno = saved;
}

Status UniqueFd::Close() {
  const int fd = Release();
  if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) return Errno("close");
  return OkStatus();
}

Result<UniqueFd> UniqueFd::Duplicate() const {
  UniqueFd copy(::fcntl(fd_, F_DUPFD_CLOEXEC, 3));
  if (!copy) return Errno("duplicate descriptor");
  return copy;
}

Result<FdPair> MakePipe(int flags) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC | flags) != 0) return Errno("pipe");
  return FdPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<FdPair> MakeSocketPair(int type) {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) return Errno("socketpair");
  return FdPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Status SetNonBlocking(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return Errno("fcntl F_GETFL");
  const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (wanted != flags && ::fcntl(fd, F_SETFL, wanted) != 0) return Errno("fcntl F_SETFL");
  return OkStatus();
}

}  // namespace crisp
