#include "server/prerequisites.h"

#include <grp.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "base/core/file.h"

namespace crisp {

std::vector<Status> MissingPrerequisites(const config::Config& config) {
  std::vector<Status> out;
  const std::pair<const char*, const std::string*> programs[] = {
      {"monitor", &config.binaries.monitor},
      {"init", &config.binaries.init},
      {"pull", &config.binaries.pull}};
  for (const auto& [key, path] : programs) {
    if (::access(path->c_str(), X_OK) == 0) continue;
    out.push_back(Errno("binaries.", key, " ", *path, ": install it there, or set binaries.", key));
  }
  if (config.cgroup_driver == config::CgroupDriver::kSystemd &&
      !PathExists("/run/systemd/system")) {  // sd_booted(3)
    out.push_back(
        FailedPrecondition("cgroup_driver: systemd, but this machine was not booted with "
                           "systemd; allowed: cgroupfs"));
  }
  Result<gid_t> group = GetSocketGroup(config.socket);
  if (!group.ok()) out.push_back(std::move(group).status());
  const config::Streaming& streaming = config.streaming;
  const std::pair<const char*, const std::string*> tls[] = {
      {"tls_cert", &streaming.tls_cert},
      {"tls_key", &streaming.tls_key},
      {"tls_client_ca", &streaming.tls_client_ca}};
  for (const auto& [key, path] : tls) {
    if (streaming.address.empty() || path->empty() || ::access(path->c_str(), R_OK) == 0) continue;
    out.push_back(Errno("streaming.", key, " ", *path));
  }
  return out;
}

Result<gid_t> GetSocketGroup(const config::Socket& socket) {
  if (socket.group.empty()) return static_cast<gid_t>(-1);
  const ::group* found = ::getgrnam(socket.group.c_str());
  if (found != nullptr) return found->gr_gid;
  return InvalidArgument("socket.group: no group '", socket.group, "' on this machine");
}

}  // namespace crisp
