// Mounts: cri-contract 8.2 and 6.4.
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/core/file.h"
#include "base/mount_table.h"
#include "oci/mount_order.h"
#include "oci/selinux.h"
#include "oci/spec_parts.h"

namespace crisp::oci {
namespace {

using Options = std::vector<std::string>;

std::vector<SpecMount> KernelMounts(const ContainerRequest& request) {
  const char* access = request.privileged ? "rw" : "ro";
  std::vector<SpecMount> out = {
      {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
      {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
      {"/dev/pts",
       "devpts",
       "devpts",
       {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
      {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
      {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}},
      // The runtimes mount what the machine has under this type: cgroup2, or the tree of v1.
      {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", access}}};
  if (request.shm_path.empty()) {
    out.push_back(
        {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}});
  }
  return out;
}

SpecMount Bind(std::string destination, std::string source, Options options) {
  options.insert(options.begin(), "rbind");
  return {std::move(destination), "bind", std::move(source), std::move(options)};
}

std::vector<SpecMount> SandboxMounts(const ContainerRequest& request,
                                     const std::string& passwd_source) {
  const char* access = request.readonly_rootfs ? "ro" : "rw";
  std::vector<SpecMount> out;
  if (!request.shm_path.empty()) {
    out.push_back(
        Bind("/dev/shm", request.shm_path, {"rprivate", "nosuid", "nodev", "noexec", "rw"}));
  }
  const std::array<std::pair<const char*, const std::string*>, 4> files = {
      {{"/etc/resolv.conf", &request.resolv_conf_path},
       {"/etc/hostname", &request.hostname_path},
       {"/etc/hosts", &request.hosts_path},
       {"/etc/passwd", &passwd_source}}};
  for (const auto& [destination, source] : files) {
    if (!source->empty()) {
      out.push_back(Bind(destination, *source, {"rprivate", "nosuid", "nodev", access}));
    }
  }
  return out;
}

struct Peers {
  bool shared = false;
  bool slave = false;
};

// Propagation of the mount that holds `path`: the longest mount point above it, the last of equals.
Result<Peers> PeersOf(const std::string& path, const std::string& mountinfo) {
  Peers found;
  size_t longest = 0;
  for (const MountEntry& entry : CRISP_TRY(ReadMountTable(mountinfo))) {
    if (!IsAtOrBelow(path, entry.point) || entry.point.size() < longest) continue;
    longest = entry.point.size();
    found = {entry.shared, entry.slave};
  }
  return found;
}

Status CheckPropagation(const RequestedMount& mount, const std::string& source,
                        const HostFacts& host) {
  if (mount.propagation == MountPropagation::kPrivate) return OkStatus();
  const Peers peers = CRISP_TRY(PeersOf(source, host.mountinfo));
  if (mount.propagation == MountPropagation::kBidirectional && !peers.shared) {
    return FailedPrecondition("propagation BIDIRECTIONAL needs ", source,
                              " to be on a shared mount (mount --make-rshared)");
  }
  if (!peers.shared && !peers.slave) {
    return FailedPrecondition("propagation HOST_TO_CONTAINER needs ", source,
                              " to be on a shared or slave mount (mount --make-rshared)");
  }
  return OkStatus();
}

Status CheckRecursiveReadOnly(const ContainerRequest& request, const RequestedMount& mount) {
  if (!mount.recursive_read_only) return OkStatus();
  if (!mount.readonly) {
    return InvalidArgument("mount ", mount.container_path,
                           ": recursive_read_only needs readonly to be true");
  }
  if (mount.propagation != MountPropagation::kPrivate) {
    return InvalidArgument("mount ", mount.container_path,
                           ": recursive_read_only needs propagation PRIVATE");
  }
  if (request.features == nullptr || !request.features->recursive_read_only) {
    return InvalidArgument("RROUnsupported: mount ", mount.container_path,
                           ": recursive_read_only is not supported by this runtime handler");
  }
  return OkStatus();
}

Result<Options> MountOptions(const RequestedMount& mount) {
  static constexpr std::array<std::string_view, 3> kPropagation = {"rprivate", "rslave", "rshared"};
  Options out = {std::string(kPropagation[static_cast<size_t>(mount.propagation)])};
  out.emplace_back(mount.recursive_read_only ? "rro" : mount.readonly ? "ro" : "rw");
  for (const std::string& option : mount.mount_options) {
    if (option != "noexec" && option != "nodev" && option != "nosuid") {
      return InvalidArgument("mount_options: '", option,
                             "' is unknown (allowed are noexec, nodev and nosuid)");
    }
    out.push_back(option);
  }
  return out;
}

Result<SpecMount> CriMount(const RequestedMount& mount, const HostFacts& host,
                           const std::string& mount_label) {
  if (mount.container_path.empty()) return InvalidArgument("container_path is empty");
  CRISP_RETURN_IF_ERROR(CheckText("container_path", mount.container_path));
  std::string destination = CleanContainerPath(mount.container_path);
  if (destination == "/") return InvalidArgument("container_path: '/' cannot be mounted over");
  Options options = CRISP_TRY(MountOptions(mount));
  std::string source = CRISP_TRY(ResolveMountSource(mount.host_path));
  CRISP_RETURN_IF_ERROR(CheckPropagation(mount, source, host));
  if (mount.selinux_relabel && !mount_label.empty()) {
    CRISP_RETURN_IF_ERROR(RelabelTree(source, mount_label));
  }
  return Bind(std::move(destination), std::move(source), std::move(options));
}

// A CRI mount on /dev, /sys or /proc replaces what crisp would mount there and below.
bool IsReplaced(const SpecMount& standard, const std::vector<SpecMount>& requested) {
  return std::any_of(requested.begin(), requested.end(), [&standard](const SpecMount& mount) {
    return IsAtOrBelow(standard.destination, mount.destination);
  });
}

bool HasDestination(const std::vector<SpecMount>& mounts, const std::string& destination) {
  return std::any_of(mounts.begin(), mounts.end(), [&destination](const SpecMount& mount) {
    return mount.destination == destination;
  });
}

// The CRI's mounts in request order; of several at one path only the last, which hides the others.
Result<std::vector<SpecMount>> CriMounts(const ContainerRequest& request, const HostFacts& host,
                                         const std::string& mount_label) {
  std::vector<SpecMount> out;
  for (const RequestedMount& mount : request.mounts) {
    CRISP_RETURN_IF_ERROR(CheckRecursiveReadOnly(request, mount));
    SpecMount made =
        CRISP_TRY(CriMount(mount, host, mount_label).Wrap("mount ", mount.container_path));
    std::erase_if(out, [&made](const SpecMount& m) { return m.destination == made.destination; });
    out.push_back(std::move(made));
  }
  return out;
}

// Bind mounts with shared or slave peers need a root that propagates at least as far
// (runtime-spec config-linux.md "Rootfs Mount Propagation").
std::string RootfsPropagation(const ContainerRequest& request) {
  std::string out;
  for (const RequestedMount& mount : request.mounts) {
    if (mount.propagation == MountPropagation::kBidirectional) return "rshared";
    if (mount.propagation == MountPropagation::kHostToContainer) out = "rslave";
  }
  return out;
}

}  // namespace

// Symlinks resolved; a missing directory is made 0755, as the kubelet's hostPath type "" needs.
Result<std::string> ResolveMountSource(const std::string& host_path) {
  if (host_path.empty()) return InvalidArgument("host_path is empty");
  if (host_path.front() != '/') {
    return InvalidArgument("host_path '", host_path, "' is not absolute");
  }
  CRISP_RETURN_IF_ERROR(CheckText("host_path", host_path));
  for (int attempt = 0; attempt < 2; ++attempt) {
    const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(host_path.c_str(), nullptr),
                                                          ::free);
    if (resolved) return std::string(resolved.get());
    if (errno != ENOENT || attempt == 1) break;
    CRISP_RETURN_IF_ERROR(EnsureDirectory(host_path, 0755).Wrap("make host_path"));
  }
  return Errno("host_path ", host_path);
}

std::string CleanContainerPath(const std::string& path) {
  std::vector<std::string> parts;
  std::string_view rest = path;
  while (!rest.empty()) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else {
      parts.emplace_back(part);
    }
  }
  std::string out;
  for (const std::string& part : parts) out += Cat('/', part);
  return out.empty() ? "/" : out;
}

Status BuildMounts(const ContainerRequest& request, const std::string& passwd_source,
                   const HostFacts& host, const std::string& mount_label, Spec* spec) {
  std::vector<SpecMount> requested = CRISP_TRY(CriMounts(request, host, mount_label));
  for (const SpecMount& mount : KernelMounts(request)) {
    if (!IsReplaced(mount, requested)) spec->mounts.push_back(mount);
  }
  std::vector<SpecMount> binds = SandboxMounts(request, passwd_source);
  for (const auto& [path, source] : request.image_volumes) {
    const std::string place = CleanContainerPath(path);
    if (place == "/" || IsAtOrBelow(place, "/proc")) {
      return InvalidArgument("the image declares a volume at '", path,
                             "'; allowed: directories other than / and /proc");
    }
    binds.push_back(Bind(CleanContainerPath(path), source, {"rprivate", "rw"}));
  }
  std::erase_if(binds, [&requested](const SpecMount& mount) {
    return HasDestination(requested, mount.destination);
  });
  // A mount over all of /etc keeps the sandbox's files on top of it, as the peers do; one over /dev
  // takes /dev/shm with it, like the other mounts below /dev.
  std::erase_if(binds, [&requested](const SpecMount& mount) {
    return mount.destination == "/dev/shm" && IsReplaced(mount, requested);
  });
  binds.insert(binds.end(), requested.begin(), requested.end());
  SortByDepth(&binds, [](const SpecMount& m) -> const std::string& { return m.destination; });
  spec->mounts.insert(spec->mounts.end(), binds.begin(), binds.end());
  spec->rootfs_propagation = RootfsPropagation(request);
  return OkStatus();
}

}  // namespace crisp::oci
