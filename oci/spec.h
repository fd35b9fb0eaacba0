// The part of the OCI runtime-spec that crisp writes: plain structs and their JSON.
//
// Contract: opencontainers/runtime-spec 1.0.2, config.md and config-linux.md; member names follow
//           the JSON. An optional that is empty, an empty string or an empty list is left out.
// Threads:  values.
// Units:    as in the spec: bytes, microseconds for cpu quota/period.
#ifndef CRISP_OCI_SPEC_H_
#define CRISP_OCI_SPEC_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "oci/hook.h"

namespace crisp::oci {

struct ProcessUser {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> additional_gids;
};

struct Capabilities {  // names with CAP_
  std::vector<std::string> bounding;
  std::vector<std::string> effective;
  std::vector<std::string> permitted;
  std::vector<std::string> inheritable;
  std::vector<std::string> ambient;
};

struct ConsoleSize {
  uint16_t columns = 0;
  uint16_t rows = 0;
};

struct Rlimit {
  std::string name;   // "nofile"; in the JSON RLIMIT_NOFILE
  uint64_t soft = 0;  // UINT64_MAX: unlimited (RLIM_INFINITY)
  uint64_t hard = 0;
};

struct Process {
  bool terminal = false;
  std::optional<ConsoleSize> console_size = std::nullopt;  // of the terminal
  ProcessUser user;
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string cwd = "/";
  Capabilities capabilities;
  bool no_new_privileges = false;
  std::optional<int> oom_score_adj;
  std::vector<Rlimit> rlimits = {};
  std::string apparmor_profile;
  std::string selinux_label;
};

struct SpecMount {
  std::string destination;
  std::string type;
  std::string source;
  std::vector<std::string> options;
};

struct Namespace {
  std::string type;  // "pid", "network", "ipc", "uts", "mount", "cgroup", "user"
  std::string path;  // empty: a new one
};

struct IdMapping {
  uint32_t container_id = 0;
  uint32_t host_id = 0;
  uint32_t size = 0;
};

struct Device {
  std::string path;  // in the container
  char type = 'c';   // 'c', 'b', 'u', 'p'
  int64_t major = 0;
  int64_t minor = 0;
  mode_t mode = 0666;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

struct DeviceRule {
  bool allow = false;
  char type = 'a';  // 'a', 'c', 'b'
  std::optional<int64_t> major;
  std::optional<int64_t> minor;
  std::string access = "rwm";
};

struct HugepageLimit {
  std::string page_size;  // "2MB"
  uint64_t limit_bytes = 0;
};

struct BlockIoDevice {
  int64_t major = 0;
  int64_t minor = 0;
  uint64_t value = 0;  // a weight, bytes or operations per second
};

struct BlockIo {
  std::optional<uint16_t> weight;
  std::vector<BlockIoDevice> weight_device;
  std::vector<BlockIoDevice> read_bps;
  std::vector<BlockIoDevice> write_bps;
  std::vector<BlockIoDevice> read_iops;
  std::vector<BlockIoDevice> write_iops;
};

struct LinuxResources {
  std::vector<DeviceRule> devices;
  std::optional<uint64_t> cpu_shares;
  std::optional<int64_t> cpu_quota_us;
  std::optional<uint64_t> cpu_period_us;
  std::string cpuset_cpus;
  std::string cpuset_mems;
  std::optional<int64_t> memory_limit_bytes;
  std::optional<int64_t> memory_swap_bytes;  // memory + swap
  std::optional<int64_t> pids_limit;
  std::vector<HugepageLimit> hugepage_limits;
  std::optional<BlockIo> block_io;  // at create only
  std::map<std::string, std::string> unified;
};

struct IntelRdt {  // config-linux.md "IntelRdt"; schemata and the flag beside it since 1.3
  std::string clos_id;
  std::string l3_cache_schema;
  std::string mem_bw_schema;
  std::vector<std::string> schemata;
  bool enable_monitoring = false;
  bool enable_cmt = false;
  bool enable_mbm = false;
  bool operator==(const IntelRdt&) const = default;
};

struct Spec {
  Process process;
  std::string root_path;
  bool root_readonly = false;
  std::string hostname;
  std::vector<SpecMount> mounts;
  std::map<std::string, std::string> annotations;
  std::vector<Namespace> namespaces;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  std::vector<Device> devices;
  std::string cgroups_path;
  LinuxResources resources;
  std::string rdt_class;           // intelRdt.closID
  std::string rootfs_propagation;  // "private", "slave", "shared"
  std::string seccomp_json;        // the complete "seccomp" object, or empty: unconfined
  std::map<std::string, std::string> sysctl;
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  std::string mount_label;
  Hooks hooks;
  std::optional<IntelRdt> intel_rdt;               // of a device; rdt_class is the container's own
  std::map<std::string, std::string> net_devices;  // name on the host -> in the container
  // The handler's base spec: what is in it and not in the above (base_spec.h). Empty: none.
  std::string base_json;
};

// config.json. kInternal only when a string is not UTF-8 and cannot be written.
Result<std::string> ToJson(const Spec& spec);
// The process object alone, for exec.
Result<std::string> ToJson(const Process& process);
// The resources object alone, for update.
Result<std::string> ToJson(const LinuxResources& resources);

// Reads back the process object of a bundle's config.json (for exec after a restart).
Result<Process> ProcessFromSpecJson(const std::string& config_json);

}  // namespace crisp::oci

#endif  // CRISP_OCI_SPEC_H_
