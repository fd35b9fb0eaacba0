#include "server/oci_options.h"

#include "server/config/device_codec.h"
#include "server/config/yaml_json.h"

namespace crisp {

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
  out.allowed_annotations = runtime.allowed_annotations;
  out.default_annotations = runtime.default_annotations;
  out.base_spec = runtime.base_spec;
  for (const auto& [name, value] : runtime.monitor_env) {
    out.monitor_env.push_back(Cat(name, '=', value));
  }
  out.seccomp_profile = runtime.seccomp_profile;
  out.privileged_seccomp_profile = runtime.privileged_seccomp_profile;
  out.privileged_without_host_devices = runtime.privileged_without_host_devices;
  return out;
}

std::vector<oci::RequestedDevice> ToDevices(const config::Config& config) {
  std::vector<oci::RequestedDevice> out;
  for (const std::string& text : config.additional_devices) {
    const auto parts = config::FindDeviceParts(text);
    if (parts) out.push_back({parts->container_path, parts->host_path, parts->permissions});
  }
  return out;
}

oci::SelinuxMode ToSelinuxMode(const config::Config& config) {
  switch (config.selinux) {
    case config::SelinuxMode::kOn:
      return oci::SelinuxMode::kOn;
    case config::SelinuxMode::kOff:
      return oci::SelinuxMode::kOff;
    case config::SelinuxMode::kAuto:
      break;
  }
  return oci::SelinuxMode::kAuto;
}

oci::CdiOptions ToCdiOptions(const config::Config& config) {
  return {config.cdi.spec_dirs, config::YamlToJson};
}

}  // namespace crisp
