#include "pod/container_request.h"

#include <algorithm>

#include "pod/cgroups.h"
#include "pod/resource_classes.h"
#include "pod/sandbox_files.h"
#include "pod/seccomp_notifier.h"
#include "pod/selinux_labels.h"
#include "pod/userns.h"
#include "pod/workloads.h"

namespace crisp::pod {
namespace {

template <typename Items>
std::vector<std::string> Strings(const Items& items) {
  return {items.begin(), items.end()};
}

oci::RequestedProfile ToProfile(const v1::SecurityProfile& profile) {
  oci::RequestedProfile out;
  switch (profile.profile_type()) {
    case v1::SecurityProfile::Unconfined:
      out.type = oci::RequestedProfile::Type::kUnconfined;
      break;
    case v1::SecurityProfile::Localhost:
      out.type = oci::RequestedProfile::Type::kLocalhost;
      break;
    default:
      out.type = oci::RequestedProfile::Type::kRuntimeDefault;
  }
  out.localhost_ref = profile.localhost_ref();
  return out;
}

Result<oci::RequestedMount> ToMount(const v1::Mount& mount) {
  oci::RequestedMount out;
  out.container_path = mount.container_path();
  out.host_path = mount.host_path();
  out.readonly = mount.readonly();
  out.recursive_read_only = mount.recursive_read_only();
  out.selinux_relabel = mount.selinux_relabel();
  out.mount_options = Strings(mount.mount_options());
  switch (mount.propagation()) {
    case v1::PROPAGATION_HOST_TO_CONTAINER:
      out.propagation = oci::MountPropagation::kHostToContainer;
      break;
    case v1::PROPAGATION_BIDIRECTIONAL:
      out.propagation = oci::MountPropagation::kBidirectional;
      break;
    default:
      out.propagation = oci::MountPropagation::kPrivate;
  }
  return out;
}

oci::RequestedUser ToUser(const v1::LinuxContainerSecurityContext& security,
                          const std::string& image_user) {
  oci::RequestedUser out;
  if (security.has_run_as_user()) out.uid = security.run_as_user().value();
  if (security.has_run_as_group()) out.gid = security.run_as_group().value();
  out.username = security.run_as_username();
  out.supplemental_groups.assign(security.supplemental_groups().begin(),
                                 security.supplemental_groups().end());
  out.policy = security.supplemental_groups_policy() == v1::Strict ? oci::GroupsPolicy::kStrict
                                                                   : oci::GroupsPolicy::kMerge;
  out.image_user = image_user;
  return out;
}

void FillSecurity(const v1::LinuxContainerSecurityContext& security, oci::ContainerRequest* out) {
  out->privileged = security.privileged();
  out->readonly_rootfs = security.readonly_rootfs();
  out->no_new_privs = security.no_new_privs();
  out->add_capabilities = Strings(security.capabilities().add_capabilities());
  out->drop_capabilities = Strings(security.capabilities().drop_capabilities());
  out->add_ambient_capabilities = Strings(security.capabilities().add_ambient_capabilities());
  if (security.has_seccomp()) out->seccomp = ToProfile(security.seccomp());
  if (security.has_apparmor()) out->apparmor = ToProfile(security.apparmor());
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // old clients still send these two
  out->seccomp_profile_path = security.seccomp_profile_path();
  out->apparmor_profile = security.apparmor_profile();
#pragma GCC diagnostic pop
  out->masked_paths = Strings(security.masked_paths());
  out->readonly_paths = Strings(security.readonly_paths());
}

Status FillNamespaces(const Environment& env, const Container& container,
                      oci::ContainerRequest* out) {
  const Sandbox& sandbox = *container.sandbox();
  if (HasUserNamespace(sandbox.config())) {
    out->user_ns = UserNamespaceOf(sandbox.config(), sandbox.paths().user());
  }
  out->host_network = sandbox.host_network();
  if (!sandbox.host_network()) {
    out->network_ns = sandbox.paths().net();
    out->uts_ns = sandbox.paths().uts();
  }
  if (sandbox.ipc_mode() != v1::NODE) out->ipc_ns = sandbox.paths().ipc();
  out->pid_ns = CRISP_TRY(PidNamespace(env, container));
  return OkStatus();
}

void FillFiles(const Sandbox& sandbox, oci::ContainerRequest* out) {
  out->resolv_conf_path = sandbox.paths().resolv_conf();
  out->hostname_path = sandbox.paths().hostname();
  out->hosts_path = sandbox.paths().hosts();
  out->shm_path = sandbox.ipc_mode() == v1::NODE ? "/dev/shm" : sandbox.paths().shm();
}

// What configuration and vendors add (cri-contract 8.3, 8.5).
Status FillExtras(const Environment& env, const v1::ContainerConfig& config,
                  const v1::PodSandboxConfig& pod, oci::ContainerRequest* out) {
  out->additional_devices = env.options.additional_devices;
  out->own_devices = env.options.device_ownership_from_security_context;
  for (const v1::CDIDevice& device : config.cdi_devices()) {
    out->cdi_devices.push_back(device.name());
  }
  out->cdi = env.options.cdi;
  out->hooks = env.options.hooks;
  out->annotations = {config.annotations().begin(), config.annotations().end()};
  out->pod_annotations = {pod.annotations().begin(), pod.annotations().end()};
  const Workload* workload = CRISP_TRY(FindWorkload(env.options.workloads, pod));
  if (workload != nullptr) out->allowed_annotations = workload->allowed_annotations;
  return OkStatus();
}

void FillAnnotations(const Container& container, oci::ContainerRequest* out) {
  const v1::PodSandboxMetadata& pod = container.sandbox()->config().metadata();
  out->oci_annotations = {
      {"io.kubernetes.cri.container-type", "container"},
      {"io.kubernetes.cri.container-name", out->container_name},
      {"io.kubernetes.cri.image-name", container.config().image().image()},
      {"io.kubernetes.cri.sandbox-id", out->sandbox_id},
      {"io.kubernetes.cri.sandbox-name", pod.name()},
      {"io.kubernetes.cri.sandbox-namespace", pod.namespace_()},
      {"io.kubernetes.cri.sandbox-uid", pod.uid()},
  };
}

// The limits are the row's: what a workload says is in there.
Status FillResources(const Environment& env, const Container& container,
                     oci::ContainerRequest* out) {
  const v1::LinuxContainerResources resources =
      container.View([](const ContainerRow& row) { return row.resources; });
  CRISP_RETURN_IF_ERROR(CheckNumbers(resources));
  out->resources = ToOciResources(resources);
  if (env.options.pids_limit > 0) out->resources.pids_limit = env.options.pids_limit;
  out->oom_score_adj = resources.oom_score_adj();  // never the daemon's own
  out->rlimits = env.options.default_rlimits;
  const Sandbox& sandbox = *container.sandbox();
  if (WantsSeccompNotifier(env, sandbox)) {
    out->seccomp_listener = SeccompListenerPath(env.options.state);
  }
  return FillClasses(env.options.blockio_classes, env.options.rdt_classes, sandbox.config(),
                     container.config(), out);
}

}  // namespace

Result<std::optional<std::string>> PidNamespace(const Environment& env,
                                                const Container& container) {
  using Path = std::optional<std::string>;
  const Sandbox& sandbox = *container.sandbox();
  const v1::NamespaceOption& options =
      container.config().linux().security_context().namespace_options();
  switch (options.pid()) {
    case v1::NODE:
      return Path();
    case v1::CONTAINER:
      return Path("");
    case v1::TARGET: {
      const ContainerPtr target = CRISP_TRY(
          env.registry.GetContainer(options.target_id()).Wrap("namespace_options.target_id"));
      if (target->sandbox()->id() != sandbox.id()) {
        return InvalidArgument("namespace_options.target_id: container ", target->id().short_str(),
                               " is in another sandbox");
      }
      if (target->state() != ContainerState::kRunning) {
        return FailedPrecondition("namespace_options.target_id: container ",
                                  target->id().short_str(), " is not running");
      }
      const oci::MonitorProcess process = target->row().process;
      // The number may be somebody else's by now, and that one's namespace the host's.
      CRISP_RETURN_IF_ERROR(oci::OpenContainerProcess(process)
                                .status()
                                .WithCode(Code::kFailedPrecondition)
                                .Wrap("namespace_options.target_id"));
      return Path(Cat("/proc/", process.container_pid, "/ns/pid"));
    }
    default:  // POD: whatever the pod has
      if (sandbox.pid_mode() == v1::POD) return Path(sandbox.paths().pid());
      return sandbox.pid_mode() == v1::NODE ? Path() : Path("");
  }
}

Status CheckNumbers(const v1::LinuxContainerResources& r) {
  for (const auto& [field, value] :
       {std::pair("cpu_shares", r.cpu_shares()), std::pair("cpu_period", r.cpu_period())}) {
    if (value < 0) return InvalidArgument(field, ": ", value, " (positive, or 0 for none)");
  }
  return OkStatus();
}

Status CheckNamespaceMode(std::string_view field, v1::NamespaceMode mode) {
  if (v1::NamespaceMode_IsValid(mode)) return OkStatus();
  return InvalidArgument("namespace_options.", field, ": mode ", int{mode}, " is not known");
}

bool HasMountAt(const v1::ContainerConfig& config, const std::string& path) {
  const std::string place = oci::CleanContainerPath(path);
  return std::any_of(config.mounts().begin(), config.mounts().end(), [&](const v1::Mount& mount) {
    return oci::CleanContainerPath(mount.container_path()) == place;
  });
}

oci::LinuxResources ToOciResources(const v1::LinuxContainerResources& r) {
  oci::LinuxResources out;
  if (r.cpu_shares() > 0) out.cpu_shares = static_cast<uint64_t>(r.cpu_shares());
  if (r.cpu_quota() != 0) out.cpu_quota_us = r.cpu_quota();
  if (r.cpu_period() > 0) out.cpu_period_us = static_cast<uint64_t>(r.cpu_period());
  out.cpuset_cpus = r.cpuset_cpus();
  out.cpuset_mems = r.cpuset_mems();
  if (r.memory_limit_in_bytes() != 0) out.memory_limit_bytes = r.memory_limit_in_bytes();
  if (r.memory_swap_limit_in_bytes() != 0) {
    out.memory_swap_bytes = r.memory_swap_limit_in_bytes();
  }
  for (const v1::HugepageLimit& limit : r.hugepage_limits()) {
    out.hugepage_limits.push_back({limit.page_size(), limit.limit()});
  }
  out.unified.insert(r.unified().begin(), r.unified().end());
  return out;
}

Result<oci::ContainerRequest> MakeContainerRequest(const Environment& env,
                                                   const Container& container,
                                                   const image::ImageConfig& image) {
  const v1::ContainerConfig& config = container.config();
  const Sandbox& sandbox = *container.sandbox();
  oci::Runtime& runtime = *container.runtime();
  oci::ContainerRequest out;
  out.container_id = container.id().str();
  out.container_name = config.metadata().name();
  out.sandbox_id = sandbox.id().str();

  out.command = Strings(config.command());
  out.args = Strings(config.args());
  out.image_entrypoint = image.entrypoint;
  out.image_cmd = image.cmd;
  out.working_dir = config.working_dir();
  out.image_working_dir = image.working_dir;
  out.image_env = image.env;
  for (const v1::KeyValue& env_var : config.envs()) {
    out.env.emplace_back(env_var.key(), env_var.value());
  }
  out.hostname = CRISP_TRY(Hostname(sandbox.config()));
  out.tty = config.tty();

  const v1::LinuxContainerSecurityContext& security = config.linux().security_context();
  out.user = ToUser(security, image.user);
  out.sandbox_privileged = sandbox.config().linux().security_context().privileged();
  out.default_capabilities = env.options.default_capabilities;
  FillSecurity(security, &out);
  const oci::SelinuxRequest labels = SelinuxOf(container);
  out.selinux = labels.options;
  out.selinux_level = labels.level;
  out.selinux_host = &env.options.selinux;
  for (const v1::Mount& mount : config.mounts()) out.mounts.push_back(CRISP_TRY(ToMount(mount)));
  for (const v1::Device& device : config.devices()) {
    out.devices.push_back({device.container_path(), device.host_path(), device.permissions()});
  }
  CRISP_RETURN_IF_ERROR(FillExtras(env, config, sandbox.config(), &out));
  FillFiles(sandbox, &out);
  CRISP_RETURN_IF_ERROR(FillNamespaces(env, container, &out));
  FillAnnotations(container, &out);

  CRISP_RETURN_IF_ERROR(FillResources(env, container, &out));
  out.cgroups_path =
      CRISP_TRY(MakeCgroupPaths(env.CgroupParent(sandbox.config()), container.id().str(),
                                runtime.options().cgroup_driver))
          .oci;
  out.systemd_driver = runtime.options().cgroup_driver == oci::CgroupDriver::kSystemd;
  out.reaper = env.options.reaper;
  out.cgroup_layout = env.options.cgroup_layout;
  out.features = &runtime.features();
  out.handler = &runtime.options();
  return out;
}

}  // namespace crisp::pod
