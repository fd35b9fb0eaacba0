#include "server/room_options.h"

#include <array>
#include <cstdio>

#include "base/core/file.h"
#include "server/registries_d.h"

namespace crisp {

namespace {

void FillEndpoint(const config::RegistryEndpoint& from, image::EndpointOptions* out) {
  out->plain_http = from.plain_http;
  out->skip_tls_verify = from.skip_tls_verify;
  if (!from.ca_file.empty()) out->ca_files = {from.ca_file};
  out->client_cert_file = from.client_cert_file;
  out->client_key_file = from.client_key_file;
  out->headers = from.headers;
}

image::MirrorUse ToMirrorUse(config::MirrorUse use) {
  switch (use) {
    case config::MirrorUse::kAll:
      return image::MirrorUse::kAll;
    case config::MirrorUse::kDigestOnly:
      return image::MirrorUse::kDigestOnly;
    case config::MirrorUse::kTagOnly:
      return image::MirrorUse::kTagOnly;
  }
  return image::MirrorUse::kAll;
}

std::map<std::string, image::RegistryOptions> ToRegistries(const config::Config& config) {
  std::map<std::string, image::RegistryOptions> out;
  for (const auto& [host, registry] : config.image.registries) {
    image::RegistryOptions& options = out[host];
    FillEndpoint(registry, &options);
    options.blocked = registry.blocked;
    for (const config::Mirror& mirror : registry.mirrors) {
      image::MirrorOptions& added = options.mirrors.emplace_back();
      FillEndpoint(mirror, &added);
      added.location = mirror.location;
      added.override_path = mirror.override_path;
      added.use = ToMirrorUse(mirror.use);
    }
  }
  return out;
}

}  // namespace

image::Reloadable ToReloadable(const config::Config& config) {
  return {ToRegistries(config), config.image.pinned, config.image.decryption_keys_path};
}

image::Options ToImageOptions(const config::Config& config) {
  image::Options out;
  static_cast<image::Reloadable&>(out) = ToReloadable(config);
  out.root = config.root;
  out.pull_binary = config.binaries.pull;
  out.registry_files = {config.image.registries_conf, config.image.certs_dirs,
                        config.image.auth_file, config.image.namespace_auth_dir};
  out.signatures.policy_file = config.image.signature_policy;
  out.signatures.policy_required =
      config.image.signature_policy != config::Config().image.signature_policy;
  out.signatures.namespace_policy_dir = config.image.signature_policy_dir;
  out.signatures.read_lookaside = [dir = config.image.registries_d] {
    return ReadRegistriesD(dir);
  };
  out.parallel_layers = static_cast<int>(config.image.parallel_layers);
  out.transfers = static_cast<int>(config.image.transfers);
  out.parallel_pulls = static_cast<int>(config.lanes.pull);
  out.parallel_ranges = static_cast<int>(config.image.parallel_ranges);
  out.max_layer_bytes = config.image.max_layer_bytes;
  out.pull_stall_seconds =
      static_cast<int>(std::chrono::ceil<std::chrono::seconds>(config.image.stall_timeout).count());
  return out;
}

network::Options ToNetworkOptions(const config::Config& config) {
  network::Options out;
  out.config_dir = config.network.config_dir;
  out.plugin_dirs = config.network.plugin_dirs;
  out.cache_dir = JoinPath(config.root, "cni");
  out.plugin_deadline = config.network.plugin_timeout;
  switch (config.network.prefer) {
    case config::AddressPreference::kIpv4:
      out.prefer = network::AddressPreference::kIpv4;
      break;
    case config::AddressPreference::kIpv6:
      out.prefer = network::AddressPreference::kIpv6;
      break;
    case config::AddressPreference::kCni:
      out.prefer = network::AddressPreference::kCni;
      break;
  }
  return out;
}

namespace {

pod::LayerQuotaOptions ToLayerQuota(const config::Config& config) {
  pod::LayerQuotaOptions out;
  out.limit.bytes = static_cast<uint64_t>(config.writable_layer.size_limit_bytes);
  out.limit.inodes = static_cast<uint64_t>(config.writable_layer.inode_limit);
  out.first_project_id = static_cast<uint32_t>(config.writable_layer.first_project_id);
  out.project_ids = static_cast<uint32_t>(config.writable_layer.project_ids);
  return out;
}

void FillContainerDefaults(const config::Config& config, pod::Options* out) {
  for (const config::Ulimit& limit : config.default_ulimits) {
    out->default_rlimits.push_back({limit.name, limit.soft, limit.hard});
  }
  out->pids_limit = config.pids_limit;
  out->layer_quota = ToLayerQuota(config);
  for (const auto& [name, rules] : config.blockio_classes) {
    for (const config::BlockioRule& rule : rules) {
      out->blockio_classes[name].push_back({rule.devices, rule.weight, rule.read_bps,
                                            rule.write_bps, rule.read_iops, rule.write_iops});
    }
  }
  out->rdt_classes = config.rdt_classes;
  out->seccomp_notifier = config.seccomp_notifier;
  for (const auto& [name, w] : config.workloads) {
    out->workloads.push_back({name, w.activation_annotation, w.annotation_prefix, w.cpu_shares,
                              w.cpu_quota_us, w.cpu_period_us, w.cpu_limit_millicpus, w.cpuset,
                              w.allowed_annotations});
  }
  out->infra_cpuset = config.infra_ctr_cpuset;
}

}  // namespace

pod::Options ToPodOptions(const config::Config& config) {
  pod::Options out;
  out.root = config.root;
  out.state = config.state;
  out.monitor_binary = config.binaries.monitor;
  out.init_binary = config.binaries.init;
  out.default_handler = config.default_runtime;
  out.default_cgroup_parent = config.default_cgroup_parent;
  out.monitor_cgroup = OwnCgroup(config, "monitors");
  out.default_capabilities = config.default_capabilities;
  out.default_sysctls = config.default_sysctls;
  out.additional_devices = ToDevices(config);
  out.device_ownership_from_security_context = config.device_ownership_from_security_context;
  FillContainerDefaults(config, &out);
  out.log_line_limit_bytes = config.log_line_limit_bytes;
  out.shm_size_bytes = config.shm_size_bytes;
  out.runtime_deadline = config.timeouts.runtime;
  out.kill_deadline = config.timeouts.kill;
  return out;
}

streaming::Options ToStreamingOptions(const config::Config& config) {
  streaming::Options out;
  out.address = config.streaming.address;
  out.tls = {config.streaming.tls_cert, config.streaming.tls_key, config.streaming.tls_client_ca};
  out.max_sessions = static_cast<size_t>(config.streaming.max_sessions);
  out.idle_timeout = config.streaming.idle_timeout;
  return out;
}

std::string OwnCgroup(const config::Config& config, const std::string& purpose) {
  const config::Config defaults;
  const std::string parent = config.own_cgroup_parent == "/" ? "" : config.own_cgroup_parent;
  if (config.state == defaults.state) return Cat(parent, "/crisp.", purpose);
  uint32_t hash = 2166136261u;  // FNV-1a: only has to differ between directories
  for (const char c : config.state) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%08x", hash);
  return Cat(parent, "/crisp-", text.data(), '.', purpose);
}

}  // namespace crisp
