#include "server/instance_lock.h"

#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/core/file.h"
#include "base/log.h"

namespace crisp {
namespace {

// Cut last: a full disk gives no block again to a file that was emptied.
Status WritePid(int file) {
  const std::string pid = Cat(::getpid(), '\n');
  const ssize_t size = static_cast<ssize_t>(pid.size());
  if (::pwrite(file, pid.data(), pid.size(), 0) != size) return Errno("write");
  return ::ftruncate(file, size) == 0 ? OkStatus() : Errno("truncate");
}

}  // namespace

Result<InstanceLock> InstanceLock::Acquire(const std::string& directory, mode_t mode,
                                           Duration patience) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(directory, mode));
  const std::string path = JoinPath(directory, "crispd.lock");
  UniqueFd file = CRISP_TRY(OpenFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  const MonoTime give_up = MonoNow() + patience;
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK && MonoNow() < give_up) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    if (errno != EWOULDBLOCK) return Errno(path, ": lock");
    const Result<std::string> holder = ReadFile(path, 64);
    return FailedPrecondition(directory, ": another crispd (pid ",
                              holder.ok() ? Trim(*holder) : std::string_view("unknown"),
                              ") uses this directory; stop it, or give this one another root "
                              "and state");
  }
  if (Status written = WritePid(file.get()); !written.ok()) {
    log::Warning("the lock does not say whose it is", {{"file", path}, {"error", written}});
  }
  return InstanceLock(std::move(file));
}

Status EnsureSocketFree(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? OkStatus() : Errno(path);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return FailedPrecondition("socket.path ", path, ": something else than a socket is there");
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return InvalidArgument(path, ": too long");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return Errno("socket");
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno == EAGAIN) {  // EAGAIN: somebody listens, with a full backlog (unix(7))
    return AlreadyExists("socket.path ", path, ": another process listens there");
  }
  if (errno != ECONNREFUSED) return Errno("socket.path ", path, ": probe");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return Errno(path, ": remove stale socket");
  return OkStatus();
}

}  // namespace crisp
