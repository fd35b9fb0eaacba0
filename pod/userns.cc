#include "pod/userns.h"

#include <unistd.h>

namespace crisp::pod {
namespace {

using Mappings = google::protobuf::RepeatedPtrField<v1::IDMapping>;

// user_namespaces(7): (uid_t)-1 is no id.
constexpr uint64_t kIds = UINT32_MAX;

std::string ToText(const v1::IDMapping& m) {
  return Cat("host_id ", m.host_id(), " container_id ", m.container_id(), " length ", m.length());
}

Status CheckMapping(std::string_view field, const Mappings& mappings) {
  if (mappings.size() != 1) {
    return InvalidArgument(field, " has ", mappings.size(), " mappings, exactly one is allowed");
  }
  const v1::IDMapping& m = mappings[0];
  if (m.length() == 0) return InvalidArgument(field, ": length is 0");
  if (m.container_id() != 0) {
    return InvalidArgument(field, ": container_id is ", m.container_id(),
                           ", but the mapping must begin with id 0 of the container");
  }
  if (uint64_t{m.host_id()} + m.length() > kIds) {
    return InvalidArgument(field, ": host_id ", m.host_id(), " and length ", m.length(),
                           " go beyond the last id, ", kIds - 1);
  }
  return OkStatus();
}

Status CheckPodMappings(const v1::UserNamespace& userns) {
  CRISP_RETURN_IF_ERROR(CheckMapping("userns_options.uids", userns.uids()));
  CRISP_RETURN_IF_ERROR(CheckMapping("userns_options.gids", userns.gids()));
  if (userns.uids(0).length() != userns.gids(0).length()) {
    return InvalidArgument("userns_options: uids have length ", userns.uids(0).length(), ", gids ",
                           userns.gids(0).length(), "; they must be equal");
  }
  return OkStatus();
}

bool Equal(const Mappings& a, const Mappings& b) {
  if (a.size() != b.size()) return false;
  for (int i = 0; i < a.size(); ++i) {
    if (a[i].host_id() != b[i].host_id() || a[i].container_id() != b[i].container_id() ||
        a[i].length() != b[i].length()) {
      return false;
    }
  }
  return true;
}

const v1::UserNamespace& OptionsOf(const v1::PodSandboxConfig& config) {
  return config.linux().security_context().namespace_options().userns_options();
}

oci::IdMapping ToOci(const v1::IDMapping& m) { return {m.container_id(), m.host_id(), m.length()}; }

Status CheckMount(const v1::Mount& mount, const v1::PodSandboxConfig& sandbox) {
  const bool pod_has_one = HasUserNamespace(sandbox);
  if (pod_has_one && mount.propagation() == v1::PROPAGATION_BIDIRECTIONAL) {
    return InvalidArgument(
        "propagation BIDIRECTIONAL: mounts of a pod with a user namespace "
        "cannot reach the host (mount_namespaces(7)); use HOST_TO_CONTAINER or "
        "PRIVATE");
  }
  if (mount.uidmappings_size() == 0 && mount.gidmappings_size() == 0) return OkStatus();
  if (!pod_has_one) {
    return InvalidArgument("uidMappings and gidMappings need a pod with a user namespace");
  }
  for (const auto& [field, mappings, pods] :
       {std::tuple("uidMappings", &mount.uidmappings(), &OptionsOf(sandbox).uids()),
        std::tuple("gidMappings", &mount.gidmappings(), &OptionsOf(sandbox).gids())}) {
    if (Equal(*mappings, *pods)) continue;
    return InvalidArgument(
        field, " must be those of the pod (", ToText((*pods)[0]), ")",
        mappings->empty() ? ", there are none" : Cat(", not ", ToText((*mappings)[0])));
  }
  return OkStatus();
}

}  // namespace

bool HasUserNamespace(const v1::PodSandboxConfig& config) {
  const v1::NamespaceOption& options = config.linux().security_context().namespace_options();
  return options.has_userns_options() && options.userns_options().mode() == v1::POD;
}

oci::RequestedUserNamespace UserNamespaceOf(const v1::PodSandboxConfig& config,
                                            const std::string& path) {
  return {path, ToOci(OptionsOf(config).uids(0)), ToOci(OptionsOf(config).gids(0))};
}

Status CheckUserNamespace(const v1::PodSandboxConfig& config) {
  const v1::NamespaceOption& options = config.linux().security_context().namespace_options();
  if (!options.has_userns_options()) return OkStatus();
  const v1::UserNamespace& userns = options.userns_options();
  if (userns.mode() == v1::NODE) return OkStatus();
  if (userns.mode() != v1::POD) {
    return InvalidArgument("userns_options.mode ", v1::NamespaceMode_Name(userns.mode()),
                           " is not allowed; use POD or NODE");
  }
  CRISP_RETURN_IF_ERROR(CheckPodMappings(userns));
  for (const auto& [field, mode] :
       {std::pair("pid", options.pid()), std::pair("ipc", options.ipc())}) {
    if (mode != v1::NODE) continue;
    return InvalidArgument("namespace_options.", field,
                           " NODE: a pod with a user namespace cannot "
                           "share the host's ",
                           field, " namespace");
  }
  return OkStatus();
}

Status CheckUserNamespace(const v1::ContainerConfig& config, const v1::PodSandboxConfig& sandbox) {
  const v1::NamespaceOption& options = config.linux().security_context().namespace_options();
  const bool pod_has_one = HasUserNamespace(sandbox);
  if (pod_has_one && options.pid() == v1::NODE) {
    return InvalidArgument(
        "namespace_options.pid NODE: a pod with a user namespace cannot share "
        "the host's pid namespace");
  }
  if (options.has_userns_options()) {
    const v1::UserNamespace& own = options.userns_options();
    const bool equal = pod_has_one ? own.mode() == v1::POD &&
                                         Equal(own.uids(), OptionsOf(sandbox).uids()) &&
                                         Equal(own.gids(), OptionsOf(sandbox).gids())
                                   : own.mode() == v1::NODE;
    if (!equal) {
      return InvalidArgument(
          "namespace_options.userns_options differ from the sandbox's, and all "
          "containers of a pod share its user namespace (",
          pod_has_one ? ToText(OptionsOf(sandbox).uids(0)) : "the sandbox has none: mode NODE",
          ")");
    }
  }
  for (const v1::Mount& mount : config.mounts()) {
    CRISP_RETURN_IF_ERROR(CheckMount(mount, sandbox).Wrap("mount ", mount.container_path()));
  }
  return OkStatus();
}

HostOwner ContainerRoot(const v1::PodSandboxConfig& config) {
  if (!HasUserNamespace(config)) return {};
  return {OptionsOf(config).uids(0).host_id(), OptionsOf(config).gids(0).host_id()};
}

Status GiveToContainerRoot(const v1::PodSandboxConfig& config, const std::string& path) {
  if (!HasUserNamespace(config)) return OkStatus();
  const HostOwner root = ContainerRoot(config);
  if (::lchown(path.c_str(), root.uid, root.gid) != 0) return Errno("chown ", path);
  return OkStatus();
}

}  // namespace crisp::pod
