// Environment: what every operation of the pod room works with. Built once by PodService::Open.
#ifndef CRISP_POD_ENVIRONMENT_H_
#define CRISP_POD_ENVIRONMENT_H_

#include <memory>
#include <string>

#include "base/core/launch_cgroup.h"
#include "pod/event_hub.h"
#include "pod/layer_quotas.h"
#include "pod/paths.h"
#include "pod/pod_service.h"
#include "pod/registry.h"
#include "pod/state_db.h"
#include "pod/userns_probe.h"

namespace crisp::pod {

struct Environment {
  explicit Environment(Options o) : options(std::move(o)), roots{options.root, options.state} {}

  const Options options;
  const Roots roots;
  std::unique_ptr<StateDb> db;
  std::unique_ptr<LayerQuotas> layer_quotas;
  std::unique_ptr<LaunchCgroup> monitor_place;  // monitors are started in their own cgroup
  Registry registry;
  EventHub events;
  SelinuxLevels selinux_levels;
  // Of this machine.
  mutable UserNamespaces user_namespaces{[this] { return ProbeUserNamespaces(*this); },
                                         options.work_lane};

  // The handler's runtime; "" is the default one. kInvalidArgument names those that exist.
  Result<oci::Runtime*> FindRuntime(const std::string& handler) const {
    const std::string& name = handler.empty() ? options.default_handler : handler;
    const auto it = options.runtimes.find(name);
    if (it != options.runtimes.end()) return it->second;
    std::string known;
    for (const auto& [key, runtime] : options.runtimes) {
      known += known.empty() ? key : Cat(", ", key);
    }
    return InvalidArgument("runtime handler '", name, "' is not configured; there are: ", known);
  }
  // Whether a pod of this runtime may have a user namespace.
  Status CheckUserNamespaces(const oci::Runtime& runtime) const {
    CRISP_RETURN_IF_ERROR(user_namespaces.Check());
    if (runtime.features().user_namespaces) return OkStatus();
    return FailedPrecondition("runtime handler '", runtime.options().handler, "' (",
                              runtime.features().kind, " ", runtime.features().version,
                              ") does not support user namespaces");
  }
  // The sandbox's cgroup parent, or the default one.
  const std::string& CgroupParent(const v1::PodSandboxConfig& config) const {
    const std::string& parent = config.linux().cgroup_parent();
    return parent.empty() ? options.default_cgroup_parent : parent;
  }
  // All that the OCI container `id` of the sandbox (the container, or the sandbox's init process)
  // has is in there: to be killed, watched and removed.
  CgroupDir CgroupOf(const Sandbox& sandbox, const std::string& id) const;
  CgroupDir CgroupOf(const Container& container) const;
  // Where its limits are, and execs' groups: below the former with crun in a systemd scope.
  CgroupDir LimitedCgroupOf(const Container& container) const;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_ENVIRONMENT_H_
