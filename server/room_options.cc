#include "server/room_options.h"

#include <array>
#include <cstdio>

#include "base/core/file.h"

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

}  // namespace

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

image::Options ToImageOptions(const config::Config& config) {
  image::Options out;
  out.root = config.root;
  out.pull_binary = config.binaries.pull;
  out.registries = ToRegistries(config);
  out.registry_files = {config.image.registries_conf, config.image.certs_dirs,
                        config.image.auth_file, config.image.namespace_auth_dir};
  out.parallel_layers = static_cast<int>(config.image.parallel_layers);
  out.transfers = static_cast<int>(config.image.transfers);
  out.max_layer_bytes = config.image.max_layer_bytes;
  out.pinned_images = config.image.pinned;
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

oci::RuntimeOptions ToRuntimeOptions(const config::Config& config, const std::string& handler) {
  const config::RuntimeHandler& runtime = config.runtimes.at(handler);
  oci::RuntimeOptions out;
  out.handler = handler;
  out.path = runtime.path;
  out.root = runtime.root;
  out.cgroup_driver = config.cgroup_driver == config::CgroupDriver::kSystemd
                          ? oci::CgroupDriver::kSystemd
                          : oci::CgroupDriver::kCgroupfs;
  out.sandbox = runtime.sandbox == config::SandboxKind::kProcess ? oci::SandboxKind::kProcess
                                                                 : oci::SandboxKind::kNamespaces;
  return out;
}

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
  if (config.state == defaults.state) return Cat("/crisp.", purpose);
  uint32_t hash = 2166136261u;  // FNV-1a: only has to differ between directories
  for (const char c : config.state) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%08x", hash);
  return Cat("/crisp-", text.data(), '.', purpose);
}

}  // namespace crisp
