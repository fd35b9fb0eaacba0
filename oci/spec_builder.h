// BuildSpec: from what the CRI asks of a container to an OCI spec.
//
// What:     ContainerRequest is the CRI's ContainerConfig and LinuxContainerSecurityContext in
// plain
//           types (this room does not see protobuf; pod translates field by field), joined with
//           what pod knows: the image's config, the sandbox's namespaces and files, the mounted
//           rootfs.
// Contract: cri-contract sections 7.1, 8 and 9 (named at each rule in spec_builder*.cc).
// Threads:  free functions. They read the rootfs, /proc, /dev and /sys; they change nothing but
//           what `rootfs` must have: the working directory and mount points below it.
// Errors:   kInvalidArgument names the field, the value and what is allowed; kNotFound for missing
//           profiles, devices and users.
#ifndef CRISP_OCI_SPEC_BUILDER_H_
#define CRISP_OCI_SPEC_BUILDER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cgroup_dir.h"
#include "base/core/dir_fd.h"
#include "base/core/result.h"
#include "oci/runtime.h"
#include "oci/selinux.h"
#include "oci/spec.h"

namespace crisp::oci {

class CdiCatalog;
class HookCatalog;

enum class MountPropagation { kPrivate, kHostToContainer, kBidirectional };

struct RequestedMount {  // runtime.v1.Mount
  std::string container_path;
  std::string host_path;
  bool readonly = false;
  bool recursive_read_only = false;
  bool selinux_relabel = false;
  MountPropagation propagation = MountPropagation::kPrivate;
  std::vector<std::string> mount_options;  // noexec, nodev, nosuid
};

struct RequestedDevice {  // runtime.v1.Device
  std::string container_path;
  std::string host_path;
  std::string permissions;
};

struct RequestedProfile {  // runtime.v1.SecurityProfile
  enum class Type { kRuntimeDefault, kUnconfined, kLocalhost };
  Type type = Type::kRuntimeDefault;
  std::string localhost_ref;
};

enum class GroupsPolicy { kMerge, kStrict };

struct RequestedUser {
  std::optional<int64_t> uid;
  std::optional<int64_t> gid;
  std::string username;
  std::vector<int64_t> supplemental_groups;
  GroupsPolicy policy = GroupsPolicy::kMerge;
  std::string image_user;  // User of the image's config
};

// The pod's user namespace: pinned on `path`, mapped from container id 0 on.
struct RequestedUserNamespace {
  std::string path;
  IdMapping uids;
  IdMapping gids;
};

struct ContainerRequest {
  Reaper* reaper = nullptr;  // of the process, when it has one (SpawnOptions::reaper)

  // Identity, for annotations and messages.
  std::string container_id;
  std::string container_name;
  std::string sandbox_id;
  std::map<std::string, std::string> oci_annotations;  // io.kubernetes.cri.* and the like

  // Process.
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::vector<std::string> image_entrypoint;
  std::vector<std::string> image_cmd;
  std::string working_dir;
  std::string image_working_dir;
  std::vector<std::string> image_env;
  std::vector<std::pair<std::string, std::string>> env;
  std::string hostname;  // for HOSTNAME
  bool tty = false;
  RequestedUser user;

  // Security.
  bool privileged = false;
  bool sandbox_privileged = false;
  bool readonly_rootfs = false;
  bool no_new_privs = false;
  std::vector<std::string> add_capabilities;
  std::vector<std::string> drop_capabilities;
  std::vector<std::string> add_ambient_capabilities;
  std::vector<std::string> default_capabilities;  // from configuration, without or with CAP_
  std::optional<RequestedProfile> seccomp;        // empty: unconfined, or see the next
  std::string seccomp_profile_path;               // deprecated; only if seccomp is empty
  std::optional<RequestedProfile> apparmor;
  std::string apparmor_profile;  // deprecated; only if apparmor is empty
  // The container's, else the sandbox's: all containers of a pod share the level.
  std::optional<RequestedSelinux> selinux;
  std::string selinux_level;                  // of the pod
  const SelinuxHost* selinux_host = nullptr;  // null: no SELinux
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;

  // Mounts and devices.
  std::vector<RequestedMount> mounts;
  std::vector<RequestedDevice> devices;
  std::vector<RequestedDevice> additional_devices;  // from configuration
  // Requested devices belong to the user and group that the security context asks for.
  bool own_devices = false;
  std::vector<std::string> cdi_devices;  // CDI_devices; the annotations below name more
  CdiCatalog* cdi = nullptr;             // null: no such devices
  HookCatalog* hooks = nullptr;          // null: none
  // The runtime handler's annotations and base spec; null: it has none.
  const RuntimeOptions* handler = nullptr;
  std::vector<std::string> allowed_annotations;    // beside the handler's
  std::map<std::string, std::string> annotations;  // the container's in the CRI
  std::map<std::string, std::string> pod_annotations;
  // Files of the sandbox (cri-contract 6.4); an empty path: none. A CRI mount at the same
  // container path wins.
  std::string resolv_conf_path;
  std::string hostname_path;
  std::string hosts_path;
  std::string shm_path;
  // Host directories that hold the content of the image's VOLUMEs: container path -> host path.
  std::map<std::string, std::string> image_volumes;

  // Namespaces: empty path = new one; absent = the host's.
  std::optional<std::string> network_ns;
  std::optional<std::string> ipc_ns;
  std::optional<std::string> uts_ns;
  std::optional<std::string> pid_ns;
  bool host_network = false;
  std::optional<RequestedUserNamespace> user_ns;

  // Resources.
  LinuxResources resources;  // without devices; validated and completed by BuildSpec
  std::optional<int64_t> oom_score_adj;
  std::vector<Rlimit> rlimits;  // from configuration
  std::string rdt_class;        // a group of resctrl; empty: none
  // Where blocked system calls are reported (seccomp_notify.h); empty: nowhere.
  std::string seccomp_listener;
  std::string cgroups_path;

  // Where it happens.
  std::string rootfs;  // mounted
  const CgroupLayout* cgroup_layout = nullptr;
  const RuntimeFeatures* features = nullptr;
  bool systemd_driver = false;  // cgroups_path is "slice:prefix:name"
};

struct BuiltSpec {
  Spec spec;
  ProcessUser effective_user;  // for ContainerStatus.user
  // Non-empty: content for a private /etc/passwd (an entry for a uid that the image lacks); the
  // caller writes it to `passwd_mount_source` before create.
  std::string passwd_content;
};

// `state_dir`: a directory of the container's own; passwd is expected at state_dir/passwd.
Result<BuiltSpec> BuildSpec(const ContainerRequest& request, const std::string& state_dir);

// cri-contract 9.1 to 9.3: user, primary group and additional groups.
struct ResolvedUser {
  ProcessUser user;
  std::string home;  // from passwd; empty if unknown
  bool has_passwd_entry = true;
};
Result<ResolvedUser> ResolveUser(const DirFd& rootfs, const RequestedUser& requested);

// Strings of a request that end up in JSON and in the kernel: UTF-8 and no NUL.
Status CheckText(std::string_view field, std::string_view value);

// "/a//b/../c" -> "/a/c"; a relative path is made absolute.
std::string CleanContainerPath(const std::string& path);

// The host path of a CRI mount, symlinks resolved; a missing directory is made (cri-contract 8.2).
Result<std::string> ResolveMountSource(const std::string& host_path);

// Whether a device of the configuration is there: a node, or a directory that holds some.
Status CheckDevice(const RequestedDevice& device);
// Whether this file is a seccomp profile that libseccomp understands.
Status CheckSeccompProfile(const std::string& path);

// The signal number of "SIGTERM", "TERM", "15", "SIGRTMIN+3", "SIGRTMINPLUS3", "SIGRTMAXMINUS1"...
Result<int> ParseSignal(const std::string& name);
// The name in the CRI's enum: "SIGTERM", "SIGRTMINPLUS3".
std::string CriSignalName(int signal);

// cri-contract 8.4: checks limits (kInvalidArgument names the field) and completes them for this
// machine: zeros are unset, swap follows the memory limit, what the machine has no controller for
// is left out. BuildSpec does it for a new container; for an update, complete the merged set before
// Runtime::Update. `layout` may be null: then nothing is known about controllers.
Result<LinuxResources> CompleteResources(const LinuxResources& requested,
                                         const CgroupLayout* layout);

// Of `unified` (v2): names of files that belong to a controller. kInvalidArgument; also on v1.
Status CheckUnified(const CgroupLayout* layout, const std::map<std::string, std::string>& unified);

// What UpdateContainerResources changes: set fields of `update` over `current` (cri-contract 7.7).
LinuxResources MergeResources(const LinuxResources& current, const LinuxResources& update);

}  // namespace crisp::oci

#endif  // CRISP_OCI_SPEC_BUILDER_H_
