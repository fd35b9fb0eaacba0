#include "base/netns_handle.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/core/file.h"
#include "base/core/mount.h"
#include "base/core/own_thread.h"

namespace crisp {
namespace {

const char* ProcName(int type) {
  switch (type) {
    case CLONE_NEWNET:
      return "net";
    case CLONE_NEWIPC:
      return "ipc";
    case CLONE_NEWUTS:
      return "uts";
    case CLONE_NEWUSER:
      return "user";
    default:
      return nullptr;
  }
}

// `process`: a directory in /proc.
Status PinOne(const std::string& process, const NamespacePin& pin) {
  const char* name = ProcName(pin.type);
  if (name == nullptr) return InvalidArgument("pin namespace: unknown type ", pin.type);
  CRISP_TRY(OpenFile(pin.path, O_RDONLY | O_CREAT, 0444));
  return Mount(Cat(process, "/ns/", name), pin.path, "", MS_BIND, "");
}

Status PinAll(const std::string& process, const std::vector<NamespacePin>& pins) {
  for (size_t i = 0; i < pins.size(); ++i) {
    if (Status status = PinOne(process, pins[i]); !status.ok()) {
      for (size_t j = 0; j <= i; ++j) (void)EnsureUnpinned(pins[j].path);
      return std::move(status).Wrap("pin namespace on ", pins[i].path);
    }
  }
  return OkStatus();
}

Status EnterAll(const std::vector<NamespacePin>& pins) {
  for (const NamespacePin& pin : pins) {
    if (pin.type == CLONE_NEWUSER) continue;
    const UniqueFd fd = CRISP_TRY(OpenFile(pin.path, O_RDONLY));
    if (::setns(fd.get(), pin.type) != 0) return Errno("enter namespace ", pin.path);
  }
  return OkStatus();
}

Status MakeAndPin(const std::vector<NamespacePin>& pins, const std::function<Status()>& prepare) {
  int flags = 0;
  for (const NamespacePin& pin : pins) flags |= pin.type;
  if (::unshare(flags) != 0) return Errno("unshare namespaces");
  if (prepare) CRISP_RETURN_IF_ERROR(prepare());
  // /proc/thread-self names the calling thread, also where another thread leads the process.
  return PinAll("/proc/thread-self", pins);
}

}  // namespace

Status PinNamespaces(const std::vector<NamespacePin>& pins,
                     const std::function<Status()>& prepare) {
  return RunOnOwnThread([&] { return MakeAndPin(pins, prepare); });
}

Status PinNamespacesOf(pid_t pid, const std::vector<NamespacePin>& pins,
                       const std::function<Status()>& prepare) {
  CRISP_RETURN_IF_ERROR(PinAll(Cat("/proc/", pid), pins));
  if (!prepare) return OkStatus();
  Status status = RunOnOwnThread([&]() -> Status {
    CRISP_RETURN_IF_ERROR(EnterAll(pins));
    return prepare();
  });
  if (status.ok()) return status;
  for (const NamespacePin& pin : pins) (void)EnsureUnpinned(pin.path);
  return status;
}

Status EnsureUnpinned(const std::string& path) {
  CRISP_RETURN_IF_ERROR(EnsureUnmounted(path, /*detach=*/true));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return Errno("remove ", path);
  return OkStatus();
}

Result<NetnsHandle> NetnsHandle::Open(const std::string& path) {
  NetnsHandle handle;
  handle.fd_ = CRISP_TRY(OpenFile(path, O_RDONLY));
  return handle;
}

Status NetnsHandle::Run(const std::function<Status()>& work) const {
  return RunOnOwnThread([&]() -> Status {
    if (::setns(fd_.get(), CLONE_NEWNET) != 0) return Errno("enter network namespace");
    return work();
  });
}

Status BringLoopbackUp() {
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return Errno("socket for lo");
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return Errno("read flags of lo");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return Errno("bring lo up");
  return OkStatus();
}

}  // namespace crisp
