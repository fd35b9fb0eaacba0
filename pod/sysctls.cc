#include "pod/sysctls.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "base/core/file.h"
#include "base/sysctl_owner.h"

namespace crisp::pod {
namespace {

namespace v1 = ::runtime::v1;

// "net.ipv4.conf.eth0/100.forwarding" <-> "net/ipv4/conf/eth0.100/forwarding".
std::string OtherSpelling(std::string name) {
  for (char& c : name) c = c == '.' ? '/' : c == '/' ? '.' : c;
  return name;
}

// A path that stays below where it starts.
bool IsBelow(const std::string& path) {
  const std::string all = Cat('/', path, '/');
  return all.find("//") == std::string::npos && all.find("/./") == std::string::npos &&
         all.find("/../") == std::string::npos;
}

// The raw calls change the calling thread alone; glibc's would change all. The effective user alone
// changes, so that root comes back.
Status WriteAs(const HostOwner& root, const std::string& path, const std::string& value) {
  const int dumpable = ::prctl(PR_GET_DUMPABLE);
  if (::syscall(SYS_setresgid, -1, root.gid, -1) != 0) return Errno("setresgid");
  Status status;
  if (::syscall(SYS_setresuid, -1, root.uid, -1) != 0) {
    status = Errno("setresuid");
  } else {
    status = WriteControlFile(AT_FDCWD, path, value);
    if (::syscall(SYS_setresuid, -1, 0, -1) != 0) return Errno("setresuid back");
  }
  if (::syscall(SYS_setresgid, -1, 0, -1) != 0) return Errno("setresgid back");
  // The whole process's, and changed ids have ended it (proc(5), /proc/<pid>).
  if (dumpable == 1) ::prctl(PR_SET_DUMPABLE, 1);
  return status;
}

Status WriteOne(const std::string& path, const std::string& value, const HostOwner& root) {
  Status status = WriteControlFile(AT_FDCWD, path, value);
  const bool refused = status.code() == Code::kPermissionDenied && root.uid != 0;
  return refused ? WriteAs(root, path, value) : std::move(status);
}

}  // namespace

Result<std::map<std::string, std::string>> PodSysctls(
    const v1::PodSandboxConfig& config, const std::map<std::string, std::string>& defaults) {
  const auto& options = config.linux().security_context().namespace_options();
  const bool own_network = options.network() != v1::NODE;
  const bool own_ipc = options.ipc() != v1::NODE;
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : defaults) {
    const SysctlOwner owner = OwnerOfSysctl(name);
    if ((owner == SysctlOwner::kNetwork && own_network) ||
        (owner == SysctlOwner::kIpc && own_ipc)) {
      out[name] = value;
    }
  }
  for (const auto& [given, value] : config.linux().sysctls()) {
    // sysctl.d(5): the first separator tells which of the two separates; the other one is a part of
    // names then (net/ipv4/conf/eth0.100/forwarding).
    std::string name = given;
    const size_t first = name.find_first_of("./");
    if (first != std::string::npos && name[first] == '/') name = OtherSpelling(name);
    const SysctlOwner owner = OwnerOfSysctl(name);
    if (owner == SysctlOwner::kHost || !IsBelow(OtherSpelling(name))) {
      return InvalidArgument("sysctl '", given,
                             "' is not namespaced; allowed are net.*, kernel.shm*, kernel.msg*, "
                             "kernel.sem and fs.mqueue.*");
    }
    if (owner == SysctlOwner::kNetwork && !own_network) {
      return InvalidArgument("sysctl '", given, "': the pod uses the host's network namespace");
    }
    if (owner == SysctlOwner::kIpc && !own_ipc) {
      return InvalidArgument("sysctl '", given, "': the pod uses the host's IPC namespace");
    }
    if (std::any_of(value.begin(), value.end(), [](char c) {
          return c != '\t' && std::iscntrl(static_cast<unsigned char>(c)) != 0;
        })) {
      return InvalidArgument("sysctl '", given, "': the value has a control character");
    }
    out[name] = value;
  }
  return out;
}

Status WriteSysctls(const std::map<std::string, std::string>& sysctls, const HostOwner& root) {
  for (const auto& [name, value] : sysctls) {
    CRISP_RETURN_IF_ERROR(
        WriteOne(Cat("/proc/sys/", OtherSpelling(name)), value, root).Wrap("sysctl ", name));
  }
  return OkStatus();
}

}  // namespace crisp::pod
