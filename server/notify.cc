#include "server/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/core/clock.h"
#include "base/core/unique_fd.h"

namespace crisp {

Status NotifySystemd(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return OkStatus();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t length = std::strlen(path);
  if ((path[0] != '/' && path[0] != '@') || length >= sizeof(address.sun_path)) {
    return InvalidArgument("NOTIFY_SOCKET '", path, "': neither an absolute path nor '@name'");
  }
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return Errno("NOTIFY_SOCKET: socket");
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), size) < 0) {
    return Errno("NOTIFY_SOCKET ", path, ": send");
  }
  return OkStatus();
}

std::string MonotonicUsec() {
  const auto now = MonoNow().time_since_epoch();  // CLOCK_MONOTONIC in libstdc++
  return Cat("MONOTONIC_USEC=", std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

}  // namespace crisp
