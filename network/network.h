// Network: the door of the network room. Pod networks by CNI plugins.
//
// What:     loads the CNI configuration, watches its directory, executes plugins (ADD and DEL),
//           caches what DEL needs.
// Contract: CNI spec 1.0 (0.3.0 to 1.1 accepted), cri-contract section 6.3.
// Persistence: Options::cache_dir/<sandbox id>.json: configuration and result, written before ADD
//           begins, removed after DEL succeeded. DEL therefore works after a restart, a reboot and
//           a changed configuration.
// Threads:  every method may be called from any thread; Add and Del block for the plugins' time
//           (deadline per plugin) and hold no lock meanwhile. readiness() never blocks.
// After a failed Add: the caller calls Del with the same attachment (also when Add never began);
//           Del is idempotent.
#ifndef CRISP_NETWORK_NETWORK_H_
#define CRISP_NETWORK_NETWORK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/core/cancel.h"
#include "base/core/clock.h"
#include "base/core/epoll_loop.h"
#include "base/core/result.h"
#include "base/ids.h"
#include "base/telemetry.h"

namespace crisp {
class Reaper;
class SpawnPlace;
}  // namespace crisp

namespace crisp::network {

struct PortMapping {
  std::string protocol;  // "tcp", "udp" or "sctp"
  int32_t container_port = 0;
  int32_t host_port = 0;
  std::string host_ip;
};

// Everything that CNI wants to know about one pod's attachment (interface eth0).
struct Attachment {
  SandboxId sandbox;
  std::string netns_path;  // DEL takes ADD's, and this where its record is damaged
  std::string pod_name;
  std::string pod_namespace;
  std::string pod_uid;
  std::map<std::string, std::string> annotations;
  std::vector<PortMapping> port_mappings;  // only entries with host_port > 0 reach the plugins
  std::vector<std::string> dns_servers;
  std::vector<std::string> dns_searches;
  std::vector<std::string> dns_options;
  std::string cgroup_path;
};

struct PodAddresses {
  std::string primary;                  // first IPv4 unless Options::prefer says otherwise
  std::vector<std::string> additional;  // the others
};

struct Readiness {
  bool ready = false;
  std::string reason;   // "NetworkPluginNotReady" when not ready
  std::string message;  // what is wrong and where
  std::string config_file;
  std::string config_json;  // for Status' verbose "cniconfig"
};

enum class AddressPreference { kIpv4, kIpv6, kCni };

struct Options {
  std::string config_dir = "/etc/cni/net.d";
  std::vector<std::string> plugin_dirs = {"/opt/cni/bin", "/usr/lib/cni"};
  std::string cache_dir;  // e.g. /var/lib/crisp/cni
  AddressPreference prefer = AddressPreference::kIpv4;
  Duration plugin_deadline = std::chrono::seconds(60);
  SpawnPlace* helper_place = nullptr;  // where plugins are started; null: where the caller is
  Reaper* reaper = nullptr;
  EpollLoop* loop = nullptr;       // required: watches config_dir
  Telemetry* telemetry = nullptr;  // required
};

class Network {
 public:
  static Result<std::unique_ptr<Network>> Open(Options options);
  virtual ~Network() = default;

  virtual Readiness readiness() const = 0;
  // Brings lo up by the plugins' network namespace owner (the caller did it when pinning) and runs
  // ADD of every plugin of the configuration. kFailedPrecondition when there is no configuration.
  virtual Result<PodAddresses> Add(const Attachment& attachment, const CancelToken& cancel) = 0;
  // DEL of every plugin in reverse order, with the cached configuration. OK when nothing is cached.
  virtual Status Del(const Attachment& attachment, const CancelToken& cancel) = 0;
  // Sandboxes with a cache entry: recovery compares them with the database.
  virtual Result<std::vector<SandboxId>> ListCached() const = 0;
  // From the cache, for recovery; kNotFound when there is none.
  virtual Result<PodAddresses> CachedAddresses(const SandboxId& sandbox) const = 0;
  // UpdateRuntimeConfig: kept for configurations that are templates; ignored otherwise.
  virtual void SetPodCidrs(std::vector<std::string> cidrs) = 0;
};

}  // namespace crisp::network

#endif  // CRISP_NETWORK_NETWORK_H_
