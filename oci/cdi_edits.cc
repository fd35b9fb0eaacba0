// What CDI devices change in a container's spec: CDI SPEC.md "OCI Edits".
#include "oci/cdi_edits.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <set>

#include "base/core/file.h"
#include "oci/mount_order.h"

namespace crisp::oci {
namespace {

// 'b', 'c', 'p', or 0 for what is no device.
char TypeOf(mode_t mode) {
  if (S_ISBLK(mode)) return 'b';
  if (S_ISCHR(mode)) return 'c';
  return S_ISFIFO(mode) ? 'p' : 0;
}

// 'u' is an unbuffered character device: the same to the kernel (runtime-spec "Devices").
char KernelType(char type) { return type == 'u' ? 'c' : type; }

// Numbers, type and mode that the file leaves to the host's node. A node that is described
// completely need not exist.
Status FillFromHost(const CdiDeviceNode& node, Device* device) {
  const bool complete = node.type == 'p' || (node.type != 0 && node.major != 0);
  struct stat st {};
  if (::stat(node.host_path.c_str(), &st) != 0) {
    return complete ? OkStatus() : Errno("deviceNodes: hostPath ", node.host_path);
  }
  if (!node.file_mode) device->mode = st.st_mode & 0777;
  if (complete) return OkStatus();
  const char type = TypeOf(st.st_mode);
  if (type == 0 || (node.type != 0 && KernelType(node.type) != type)) {
    return InvalidArgument("deviceNodes: hostPath ", node.host_path, " is ",
                           type == 0 ? "no device node" : Cat("of type ", type),
                           node.type == 0 ? "" : Cat(", but type ", node.type, " is wanted"));
  }
  device->type = type;
  device->major = node.major != 0 ? node.major : ::major(st.st_rdev);
  device->minor = node.minor != 0 ? node.minor : ::minor(st.st_rdev);
  return OkStatus();
}

Status AddNode(const CdiDeviceNode& node, bool may_use_all, Spec* spec) {
  Device device;
  device.path = CleanContainerPath(node.path);
  device.type = KernelType(node.type);
  device.major = node.major;
  device.minor = node.minor;
  if (node.file_mode) device.mode = *node.file_mode;
  // Without an owner it is the container's user, as device plugins count on.
  device.uid = node.uid.value_or(spec->process.user.uid);
  device.gid = node.gid.value_or(spec->process.user.gid);
  CRISP_RETURN_IF_ERROR(FillFromHost(node, &device));
  if (!may_use_all && device.type != 'p' && node.permissions != "none") {
    spec->resources.devices.push_back({true, device.type, device.major, device.minor,
                                       node.permissions.empty() ? "rwm" : node.permissions});
  }
  std::erase_if(spec->devices, [&device](const Device& d) { return d.path == device.path; });
  spec->devices.push_back(std::move(device));
  return OkStatus();
}

bool Has(const std::vector<std::string>& options, std::string_view wanted) {
  return std::find(options.begin(), options.end(), wanted) != options.end();
}

Status AddMount(const CdiMount& mount, Spec* spec) {
  SpecMount out{CleanContainerPath(mount.container_path), mount.type, mount.host_path,
                mount.options};
  if (out.destination == "/") {
    return InvalidArgument("mounts: containerPath: '/' cannot be mounted over");
  }
  bool bind = Has(out.options, "bind") || Has(out.options, "rbind");
  if (!bind && (out.type.empty() || out.type == "none" || out.type == "bind")) {
    out.options.insert(out.options.begin(), "rbind");
    bind = true;
  }
  if (bind) {
    out.type = "bind";
    if (out.source.front() != '/') {
      return InvalidArgument("mounts: hostPath '", out.source, "': allowed: an absolute path");
    }
    if (!PathExists(out.source))
      return NotFound("mounts: hostPath ", out.source, " does not exist");
  }
  // Mounts that propagate need a root that does, as in BuildMounts.
  if (Has(out.options, "rshared") || Has(out.options, "shared")) {
    spec->rootfs_propagation = "rshared";
  } else if ((Has(out.options, "rslave") || Has(out.options, "slave")) &&
             spec->rootfs_propagation.empty()) {
    spec->rootfs_propagation = "rslave";
  }
  std::erase_if(spec->mounts,
                [&out](const SpecMount& m) { return m.destination == out.destination; });
  spec->mounts.push_back(std::move(out));
  return OkStatus();
}

Status AddHook(HookStage stage, const Hook& hook, Spec* spec) {
  CRISP_RETURN_IF_ERROR(CheckHookProgram(stage, hook).Wrap("hooks"));
  spec->hooks[stage].push_back(hook);
  return OkStatus();
}

void SetVariable(const std::string& entry, std::vector<std::string>* env) {
  const std::string key = entry.substr(0, entry.find('=') + 1);
  const auto at = std::find_if(env->begin(), env->end(), [&key](const std::string& present) {
    return present.starts_with(key);
  });
  if (at == env->end()) {
    env->push_back(entry);
  } else {
    *at = entry;
  }
}

Status AddNetDevices(const ContainerRequest& request, const CdiEdits& edits, Spec* spec) {
  if (edits.net_devices.empty()) return OkStatus();
  if (request.features == nullptr || !request.features->net_devices) {
    return FailedPrecondition(
        "netDevices: this runtime handler's program cannot move network devices (its `features` "
        "do not list linux.netDevices)");
  }
  if (request.host_network) {
    return InvalidArgument("netDevices: the pod is on the host's network; allowed: a pod network");
  }
  for (const auto& [host, name] : edits.net_devices) {
    const auto [at, added] = spec->net_devices.try_emplace(host, name);
    if (!added && at->second != name) {
      return InvalidArgument("netDevices: ", host, " would be '", at->second, "' and '", name,
                             "' in the container");
    }
  }
  return OkStatus();
}

Status SetIntelRdt(const CdiEdits& edits, Spec* spec) {
  if (!edits.intel_rdt) return OkStatus();
  const std::string& wanted = edits.intel_rdt->clos_id;
  if (!spec->rdt_class.empty() && !wanted.empty() && wanted != spec->rdt_class) {
    return InvalidArgument("intelRdt: closID '", wanted, "', but the container's RDT class is '",
                           spec->rdt_class, "'");
  }
  const IntelRdt& rdt = *edits.intel_rdt;
  const bool writes =
      !rdt.l3_cache_schema.empty() || !rdt.mem_bw_schema.empty() || !rdt.schemata.empty();
  if (!spec->rdt_class.empty() && writes) {
    return InvalidArgument("intelRdt: would change the RDT class '", spec->rdt_class,
                           "' for all that are in it");
  }
  spec->intel_rdt = rdt;
  return OkStatus();
}

// A container is in one class: two devices that want different ones cannot be together in it. What
// a file says for all of its devices counts where none of these says something of its own.
Status CheckOneIntelRdt(const std::vector<CdiChange>& changes) {
  std::set<std::string> own;  // files
  for (const CdiChange& change : changes) {
    if (change.of_device && change.edits->intel_rdt) own.insert(change.file);
  }
  const CdiChange* first = nullptr;
  for (const CdiChange& change : changes) {
    if (!change.edits->intel_rdt || (!change.of_device && own.contains(change.file))) continue;
    if (first == nullptr) {
      first = &change;
    } else if (*first->edits->intel_rdt != *change.edits->intel_rdt) {
      return InvalidArgument("intelRdt of ", change.origin, " differs from that of ", first->origin,
                             "; a container can have one");
    }
  }
  return OkStatus();
}

}  // namespace

Status ApplyCdiEdits(const ContainerRequest& request, const CdiEdits& edits, Spec* spec) {
  for (const std::string& entry : edits.env) SetVariable(entry, &spec->process.env);
  for (const CdiDeviceNode& node : edits.device_nodes) {
    CRISP_RETURN_IF_ERROR(AddNode(node, HasHostDevices(request), spec));
  }
  for (const CdiMount& mount : edits.mounts) CRISP_RETURN_IF_ERROR(AddMount(mount, spec));
  if (!edits.mounts.empty()) {
    SortByDepth(&spec->mounts,
                [](const SpecMount& m) -> const std::string& { return m.destination; });
  }
  for (const auto& [stage, hook] : edits.hooks) CRISP_RETURN_IF_ERROR(AddHook(stage, hook, spec));
  std::vector<uint32_t>& gids = spec->process.user.additional_gids;
  for (const uint32_t gid : edits.additional_gids) {
    if (std::find(gids.begin(), gids.end(), gid) == gids.end()) gids.push_back(gid);
  }
  CRISP_RETURN_IF_ERROR(AddNetDevices(request, edits, spec));
  return SetIntelRdt(edits, spec);
}

Status ApplyCdi(const ContainerRequest& request, Spec* spec) {
  std::vector<std::string> names = request.cdi_devices;
  for (std::string& name : CRISP_TRY(CdiDevicesOfAnnotations(request.annotations))) {
    names.push_back(std::move(name));
  }
  if (names.empty()) return OkStatus();
  if (request.cdi == nullptr) {
    return FailedPrecondition("CDI device '", names.front(),
                              "': CDI is off (cdi.spec_dirs is empty)");
  }
  const std::vector<CdiChange> changes = CRISP_TRY(request.cdi->Resolve(names));
  CRISP_RETURN_IF_ERROR(CheckOneIntelRdt(changes));
  for (const CdiChange& change : changes) {
    CRISP_RETURN_IF_ERROR(ApplyCdiEdits(request, *change.edits, spec).Wrap(change.origin));
  }
  return OkStatus();
}

}  // namespace crisp::oci
