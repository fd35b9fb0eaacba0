// Runtime: one OCI runtime program (runc, crun, ...) driven by its command line.
//
// What:     the operations that crispd itself performs on containers. `create` is the monitor's job
//           (it must be the container's parent); see oci/monitor.h.
// Contract: OCI runtime-spec 1.0.2 (runtime.md "Operations", config.md) and the runc command line.
// Threads:  every method may be called from any thread. Each is one process of the runtime and
//           blocks for its time, bounded by `deadline`.
// Errors:   carry the runtime's own last error line. kNotFound: the runtime does not know the
//           container; kFailedPrecondition: wrong state; kDeadlineExceeded: killed at the deadline.
#ifndef CRISP_OCI_RUNTIME_H_
#define CRISP_OCI_RUNTIME_H_

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cgroup_dir.h"
#include "base/core/cancel.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/ids.h"
#include "base/telemetry.h"
#include "oci/spec.h"

namespace crisp {
class Reaper;
class SpawnPlace;
}  // namespace crisp

namespace crisp::oci {

enum class CgroupDriver { kCgroupfs, kSystemd };
// Which sandbox a handler wants (DESIGN section 4).
enum class SandboxKind { kNamespaces, kProcess };

struct RuntimeOptions {
  std::string handler;  // name in the configuration, e.g. "crun"
  std::string path;     // absolute path of the program
  std::string root;     // --root: the runtime's own state directory, e.g. /run/crisp/runtime/crun
  CgroupDriver cgroup_driver = CgroupDriver::kCgroupfs;
  SandboxKind sandbox = SandboxKind::kNamespaces;
  // Annotations of pods and containers whose keys begin like one of these reach the program.
  std::vector<std::string> allowed_annotations = {};
  std::map<std::string, std::string> default_annotations = {};
  std::string base_spec = {};                 // path; empty: none
  std::string base_spec_json = {};            // its content; Runtime::Open reads it
  std::vector<std::string> monitor_env = {};  // NAME=VALUE for monitors and for each run
  std::string seccomp_profile = {};  // path; what RuntimeDefault means; empty: crisp's own profile
  // Profile of privileged containers, which have none otherwise.
  std::string privileged_seccomp_profile = {};
  // Devices of privileged containers are those of all others, not the host's.
  bool privileged_without_host_devices = false;
  const CgroupLayout* cgroup_layout = nullptr;  // required
  SpawnPlace* helper_place = nullptr;  // where the program is started; null: where the caller is
  Reaper* reaper = nullptr;
  Telemetry* telemetry = nullptr;  // required
};

// What this runtime can do, from `features` or, where it has none, from its version and kind.
struct RuntimeFeatures {
  std::string kind;                  // "runc", "crun" or the program's name
  std::string version;               // "1.1.5"
  bool recursive_read_only = false;  // mount option "rro"
  bool idmapped_mounts = false;      // of its own; crisp makes those of a pod itself
  bool user_namespaces = false;      // joins one by path, sources of mounts opened outside of it
  bool exec_cgroup = false;          // exec --cgroup puts the process in a sub-cgroup here
  // Systemd driver: the group below the container's scope in which the runtime puts its processes,
  // and execs' groups; empty: the scope itself.
  std::string scope_group = {};
  bool net_devices = false;  // linux.netDevices (runtime-spec 1.3)
};

struct RuntimeState {
  std::string status;  // "creating", "created", "running", "stopped", "paused"
  pid_t pid = 0;
};

struct ExecRequest {
  ContainerId container;
  std::string process_json_path;     // the OCI process object
  std::optional<int> oom_score_adj;  // the process object's: crun leaves its own to the command
  std::string pid_file;              // absolute; written by the runtime
  // A name below the container's cgroup; empty: none. The caller makes it before, on all that
  // Runtime::exec_cgroup_layout() lists, and kills and removes it after.
  std::string sub_cgroup;
  // The process object says terminal: true; this gets the pty's master, and the three below are not
  // used. The socket over which it comes is made beside the pid file.
  UniqueFd* terminal = nullptr;
  int stdin_fd = -1;  // -1: /dev/null
  int stdout_fd = -1;
  int stderr_fd = -1;
  MonoTime deadline = NoDeadline();
  CancelToken cancel;
};

// What Open finds out, without making anything: for `crisp config check`. Errors as Open's.
Result<RuntimeFeatures> CheckRuntime(const RuntimeOptions& options);

// Whether one of these (allowed_annotations of a handler or a workload) is how `key` begins.
bool AllowsAnnotation(const std::vector<std::string>& allowed, std::string_view key);

// Of the program in each of its runs, and of the monitors that run it to make containers:
// monitor_env, and a PATH where that has none. crispd's own may hold a proxy's password.
std::vector<std::string> RuntimeEnvironment(const RuntimeOptions& options);

class Runtime {
 public:
  // Finds out the features (one or two runs of the program). kNotFound: no such program;
  // kFailedPrecondition: "crun + hybrid cgroups" (DESIGN section 6), said clearly.
  static Result<std::unique_ptr<Runtime>> Open(RuntimeOptions options);
  virtual ~Runtime() = default;

  virtual const RuntimeOptions& options() const = 0;
  virtual const RuntimeFeatures& features() const = 0;
  // The hierarchies on which ExecRequest::sub_cgroup must exist: one of v1 where the runtime can be
  // told (runc), all of them where it cannot (crun), the one of v2. Use it for the CgroupDir of the
  // exec's tree: fewer directories to make, kill and remove. Empty when features().exec_cgroup is
  // false.
  virtual const CgroupLayout& exec_cgroup_layout() const = 0;
  // argv up to and without the subcommand: path, --root, --systemd-cgroup...
  virtual std::vector<std::string> BaseArgv() const = 0;

  virtual Status Start(const ContainerId& id, MonoTime deadline) = 0;
  // delete --force; an unknown container is OK.
  virtual Status EnsureDeleted(const ContainerId& id, MonoTime deadline) = 0;
  virtual Result<RuntimeState> State(const ContainerId& id, MonoTime deadline) = 0;
  // `resources`: the complete set of limits, as update --resources takes it.
  virtual Status Update(const ContainerId& id, const LinuxResources& resources,
                        MonoTime deadline) = 0;
  // exec --detach: returns the pid of the process (its parent is this subreaper). The descriptors
  // become its stdio. A command that cannot be started is kInvalidArgument with the runtime's text.
  virtual Result<pid_t> ExecDetached(const ExecRequest& request) = 0;
};

}  // namespace crisp::oci

#endif  // CRISP_OCI_RUNTIME_H_
