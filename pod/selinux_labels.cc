#include "pod/selinux_labels.h"

namespace crisp::pod {
namespace {

oci::RequestedSelinux ToOci(const v1::SELinuxOption& options) {
  return {options.user(), options.role(), options.type(), options.level()};
}

oci::SelinuxRequest SelinuxOf(const v1::PodSandboxConfig& config, const std::string& level) {
  oci::SelinuxRequest out;
  out.level = level;
  const v1::LinuxSandboxSecurityContext& security = config.linux().security_context();
  if (security.has_selinux_options()) out.options = ToOci(security.selinux_options());
  return out;
}

}  // namespace

Result<SelinuxLevel> ChooseSelinuxLevel(Environment* env, const v1::PodSandboxConfig& config) {
  const oci::SelinuxHost& host = env->options.selinux;
  if (!host.enabled) return SelinuxLevel();
  const std::string& own = config.linux().security_context().selinux_options().level();
  if (!host.mls) return SelinuxLevel();  // nothing to keep pods apart with
  if (!own.empty()) return env->selinux_levels.Hold(own);
  return env->selinux_levels.Take(oci::SensitivityOf(host));
}

Result<oci::SelinuxLabels> SelinuxLabelsOf(const Environment& env, const Sandbox& sandbox) {
  return oci::ResolveSelinux(env.options.selinux,
                             SelinuxOf(sandbox.config(), sandbox.selinux_level()));
}

oci::SelinuxRequest SelinuxOf(const Container& container) {
  const Sandbox& sandbox = *container.sandbox();
  oci::SelinuxRequest out = SelinuxOf(sandbox.config(), sandbox.selinux_level());
  const v1::LinuxContainerSecurityContext& own = container.config().linux().security_context();
  if (own.has_selinux_options()) out.options = ToOci(own.selinux_options());
  return out;
}

Result<std::string> MountLabel(const Environment& env, const Container& container) {
  return CRISP_TRY(oci::ResolveSelinux(env.options.selinux, SelinuxOf(container))).mount;
}

Status LabelFiles(const std::string& path, const std::string& label) {
  return label.empty() ? OkStatus() : oci::RelabelTree(path, label);
}

}  // namespace crisp::pod
