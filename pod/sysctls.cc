#include "pod/sysctls.h"

#include <algorithm>

#include "base/core/file.h"

namespace crisp::pod {
namespace {

namespace v1 = ::runtime::v1;

enum class Owner { kNetwork, kIpc, kHost };

Owner OwnerOf(std::string_view name) {
  if (name.starts_with("net.")) return Owner::kNetwork;
  if (name.starts_with("kernel.shm") || name.starts_with("kernel.msg") || name == "kernel.sem" ||
      name.starts_with("fs.mqueue.")) {
    return Owner::kIpc;
  }
  return Owner::kHost;
}

}  // namespace

Result<std::map<std::string, std::string>> PodSysctls(
    const v1::PodSandboxConfig& config, const std::map<std::string, std::string>& defaults) {
  const auto& options = config.linux().security_context().namespace_options();
  const bool own_network = options.network() != v1::NODE;
  const bool own_ipc = options.ipc() != v1::NODE;
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : defaults) {
    const Owner owner = OwnerOf(name);
    if ((owner == Owner::kNetwork && own_network) || (owner == Owner::kIpc && own_ipc)) {
      out[name] = value;
    }
  }
  for (const auto& [given, value] : config.linux().sysctls()) {
    std::string name = given;  // sysctl(8) also knows the form with slashes
    std::replace(name.begin(), name.end(), '/', '.');
    const Owner owner = OwnerOf(name);
    if (owner == Owner::kHost || name.find("..") != std::string::npos) {
      return InvalidArgument("sysctl '", given,
                             "' is not namespaced; allowed are net.*, kernel.shm*, kernel.msg*, "
                             "kernel.sem and fs.mqueue.*");
    }
    if (owner == Owner::kNetwork && !own_network) {
      return InvalidArgument("sysctl '", given, "': the pod uses the host's network namespace");
    }
    if (owner == Owner::kIpc && !own_ipc) {
      return InvalidArgument("sysctl '", given, "': the pod uses the host's IPC namespace");
    }
    out[name] = value;
  }
  return out;
}

Status WriteSysctls(const std::map<std::string, std::string>& sysctls) {
  for (const auto& [name, value] : sysctls) {
    std::string path = name;
    std::replace(path.begin(), path.end(), '.', '/');
    CRISP_RETURN_IF_ERROR(
        WriteControlFile(AT_FDCWD, Cat("/proc/sys/", path), value).Wrap("sysctl ", name));
  }
  return OkStatus();
}

}  // namespace crisp::pod
