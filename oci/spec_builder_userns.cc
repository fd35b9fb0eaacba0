// User namespaces: cri-contract 6.2.
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/core/file.h"
#include "base/mount_table.h"
#include "oci/runtime_features.h"
#include "oci/spec_parts.h"

namespace crisp::oci {
namespace {

constexpr uint32_t kTtyGroup = 5;  // of devpts

Status CheckId(std::string_view what, uint32_t id, const IdMapping& mapping) {
  if (id < mapping.size) return OkStatus();
  return InvalidArgument(what, ' ', id,
                         " is not in the pod's user namespace, which has the ids 0 to ",
                         mapping.size - 1);
}

Status CheckUser(const ProcessUser& user, const RequestedUserNamespace& user_ns) {
  CRISP_RETURN_IF_ERROR(CheckId("user", user.uid, user_ns.uids));
  CRISP_RETURN_IF_ERROR(CheckId("group", user.gid, user_ns.gids));
  for (const uint32_t gid : user.additional_gids) {
    CRISP_RETURN_IF_ERROR(CheckId("supplemental group", gid, user_ns.gids));
  }
  return OkStatus();
}

bool Has(const std::vector<std::string>& options, std::string_view option) {
  return std::find(options.begin(), options.end(), option) != options.end();
}

// sysfs shows a network namespace and may be mounted by the owner of one only. `rro` where it is to
// be read-only: what is mounted below stays as it is otherwise.
SpecMount HostSysfs(const SpecMount& sysfs, const RuntimeFeatures* features) {
  SpecMount out{
      sysfs.destination, "bind", "/sys", {"rbind", "rprivate", "nosuid", "noexec", "nodev"}};
  const bool recursive = features != nullptr && features->recursive_read_only;
  out.options.emplace_back(!Has(sysfs.options, "ro") ? "rw" : recursive ? "rro" : "ro");
  return out;
}

// The kernel locks these flags of a mount when it is copied into a user namespace's mount namespace
// (mount_namespaces(7)): a runtime that changes something else of it must name them again.
void KeepLockedFlags(SpecMount* mount) {
  struct statvfs info {};
  if (::statvfs(mount->source.c_str(), &info) != 0) return;
  constexpr std::array<std::pair<unsigned long, const char*>, 3> kFlags = {
      {{ST_NOSUID, "nosuid"}, {ST_NODEV, "nodev"}, {ST_NOEXEC, "noexec"}}};
  for (const auto& [flag, name] : kFlags) {
    if ((info.f_flag & flag) != 0 && !Has(mount->options, name)) mount->options.emplace_back(name);
  }
  if ((info.f_flag & ST_RDONLY) == 0 || Has(mount->options, "ro") || Has(mount->options, "rro")) {
    return;
  }
  std::erase(mount->options, "rw");
  mount->options.emplace_back("ro");
}

// crun before 1.9 copies the source of a bind mount for a user namespace without what is mounted
// below it, whatever the options say.
bool LosesSubmounts(const RuntimeFeatures* features) {
  return features != nullptr && features->kind == "crun" &&
         !VersionAtLeast(features->version, 1, 9);
}

// Mounts of their own for what is mounted below the sources of recursive binds.
Status AddSubmounts(const HostFacts& host, Spec* spec) {
  std::vector<SpecMount> out;
  for (SpecMount& mount : spec->mounts) {
    out.push_back(mount);
    if (mount.type != "bind" || !Has(mount.options, "rbind")) continue;
    for (const std::string& point : CRISP_TRY(MountPointsBelow(mount.source, host.mountinfo))) {
      SpecMount below = mount;
      below.source = point;
      below.destination += mount.source == "/" ? point : point.substr(mount.source.size());
      // "ro" is for the top alone (cri-contract 8.2).
      std::replace(below.options.begin(), below.options.end(), std::string("ro"),
                   std::string("rw"));
      out.push_back(std::move(below));
    }
  }
  spec->mounts = std::move(out);
  return OkStatus();
}

}  // namespace

Status ApplyUserNamespace(const ContainerRequest& request, const HostFacts& host, Spec* spec) {
  if (!request.user_ns) return OkStatus();
  const RequestedUserNamespace& user_ns = *request.user_ns;
  CRISP_RETURN_IF_ERROR(CheckUser(spec->process.user, user_ns));
  spec->namespaces.insert(spec->namespaces.begin(), {"user", user_ns.path});
  spec->uid_mappings = {user_ns.uids};
  spec->gid_mappings = {user_ns.gids};
  // Before sysfs becomes a bind mount: what is below that one is not for containers.
  if (LosesSubmounts(request.features)) CRISP_RETURN_IF_ERROR(AddSubmounts(host, spec));
  for (SpecMount& mount : spec->mounts) {
    if (mount.type == "sysfs" && request.host_network) mount = HostSysfs(mount, request.features);
    if (mount.type == "devpts" && user_ns.gids.size <= kTtyGroup) {
      std::erase_if(mount.options, [](const std::string& o) { return o.starts_with("gid="); });
    }
    if (mount.type == "bind") KeepLockedFlags(&mount);
  }
  return OkStatus();
}

Status OwnNewDirectories(const DirFd& rootfs, const std::string& path,
                         const RequestedUserNamespace& user_ns) {
  if (user_ns.uids.host_id == 0) return OkStatus();
  std::string prefix;
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    if (name.empty()) continue;
    prefix += Cat('/', name);
    const UniqueFd dir = CRISP_TRY(rootfs.OpenInRoot(prefix, O_PATH | O_DIRECTORY));
    struct stat st {};
    if (::fstat(dir.get(), &st) != 0) return Errno("stat ", prefix);
    // No file of the image is host root's: its ids are mapped.
    if (st.st_uid != 0) continue;
    if (::fchownat(dir.get(), "", user_ns.uids.host_id, user_ns.gids.host_id, AT_EMPTY_PATH) != 0) {
      return Errno("chown ", prefix);
    }
  }
  return OkStatus();
}

}  // namespace crisp::oci
