// Config: everything that can be configured, as plain data with the built-in defaults.
//
// What:    /etc/crisp/crisp.yaml and the drop-ins in conf.d beside it, as crispd uses them. Names,
//          types, help and reloadability are in the table (settings.h); this is the storage.
// Threads: plain values.
// Units:   in the names or types: Duration, *_bytes.
#ifndef CRISP_SERVER_CONFIG_CONFIG_H_
#define CRISP_SERVER_CONFIG_CONFIG_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/log.h"

namespace crisp::config {

enum class LogFormat { kText, kJson };
enum class CgroupDriver { kCgroupfs, kSystemd };
enum class SandboxKind { kNamespaces, kProcess };
enum class RuntimeType { kOci };
enum class AddressPreference { kIpv4, kIpv6, kCni };

struct Socket {
  std::string path;  // default: <state>/crisp.sock
  int mode = 0660;
  std::string group;  // empty: the daemon's
};
struct Log {
  log::Level level = log::Level::kInfo;
  LogFormat format = LogFormat::kText;
  std::string target = "stderr";  // or an absolute path
};
struct RuntimeHandler {
  std::string path;  // default: the handler's name, found in PATH
  std::string root;  // default: <state>/runtime/<name>
  SandboxKind sandbox = SandboxKind::kNamespaces;
  RuntimeType type = RuntimeType::kOci;
  std::vector<std::string> allowed_annotations = {};
  std::map<std::string, std::string> default_annotations = {};
  std::string base_spec = {};  // empty: none
  std::map<std::string, std::string> monitor_env = {};
  std::string seccomp_profile = {};             // of RuntimeDefault; empty: crisp's own
  std::string privileged_seccomp_profile = {};  // empty: none
  bool privileged_without_host_devices = false;
};
// What is looked for in PATH where no handler is configured.
inline constexpr std::array<const char*, 2> kUsualRuntimes = {"crun", "runc"};
struct Cdi {
  std::vector<std::string> spec_dirs = {"/etc/cdi", "/var/run/cdi"};
};
struct Binaries {
  std::string monitor;
  std::string init;
  std::string pull;
};
struct Network {
  std::string config_dir = "/etc/cni/net.d";
  std::vector<std::string> plugin_dirs = {"/opt/cni/bin", "/usr/lib/cni"};
  AddressPreference prefer = AddressPreference::kIpv4;
  Duration plugin_timeout = std::chrono::seconds(60);
};
enum class SelinuxMode { kAuto, kOn, kOff };
enum class MirrorUse { kAll, kDigestOnly, kTagOnly };
struct RegistryEndpoint {
  bool plain_http = false;
  bool skip_tls_verify = false;
  std::string ca_file;
  std::string client_cert_file;
  std::string client_key_file;
  std::map<std::string, std::string> headers;
};
struct Mirror : RegistryEndpoint {
  std::string location;
  MirrorUse use = MirrorUse::kAll;
  bool override_path = false;
};
struct Registry : RegistryEndpoint {
  std::vector<Mirror> mirrors;
  bool blocked = false;
};
struct Image {
  std::map<std::string, Registry> registries;
  std::string registries_conf = "/etc/containers/registries.conf";
  std::vector<std::string> certs_dirs = {"/etc/crisp/certs.d", "/etc/containerd/certs.d",
                                         "/etc/containers/certs.d", "/etc/docker/certs.d"};
  std::string auth_file;
  std::string namespace_auth_dir;
  std::string signature_policy = "/etc/containers/policy.json";  // empty: none
  std::string signature_policy_dir = "/etc/crisp/policies";      // empty: none
  std::string decryption_keys_path = "/etc/crisp/keys";          // empty: none
  std::string registries_d = "/etc/containers/registries.d";     // empty: none
  int64_t parallel_layers = 3;
  int64_t transfers = 6;
  int64_t parallel_ranges = 4;
  int64_t max_layer_bytes = int64_t{256} << 30;
  Duration stall_timeout = std::chrono::seconds(60);
  std::vector<std::string> pinned;
};
struct Streaming {
  std::string address = "127.0.0.1:0";  // empty: off
  std::string tls_cert;                 // empty: plain HTTP
  std::string tls_key;
  std::string tls_client_ca;  // empty: any client
  int64_t max_sessions = 1000;
  Duration idle_timeout = std::chrono::hours(4);
};
struct Lanes {
  int64_t work = 16;
  int64_t pull = 8;
  int64_t exec = 16;
};
struct Timeouts {
  Duration runtime = std::chrono::seconds(60);
  Duration kill = std::chrono::seconds(30);
  Duration shutdown = std::chrono::seconds(10);
};

struct Ulimit {
  std::string name;   // "nofile"
  uint64_t soft = 0;  // UINT64_MAX: unlimited
  uint64_t hard = 0;
};
struct BlockioRule {
  std::vector<std::string> devices;
  std::optional<uint16_t> weight;
  std::optional<uint64_t> read_bps;
  std::optional<uint64_t> write_bps;
  std::optional<uint64_t> read_iops;
  std::optional<uint64_t> write_iops;
};
using BlockioClasses = std::map<std::string, std::vector<BlockioRule>>;
struct WritableLayer {
  int64_t size_limit_bytes = 0;  // 0: none
  int64_t inode_limit = 0;       // 0: none
  int64_t first_project_id = 2'000'000'000;
  int64_t project_ids = 1'000'000;
};
struct Workload {
  std::string activation_annotation;  // default: target.workload.openshift.io/<name>
  std::string annotation_prefix = "resources.workload.openshift.io";
  int64_t cpu_shares = 0;  // 0: as the container asks; so with the others
  int64_t cpu_quota_us = 0;
  int64_t cpu_period_us = 0;
  int64_t cpu_limit_millicpus = 0;
  std::string cpuset;
  std::vector<std::string> allowed_annotations;
};

struct Config {
  Socket socket;
  std::string root = "/var/lib/crisp";
  std::string state = "/run/crisp";
  Log log;
  std::map<std::string, RuntimeHandler> runtimes;
  // True when the configuration names no handlers: then these are kUsualRuntimes, as far as they
  // are here.
  bool runtimes_found = false;
  std::string default_runtime;
  // True when the configuration names no default: then another runtime may stand in for one that
  // does not work here.
  bool default_runtime_found = false;
  CgroupDriver cgroup_driver = CgroupDriver::kCgroupfs;
  std::string default_cgroup_parent;  // default: /crisp, or /crisp.slice with systemd
  Cdi cdi;
  std::vector<std::string> hooks_dirs = {"/usr/share/containers/oci/hooks.d",
                                         "/etc/containers/oci/hooks.d"};
  std::vector<std::string> additional_devices;  // device_codec.h
  bool device_ownership_from_security_context = false;
  Binaries binaries;
  Network network;
  Image image;
  Streaming streaming;
  Lanes lanes;
  Timeouts timeouts;
  // cri-contract section 9 (the set of 14).
  std::vector<std::string> default_capabilities = {
      "AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER", "FSETID",  "KILL",   "MKNOD",
      "NET_BIND_SERVICE", "NET_RAW", "SETFCAP",      "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"};
  // cri-contract section 6.6.
  std::map<std::string, std::string> default_sysctls = {
      {"net.ipv4.ip_unprivileged_port_start", "0"}, {"net.ipv4.ping_group_range", "0 2147483647"}};
  std::vector<Ulimit> default_ulimits;
  int64_t pids_limit = 0;  // 0: none
  WritableLayer writable_layer;
  std::string blockio_config;
  BlockioClasses blockio_classes;  // what that file says
  std::vector<std::string> rdt_classes;
  bool seccomp_notifier = false;
  SelinuxMode selinux = SelinuxMode::kAuto;
  std::map<std::string, Workload> workloads;
  std::string infra_ctr_cpuset;
  std::string own_cgroup_parent = "/";
  int64_t log_line_limit_bytes = 16 << 10;
  int64_t shm_size_bytes = 64 << 20;
  std::string metrics_address;  // empty: off
};

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_CONFIG_H_
