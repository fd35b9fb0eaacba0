// SELinux: what the host's policy calls things, labels of processes and files, relabelling.
//
// Contract: cri-contract 9.9; selinux(8), lxc_contexts(5), mcs(8). On hosts without SELinux
//           everything is ignored. Empty parts of the options come from the policy's own contexts,
//           else from system_u:system_r:container_t and system_u:object_r:container_file_t.
// Threads:  values and free functions.
// Errors:   kInvalidArgument names the field and the value; those of relabelling name the path.
#ifndef CRISP_OCI_SELINUX_H_
#define CRISP_OCI_SELINUX_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/core/result.h"

namespace crisp::oci {

struct RequestedSelinux {  // runtime.v1.SELinuxOption; ignored on hosts without SELinux
  std::string user;
  std::string role;
  std::string type;
  std::string level;
};

enum class SelinuxMode { kAuto, kOn, kOff };

// Where the host says what it has. Tests have a host of their own; `magic` is statfs(2)'s type of
// `filesystem`, so that a directory of this name is not taken for the kernel's.
struct SelinuxPlaces {
  std::string filesystem = "/sys/fs/selinux";
  std::string configuration = "/etc/selinux";
  std::string contexts = "/usr/share/containers/selinux/contexts";  // wins over the policy's
  long magic = 0xf97cff8c;                                          // linux/magic.h SELINUX_MAGIC
};

// What the host says, read once.
struct SelinuxHost {
  bool enabled = false;
  // Whether the policy has levels. Without them contexts end with the type, here and in labels.
  bool mls = true;
  std::string filesystem;
  // Contexts (user:role:type:level) of the policy.
  std::string process = "system_u:system_r:container_t:s0";
  std::string file = "system_u:object_r:container_file_t:s0";
  std::string ro_file = "system_u:object_r:container_ro_file_t:s0";
  std::string init_process = "system_u:system_r:container_init_t:s0";
  std::string kvm_process = "system_u:system_r:container_kvm_t:s0";
};

// With kAuto contexts that cannot be used are a warning in the log, and the names of
// container-selinux stand. With kOn they are an error: kInvalidArgument for a value that is no
// context, naming file, key and value. kFailedPrecondition: kOn where the host has none.
Result<SelinuxHost> ReadSelinuxHost(SelinuxMode mode, const SelinuxPlaces& places = {});

// The sensitivity of the policy's processes, such as "s0": categories are put behind it. "" where
// the policy has no levels.
std::string SensitivityOf(const SelinuxHost& host);

// Whom a label is for.
enum class SelinuxDomain {
  kContainer,
  kInit,       // an init system: may manage services and cgroups of its own
  kKvm,        // a runtime that starts a virtual machine
  kUnconfined  // spc_t: privileged, or it shares the host's PID or IPC namespace
};
// By the program that a container runs, and by the OCI runtime's.
bool IsInitSystem(const std::string& program);
bool IsVirtualMachine(const std::string& runtime_path);

struct SelinuxRequest {
  std::optional<RequestedSelinux> options;  // the container's, else the sandbox's
  std::string level;                        // of the pod, where the options have none
  SelinuxDomain domain = SelinuxDomain::kContainer;
};

struct SelinuxLabels {
  std::string process;
  std::string mount;
};

// Empty labels on a host without SELinux. With it, the kernel is asked whether its policy knows
// them.
Result<SelinuxLabels> ResolveSelinux(const SelinuxHost& host, const SelinuxRequest& request);

// The options of mount(2) that label all that is mounted: ",context=..."; "" for no label.
std::string ContextOption(const std::string& label);

// How labels of files are read and written: as lgetxattr(2) and lsetxattr(2) on security.selinux,
// or with `follow` as getxattr(2) and setxattr(2). Tests have others.
class LabelAccess {
 public:
  virtual ~LabelAccess() = default;
  virtual ssize_t Get(const std::string& path, bool follow, char* buffer, size_t size) const;
  virtual int Set(const std::string& path, bool follow, const std::string& label) const;
};

// Sets `label` on `path` and all below it that has another one, not through symlinks, but into what
// is mounted there: the container sees it as well (rbind). Left alone are directories of the system
// itself (/, /etc, /usr...) under whatever name, because relabelling them would break the host, and
// file systems of the kernel, all with what is below them; without labels (NFS, FAT) there is
// nothing to do. After a failure a part has the new label.
Status RelabelTree(const std::string& path, const std::string& label,
                   const LabelAccess& access = LabelAccess());

// Labels a directory of crisp's own and all that is in it, once: what is made there later inherits
// the type from the directory, which is the kernel's rule and costs nothing. To be called before
// anything is made in it. The directory is labelled last, so that a walk that was cut short is
// begun again, and one that has the label is not walked.
Status LabelStore(const std::string& directory, const std::string& label,
                  const LabelAccess& access = LabelAccess());

}  // namespace crisp::oci

#endif  // CRISP_OCI_SELINUX_H_
