#include "server/room_options.h"

#include <array>
#include <cstdio>

#include "base/core/file.h"

namespace crisp {

std::map<std::string, image::RegistryOptions> ToRegistries(const config::Config& config) {
  std::map<std::string, image::RegistryOptions> out;
  for (const auto& [host, registry] : config.image.registries) {
    out[host] = {registry.mirrors, registry.plain_http, registry.skip_tls_verify, registry.ca_file};
  }
  return out;
}

image::Options ToImageOptions(const config::Config& config) {
  image::Options out;
  out.root = config.root;
  out.pull_binary = config.binaries.pull;
  out.registries = ToRegistries(config);
  out.parallel_layers = static_cast<int>(config.image.parallel_layers);
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
