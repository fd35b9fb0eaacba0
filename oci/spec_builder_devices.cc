// Devices: cri-contract 8.3 and 9.5.
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "base/core/file.h"
#include "oci/spec_parts.h"

namespace crisp::oci {
namespace {

namespace fs = std::filesystem;

// Deny all, then: mknod of anything (without use), the standard nodes, terminals.
std::vector<DeviceRule> DefaultRules() {
  std::vector<DeviceRule> out = {
      {false, 'a', {}, {}, "rwm"}, {true, 'c', {}, {}, "m"}, {true, 'b', {}, {}, "m"}};
  // null, zero, full, random, urandom, tty, console, ptmx (devices.txt of the kernel).
  constexpr std::array<std::pair<int, int>, 8> kNodes = {
      {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}}};
  for (const auto& [major, minor] : kNodes) out.push_back({true, 'c', major, minor, "rwm"});
  out.push_back({true, 'c', 136, {}, "rwm"});  // pseudo terminals
  return out;
}

Result<std::string> CheckPermissions(const std::string& permissions) {
  if (permissions.empty()) return std::string("rwm");
  if (permissions.find_first_not_of("rwm") != std::string::npos) {
    return InvalidArgument("permissions '", permissions, "' (allowed is a subset of rwm)");
  }
  return permissions;
}

std::optional<Device> FindDevice(const std::string& host_path, std::string container_path) {
  struct stat st {};
  if (::lstat(host_path.c_str(), &st) != 0) return std::nullopt;
  if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) return std::nullopt;
  Device out;
  out.path = std::move(container_path);
  out.type = S_ISCHR(st.st_mode) ? 'c' : 'b';
  out.major = ::major(st.st_rdev);
  out.minor = ::minor(st.st_rdev);
  out.mode = st.st_mode & 0777;
  out.uid = st.st_uid;
  out.gid = st.st_gid;
  return out;
}

// A later device at the same path replaces the earlier one.
void AddDevice(Device device, Spec* spec) {
  std::erase_if(spec->devices, [&device](const Device& d) { return d.path == device.path; });
  spec->devices.push_back(std::move(device));
}

// What has a meaning of its own in every container: its terminals, its descriptors, its tmpfs's.
bool IsOwnInContainer(const std::string& name) {
  static constexpr std::array<std::string_view, 9> kOwn = {
      "pts", "shm", "mqueue", "fd", "hugepages", ".lxc", ".lxd-mounts", ".udev", "ptmx"};
  return name == "console" || std::find(kOwn.begin(), kOwn.end(), name) != kOwn.end();
}

// All device nodes below `directory`; symlinks are not followed. `skip` filters the names directly
// in it. What goes away meanwhile (hot plugging), directories too, is not an error, and ends
// nothing but itself.
Status AddDevicesBelow(const std::string& directory, const std::string& container_directory,
                       bool (*skip)(const std::string&), std::vector<Device>* out) {
  std::error_code error;
  fs::directory_iterator at(directory, fs::directory_options::skip_permission_denied, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (skip != nullptr && skip(name)) continue;
    const std::string path = at->path().string();
    const std::string inside = CleanContainerPath(Cat(container_directory, "/", name));
    std::error_code ignored;
    if (at->symlink_status(ignored).type() == fs::file_type::directory) {
      CRISP_RETURN_IF_ERROR(AddDevicesBelow(path, inside, nullptr, out));
    } else if (auto device = FindDevice(path, inside)) {
      out->push_back(std::move(*device));
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return ErrnoStatus(error.value(), Cat("list devices in ", directory));
  }
  return OkStatus();
}

Result<std::vector<Device>> DevicesBelow(const std::string& directory,
                                         const std::string& container_directory,
                                         bool (*skip_top_level)(const std::string&)) {
  std::vector<Device> out;
  CRISP_RETURN_IF_ERROR(AddDevicesBelow(directory, container_directory, skip_top_level, &out));
  return out;
}

// The nodes that one request means: the node that it names, through symlinks, or all that lie below
// the directory.
Result<std::vector<Device>> RequestedNodes(const RequestedDevice& requested) {
  if (requested.host_path.empty() || requested.host_path.front() != '/') {
    return InvalidArgument("host_path '", requested.host_path, "': allowed: an absolute path");
  }
  CRISP_RETURN_IF_ERROR(CheckText("host_path", requested.host_path));
  const std::unique_ptr<char, void (*)(void*)> resolved(
      ::realpath(requested.host_path.c_str(), nullptr), ::free);
  if (!resolved) return Errno("host_path ", requested.host_path);
  const std::string source = resolved.get();
  const std::string destination = CleanContainerPath(
      requested.container_path.empty() ? requested.host_path : requested.container_path);
  CRISP_RETURN_IF_ERROR(CheckText("container_path", destination));
  std::vector<Device> out;
  if (auto device = FindDevice(source, destination)) {
    out.push_back(std::move(*device));
    return out;
  }
  if (std::error_code ignored; !fs::is_directory(source, ignored)) {
    return InvalidArgument("host_path ", source, " is neither a device node nor a directory");
  }
  out = CRISP_TRY(DevicesBelow(source, destination, nullptr));
  if (out.empty()) {
    return InvalidArgument("host_path ", source, ": the directory holds no device nodes");
  }
  return out;
}

Status AddRequested(const ContainerRequest& request, const RequestedDevice& requested, Spec* spec) {
  const std::string access = CRISP_TRY(CheckPermissions(requested.permissions));
  for (Device& device : CRISP_TRY(RequestedNodes(requested))) {
    if (!HasHostDevices(request)) {
      spec->resources.devices.push_back({true, device.type, device.major, device.minor, access});
    }
    // The numbers that the pod asks for, as the peers: names and the image's user do not count.
    if (request.own_devices && request.user.uid) {
      device.uid = static_cast<uint32_t>(*request.user.uid);
    }
    if (request.own_devices && request.user.gid) {
      device.gid = static_cast<uint32_t>(*request.user.gid);
    }
    AddDevice(std::move(device), spec);
  }
  return OkStatus();
}

std::string NameOf(const RequestedDevice& device) {
  return device.container_path.empty() ? device.host_path : device.container_path;
}

}  // namespace

Status CheckDevice(const RequestedDevice& device) { return RequestedNodes(device).status(); }

bool HasHostDevices(const ContainerRequest& request) {
  return request.privileged &&
         (request.handler == nullptr || !request.handler->privileged_without_host_devices);
}

Status BuildDevices(const ContainerRequest& request, const HostFacts& host, Spec* spec) {
  if (HasHostDevices(request)) {
    spec->resources.devices = {{true, 'a', {}, {}, "rwm"}};
    for (Device& device :
         CRISP_TRY(DevicesBelow(host.device_directory, "/dev", IsOwnInContainer))) {
      AddDevice(std::move(device), spec);
    }
  } else {
    spec->resources.devices = DefaultRules();
  }
  for (const RequestedDevice& device : request.additional_devices) {
    CRISP_RETURN_IF_ERROR(AddRequested(request, device, spec)
                              .Wrap("additional_devices of the configuration: ", NameOf(device)));
  }
  for (const RequestedDevice& device : request.devices) {
    CRISP_RETURN_IF_ERROR(AddRequested(request, device, spec).Wrap("device ", NameOf(device)));
  }
  return OkStatus();
}

}  // namespace crisp::oci
