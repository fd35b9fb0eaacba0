#include "base/core/console_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/core/passed_descriptor.h"

namespace crisp {
namespace {

constexpr int kBacklog = 128;

Status WaitReadable(int fd, MonoTime deadline) {
  pollfd wait{fd, POLLIN, 0};
  for (;;) {
    const int n = ::poll(&wait, 1, PollTimeoutMs(deadline));
    if (n > 0) return OkStatus();
    if (n == 0) return DeadlineExceeded("the runtime sent no terminal");
    if (errno != EINTR) return Errno("poll console socket");
  }
}

}  // namespace

Result<UniqueFd> ListenUnix(int dir_fd, std::string_view name, int type) {
  const std::string file(name);
  if (::unlinkat(dir_fd, file.c_str(), 0) != 0 && errno != ENOENT) {
    return Errno("remove old socket ", name);
  }
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Errno("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = Cat("/proc/self/fd/", dir_fd, "/", name);
  if (path.size() >= sizeof(address.sun_path)) return InvalidArgument("socket name ", name);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  // The mode of the socket is that of the file which bind(2) makes (unix(7)).
  if (::fchmod(fd.get(), 0600) != 0) return Errno("fchmod socket ", name);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return Errno("bind ", name);
  }
  if (::listen(fd.get(), kBacklog) != 0) return Errno("listen on ", name);
  return fd;
}

ConsoleSocket::~ConsoleSocket() {
  if (listener_) ::unlinkat(dir_fd_, name_.c_str(), 0);
}

Status ConsoleSocket::Listen(int dir_fd, const std::string& dir, std::string_view name) {
  dir_fd_ = dir_fd;
  name_ = name;
  listener_ = CRISP_TRY(ListenUnix(dir_fd, name, SOCK_STREAM));
  path_ = Cat(dir, "/", name);
  // runc hands the path to connect(2) as it is; the way through our descriptor is always short.
  if (path_.size() >= sizeof(sockaddr_un::sun_path)) {
    path_ = Cat("/proc/", ::getpid(), "/fd/", dir_fd, "/", name);
  }
  return OkStatus();
}

Result<UniqueFd> ConsoleSocket::Receive(MonoTime deadline) {
  CRISP_RETURN_IF_ERROR(WaitReadable(listener_.get(), deadline));
  UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!peer) return Errno("accept on console socket");
  CRISP_RETURN_IF_ERROR(WaitReadable(peer.get(), deadline));
  char name[4096];
  iovec part{name, sizeof(name)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  if (::recvmsg(peer.get(), &message, MSG_CMSG_CLOEXEC) < 0) return Errno("receive terminal");
  UniqueFd terminal = TakeDescriptor(&message);
  if (terminal) return terminal;
  return Internal("the runtime's message on the console socket holds no descriptor");
}

}  // namespace crisp
