#include "pod/create_container.h"

#include <array>

#include "base/core/dir_fd.h"
#include "base/core/mount.h"
#include "oci/spec_builder.h"
#include "pod/container_request.h"
#include "pod/idmapped_volumes.h"
#include "pod/image_volumes.h"
#include "pod/monitors.h"
#include "pod/selinux_labels.h"
#include "pod/userns.h"
#include "pod/volume_copy.h"

namespace crisp::pod {
namespace {

const v1::PodSandboxConfig& PodOf(const ContainerContext& c) {
  return c.container->sandbox()->config();
}

// Of a pod with a user namespace: the OCI runtime walks to the rootfs as the container's root.
Status LetContainerRootPass(const ContainerContext& c, const std::string& dir) {
  if (!HasUserNamespace(PodOf(c))) return OkStatus();
  if (::chown(dir.c_str(), 0, ContainerRoot(PodOf(c)).gid) != 0) return Errno("chown ", dir);
  if (::chmod(dir.c_str(), 0710) != 0) return Errno("chmod ", dir);
  return OkStatus();
}

Status MakeDirectories(ContainerContext& c) {
  const ContainerPaths& paths = c.container->paths();
  for (const std::string& dir : {paths.upper(), paths.work(), paths.bundle(), paths.rootfs()}) {
    CRISP_RETURN_IF_ERROR(EnsureDirectory(dir));
  }
  // The bundle names host paths and the environment, which may hold secrets.
  if (::chmod(paths.data().c_str(), 0700) != 0) return Errno("chmod ", paths.data());
  if (::chmod(paths.state().c_str(), 0700) != 0) return Errno("chmod ", paths.state());
  CRISP_RETURN_IF_ERROR(LetContainerRootPass(c, paths.state()));
  return GiveToContainerRoot(PodOf(c), paths.upper());  // "/" of the container
}
Status RemoveDirectories(ContainerContext& c) {
  // Where the undo of "monitor" failed: without its directory it could not be found again.
  CRISP_RETURN_IF_ERROR(oci::EnsureMonitorGone(c.container->paths().state(),
                                               MonoNow() + c.env.options.runtime_deadline));
  // Likewise that of "quota": nothing else names the id whose limit is left.
  CRISP_RETURN_IF_ERROR(c.env.layer_quotas->LiftLimit(c.container->id()));
  CRISP_RETURN_IF_ERROR(RemoveTreeAt(c.container->paths().state()));
  return RemoveTreeAt(c.container->paths().data());
}

Status ReserveProject(ContainerContext& c) {
  return c.env.layer_quotas->Reserve(c.container->id());
}
Status ReleaseProject(ContainerContext& c) {
  // Directories that stay keep their id, and perhaps its limit.
  if (PathExists(c.container->paths().data())) return OkStatus();
  c.env.layer_quotas->Release(c.container->id());
  return OkStatus();
}

Status ApplyQuota(ContainerContext& c) {
  return c.env.layer_quotas->Apply(c.container->id(), c.container->paths());
}
Status LiftQuota(ContainerContext& c) { return c.env.layer_quotas->LiftLimit(c.container->id()); }

Status TakeLease(ContainerContext& c) {
  const std::string image_id = c.container->View([](const auto& row) { return row.image_id; });
  c.leases.Hold(c.container->id(), CRISP_TRY(c.env.options.images->Acquire(image_id)));
  c.for_image_volume = true;
  c.leases.HoldVolumes(c.container->id(),
                       CRISP_TRY(AcquireImageVolumes(*c.env.options.images, *c.container)));
  c.for_image_volume = false;
  return OkStatus();
}
Status DropLease(ContainerContext& c) {
  c.leases.Drop(c.container->id());
  return OkStatus();
}

// Not valid: the pod has none.
Result<UniqueFd> OpenUserNamespace(const ContainerContext& c) {
  if (!HasUserNamespace(PodOf(c))) return UniqueFd();
  return OpenFile(c.container->sandbox()->paths().user(), O_RDONLY);
}

Status MountRootfs(ContainerContext& c) {
  const ContainerPaths& paths = c.container->paths();
  const UniqueFd user_namespace = CRISP_TRY(OpenUserNamespace(c));
  return c.env.options.images->MountRootfs(
      *c.leases.Find(c.container->id()), paths.upper(), paths.work(), paths.rootfs(),
      {user_namespace.get(), CRISP_TRY(MountLabel(c.env, *c.container))});
}
Status UnmountRootfs(ContainerContext& c) {
  return EnsureUnmounted(c.container->paths().rootfs(), /*detach=*/true);
}

// Container path -> host directory, in the order of the image's list.
std::map<std::string, std::string> VolumeDirectories(const ContainerContext& c) {
  std::map<std::string, std::string> out;
  size_t index = 0;
  for (const std::string& path : c.leases.Find(c.container->id())->image()->config.volumes) {
    const std::string host = Cat(c.container->paths().volumes(), '/', index++);
    if (!HasMountAt(c.container->config(), path)) out[path] = host;
  }
  return out;
}

Status MakeVolumes(ContainerContext& c) {
  const auto volumes = VolumeDirectories(c);
  if (volumes.empty()) return OkStatus();
  CRISP_RETURN_IF_ERROR(EnsureDirectory(c.container->paths().volumes(), 0711));
  CRISP_RETURN_IF_ERROR(
      c.env.layer_quotas->ApplyToVolumes(c.container->id(), c.container->paths()));
  const std::string label = CRISP_TRY(MountLabel(c.env, *c.container));
  const DirFd rootfs = CRISP_TRY(DirFd::Open(c.container->paths().rootfs()));
  for (const auto& [path, host] : volumes) {
    CRISP_RETURN_IF_ERROR(EnsureDirectory(host));
    CRISP_RETURN_IF_ERROR(GiveToContainerRoot(PodOf(c), host));
    CRISP_RETURN_IF_ERROR(CopyVolumeContent(rootfs, path, host).Wrap("image volume ", path));
    CRISP_RETURN_IF_ERROR(LabelFiles(host, label).Wrap("image volume ", path));
  }
  return OkStatus();
}

Status MapVolumes(ContainerContext& c) { return MakeIdmappedVolumes(*c.container); }
Status DropMappedVolumes(ContainerContext& c) {
  return EnsureIdmappedVolumesGone(c.container->paths());
}

Status WriteSpec(ContainerContext& c) {
  Container& container = *c.container;
  const auto image = c.leases.Find(container.id())->image();
  oci::ContainerRequest request = CRISP_TRY(MakeContainerRequest(c.env, container, image->config));
  request.rootfs = container.paths().rootfs();
  request.image_volumes = VolumeDirectories(c);
  for (int i = 0; i < container.config().mounts_size(); ++i) {
    if (!IsIdmapped(container.config().mounts(i))) continue;
    request.mounts[static_cast<size_t>(i)].host_path = IdmappedPath(container.paths(), i);
  }
  c.for_image_volume = true;
  CRISP_RETURN_IF_ERROR(FillImageVolumes(container, &request.mounts));
  c.for_image_volume = false;
  oci::BuiltSpec built = CRISP_TRY(oci::BuildSpec(request, container.paths().data()));
  if (!built.passwd_content.empty()) {
    const std::string passwd = container.paths().passwd();
    CRISP_RETURN_IF_ERROR(WriteFile(passwd, built.passwd_content));
    CRISP_RETURN_IF_ERROR(GiveToContainerRoot(PodOf(c), passwd));
    CRISP_RETURN_IF_ERROR(LabelFiles(passwd, built.spec.mount_label));
    // The container may write to it.
    CRISP_RETURN_IF_ERROR(c.env.layer_quotas->ApplyToFile(container.id(), passwd));
  }
  container.Update([&](ContainerRow& row) { row.user = built.effective_user; });
  return WriteFile(container.paths().config_json(), CRISP_TRY(oci::ToJson(built.spec)), 0600);
}

Status MountImages(ContainerContext& c) {
  const UniqueFd user_namespace = CRISP_TRY(OpenUserNamespace(c));
  c.for_image_volume = true;
  CRISP_RETURN_IF_ERROR(MountImageVolumes(
      *c.env.options.images, *c.container, c.leases.FindVolumes(c.container->id()),
      {user_namespace.get(), CRISP_TRY(MountLabel(c.env, *c.container))}));
  c.for_image_volume = false;
  return OkStatus();
}

// Where the kernel says that the OOM killer was there: v2 memory.events, v1 the memory directory.
std::string OomWatch(const ContainerContext& c) {
  const std::string dir = c.env.CgroupOf(*c.container).DirOf("memory");
  if (dir.empty()) return {};
  return c.env.options.cgroup_layout->v2 ? dir + "/memory.events" : dir;
}

Status StartMonitor(ContainerContext& c) {
  const v1::ContainerConfig& config = c.container->config();
  oci::MonitorLaunch launch = NewMonitorLaunch(c.env, *c.container->runtime());
  launch.container = c.container->id();
  launch.bundle = c.container->paths().bundle();
  launch.state_dir = c.container->paths().state();
  launch.log_path = c.container->LogPath();
  launch.log_directory = c.container->sandbox()->config().log_directory();
  if (HasUserNamespace(PodOf(c))) {
    const HostOwner root = ContainerRoot(PodOf(c));
    launch.stdio_owner = oci::StdioOwner{root.uid, root.gid};
  }
  launch.terminal = config.tty();
  launch.stdin_open = config.stdin();
  launch.stdin_once = config.stdin_once();
  launch.oom_watch = OomWatch(c);
  auto launched = LaunchMonitor(c.env, std::move(launch), std::move(c.observer));
  if (launched.status().code() == Code::kInvalidArgument) {
    // The command is missing or no program. That is StartContainer's to say (cri-contract 7.2).
    c.container->Update([&](ContainerRow& row) { row.message = launched.status().message(); });
    return OkStatus();
  }
  c.container->set_monitor(CRISP_TRY(std::move(launched)));
  // A TARGET that is still the same now was so when the runtime joined it.
  return PidNamespace(c.env, *c.container).status();
}

Status EndContainer(ContainerContext& c) {
  return EnsureOciContainerGone(c.env, *c.container->sandbox(), c.container->id(),
                                c.container->paths().state());
}

constexpr std::array<Step<ContainerContext>, 11> kSteps = {{
    {"project_id", ReserveProject, ReleaseProject},
    {"directories", MakeDirectories, RemoveDirectories},
    {"quota", ApplyQuota, LiftQuota},
    {"lease", TakeLease, DropLease},
    {"rootfs", MountRootfs, UnmountRootfs},
    {"volumes", MakeVolumes, nullptr},
    {"mapped_volumes", MapVolumes, DropMappedVolumes},
    {"image_volumes", MountImages, DropMappedVolumes},
    {"spec", WriteSpec, nullptr},
    {"monitor", StartMonitor, EndContainer},
    {"unmap_volumes", DropMappedVolumes, nullptr},
}};

}  // namespace

const StepTable<ContainerContext>& CreateContainerTable() {
  static constexpr StepTable<ContainerContext> kTable = {"create_container", kSteps};
  return kTable;
}

Status DestroyContainer(ContainerContext& context) {
  return UndoSteps(CreateContainerTable(), context, 0, kSteps.size());
}

Status ValidateContainerConfig(const v1::ContainerConfig& config, const Sandbox& sandbox) {
  if (config.metadata().name().empty()) return InvalidArgument("config.metadata.name is empty");
  if (config.image().image().empty()) return InvalidArgument("config.image.image is empty");
  if (Cat('/', config.log_path(), '/').find("/../") != std::string::npos) {
    return InvalidArgument("config.log_path: '", config.log_path(),
                           "' must be a path below the sandbox's log_directory, without '..'");
  }
  for (const v1::Mount& mount : config.mounts()) {
    if (!v1::MountPropagation_IsValid(mount.propagation())) {
      return InvalidArgument("mount ", mount.container_path(), ": propagation ",
                             int{mount.propagation()}, " is not known");
    }
  }
  const v1::LinuxContainerSecurityContext& security = config.linux().security_context();
  const v1::NamespaceOption& options = security.namespace_options();
  CRISP_RETURN_IF_ERROR(CheckUserNamespace(config, sandbox.config()));
  if (!security.has_namespace_options()) return OkStatus();
  for (const auto& [field, mode] :
       {std::pair("network", options.network()), std::pair("ipc", options.ipc()),
        std::pair("pid", options.pid())}) {
    CRISP_RETURN_IF_ERROR(CheckNamespaceMode(field, mode));
  }
  if (options.network() == v1::TARGET || options.ipc() == v1::TARGET) {
    return InvalidArgument("namespace_options: TARGET is for pid only");
  }
  if ((options.network() == v1::NODE) != sandbox.host_network()) {
    return InvalidArgument("namespace_options.network ", v1::NamespaceMode_Name(options.network()),
                           " differs from the sandbox's, and all containers of a pod share it");
  }
  if ((options.ipc() == v1::NODE) != (sandbox.ipc_mode() == v1::NODE)) {
    return InvalidArgument("namespace_options.ipc ", v1::NamespaceMode_Name(options.ipc()),
                           " differs from the sandbox's, and all containers of a pod share it");
  }
  return OkStatus();
}

}  // namespace crisp::pod
