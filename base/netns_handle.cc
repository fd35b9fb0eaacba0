#include "base/netns_handle.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <system_error>
#include <thread>

#include "base/core/file.h"
#include "base/core/mount.h"

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
    default:
      return nullptr;
  }
}

Status PinOne(const NamespacePin& pin) {
  const char* name = ProcName(pin.type);
  if (name == nullptr) return InvalidArgument("pin namespace: unknown type ", pin.type);
  CRISP_TRY(OpenFile(pin.path, O_RDONLY | O_CREAT, 0444));
  // /proc/thread-self names the calling thread, also where another thread leads the process.
  return Mount(Cat("/proc/thread-self/ns/", name), pin.path, "", MS_BIND, "");
}

Status MakeAndPin(const std::vector<NamespacePin>& pins, const std::function<Status()>& prepare) {
  int flags = 0;
  for (const NamespacePin& pin : pins) flags |= pin.type;
  if (::unshare(flags) != 0) return Errno("unshare namespaces");
  if (prepare) CRISP_RETURN_IF_ERROR(prepare());
  for (size_t i = 0; i < pins.size(); ++i) {
    if (Status status = PinOne(pins[i]); !status.ok()) {
      for (size_t j = 0; j <= i; ++j) (void)EnsureUnpinned(pins[j].path);
      return std::move(status).Wrap("pin namespace on ", pins[i].path);
    }
  }
  return OkStatus();
}

// Runs `work` on a new thread and waits; its namespaces end with it.
Status OnThrowawayThread(const std::function<Status()>& work) {
  Status status;
  try {
    std::thread thread([&] { status = work(); });
    thread.join();
  } catch (const std::system_error& error) {
    return ResourceExhausted("start thread: ", error.what());
  }
  return status;
}

}  // namespace

Status PinNamespaces(const std::vector<NamespacePin>& pins,
                     const std::function<Status()>& prepare) {
  return OnThrowawayThread([&] { return MakeAndPin(pins, prepare); });
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
  return OnThrowawayThread([&]() -> Status {
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
