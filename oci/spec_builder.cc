#include "oci/spec_builder.h"

#include "base/core/file.h"
#include "oci/account_files.h"
#include "oci/apparmor.h"
#include "oci/capabilities.h"
#include "oci/cdi_edits.h"
#include "oci/resctrl.h"
#include "oci/seccomp.h"
#include "oci/selinux.h"
#include "oci/spec_parts.h"
#include "oci/systemd_scope.h"

namespace crisp::oci {
namespace {

Status CheckRequest(const ContainerRequest& request) {
  if (request.privileged && !request.sandbox_privileged) {
    return InvalidArgument("privileged: the container is privileged, but its sandbox is not");
  }
  if (request.rootfs.empty() || request.rootfs.front() != '/') {
    return Internal("rootfs '", request.rootfs, "' is not an absolute path");
  }
  for (const auto* paths : {&request.masked_paths, &request.readonly_paths}) {
    const char* field = paths == &request.masked_paths ? "masked_paths" : "readonly_paths";
    for (const std::string& path : *paths) {
      CRISP_RETURN_IF_ERROR(CheckText(field, path));
      if (path.empty() || path.front() != '/') {
        return InvalidArgument(field, ": '", path, "' is not an absolute path");
      }
    }
  }
  return OkStatus();
}

// cri-contract 6.1. A cgroup namespace exists for the sake of v2; privileged containers see the
// host's tree, as in containerd.
std::vector<Namespace> Namespaces(const ContainerRequest& request) {
  std::vector<Namespace> out = {{"mount", ""}};
  const auto add = [&out](const char* type, const std::optional<std::string>& path) {
    if (path) out.push_back({type, *path});
  };
  add("pid", request.pid_ns);
  if (!request.host_network) add("network", request.network_ns);
  add("ipc", request.ipc_ns);
  add("uts", request.uts_ns);
  if (request.cgroup_layout != nullptr && request.cgroup_layout->v2 && !request.privileged) {
    out.push_back({"cgroup", ""});
  }
  return out;
}

std::map<std::string, std::string> Annotations(const ContainerRequest& request) {
  std::map<std::string, std::string> out = request.oci_annotations;
  out.try_emplace("io.kubernetes.cri.container-type", "container");
  if (!request.sandbox_id.empty()) {
    out.try_emplace("io.kubernetes.cri.sandbox-id", request.sandbox_id);
  }
  if (!request.container_name.empty()) {
    out.try_emplace("io.kubernetes.cri.container-name", request.container_name);
  }
  out.merge(HandlerAnnotations(request));  // crisp's own win
  return out;
}

Status CheckAnnotations(const std::map<std::string, std::string>& annotations) {
  for (const auto& [key, value] : annotations) {
    CRISP_RETURN_IF_ERROR(CheckText("annotations", key));
    CRISP_RETURN_IF_ERROR(CheckText("annotations", value).Wrap(key));
  }
  return OkStatus();
}

bool IsMountedOver(const ContainerRequest& request, const std::string& path) {
  for (const RequestedMount& mount : request.mounts) {
    if (CleanContainerPath(mount.container_path) == path) return true;
  }
  return false;
}

// An entry for a uid that the image lacks, so that `whoami`, ssh and friends work. Only where the
// image has a passwd file and no mount of the CRI is in its place.
Result<std::string> PasswdContent(const DirFd& rootfs, const ContainerRequest& request,
                                  const ResolvedUser& user, const std::string& cwd) {
  if (user.has_passwd_entry || user.user.uid == 0 || IsMountedOver(request, "/etc") ||
      IsMountedOver(request, "/etc/passwd")) {
    return std::string();
  }
  auto existing = CRISP_TRY(ReadAccountFile(rootfs, "etc/passwd"));
  if (!existing) return std::string();
  std::string out = std::move(*existing);
  if (!out.empty() && out.back() != '\n') out.push_back('\n');
  // A colon or newline in the working directory would forge entries.
  const std::string home = cwd.find_first_of(":\n") == std::string::npos ? cwd : "/";
  out += Cat(user.user.uid, ":x:", user.user.uid, ':', user.user.gid, ":user of the pod:", home,
             ":/sbin/nologin\n");
  return out;
}

Result<Capabilities> RequestedCapabilities(const ContainerRequest& request, const HostFacts& host) {
  return ResolveCapabilities(
      {request.privileged, request.default_capabilities, request.add_capabilities,
       request.drop_capabilities, request.add_ambient_capabilities},
      host);
}

// cri-contract 9.9.
Result<SelinuxLabels> Labels(const ContainerRequest& request, const Process& process) {
  if (request.selinux_host == nullptr) return SelinuxLabels{};
  SelinuxRequest wanted{request.selinux, request.selinux_level, SelinuxDomain::kContainer};
  if (request.privileged || !request.pid_ns || !request.ipc_ns) {
    wanted.domain = SelinuxDomain::kUnconfined;
  } else if (request.handler != nullptr && IsVirtualMachine(request.handler->path)) {
    wanted.domain = SelinuxDomain::kKvm;
  } else if (!process.args.empty() && IsInitSystem(process.args.front())) {
    wanted.domain = SelinuxDomain::kInit;
  }
  return ResolveSelinux(*request.selinux_host, wanted);
}

Status BuildSecurity(const ContainerRequest& request, const HostFacts& host, Spec* spec) {
  spec->process.capabilities = CRISP_TRY(RequestedCapabilities(request, host));
  spec->process.apparmor_profile = CRISP_TRY(ResolveApparmor(request, host));
  const SelinuxLabels labels = CRISP_TRY(Labels(request, spec->process));
  spec->process.selinux_label = labels.process;
  spec->mount_label = labels.mount;
  const SeccompContext context{spec->process.capabilities.bounding, host.kernel_major,
                               host.kernel_minor};
  spec->seccomp_json = CRISP_TRY(ResolveSeccomp(request, context, host));
  if (!request.privileged) {
    spec->masked_paths = request.masked_paths;
    spec->readonly_paths = request.readonly_paths;
  }
  return OkStatus();
}

}  // namespace

Result<BuiltSpec> BuildSpecOn(const ContainerRequest& request, const std::string& state_dir,
                              const HostFacts& host) {
  CRISP_RETURN_IF_ERROR(CheckRequest(request));
  const DirFd rootfs = CRISP_TRY(DirFd::Open(request.rootfs).Wrap("rootfs"));
  const ResolvedUser user = CRISP_TRY(ResolveUser(rootfs, request.user));

  BuiltSpec built;
  Spec& spec = built.spec;
  built.effective_user = user.user;
  CRISP_RETURN_IF_ERROR(BuildProcess(request, user.home, host, &spec.process));
  spec.process.user = user.user;
  CRISP_RETURN_IF_ERROR(BuildSecurity(request, host, &spec));
  built.passwd_content =
      CRISP_TRY(PasswdContent(rootfs, request, user, spec.process.cwd).Wrap("user"));
  const std::string passwd_source =
      built.passwd_content.empty() ? "" : JoinPath(state_dir, "passwd");
  spec.resources = CRISP_TRY(
      CompleteResourcesOn(request.resources, request.cgroup_layout, host).Wrap("resources"));
  // A new group has no quota; crun (seen with 1.8.1) cannot write -1 to the file of v1.
  if (spec.resources.cpu_quota_us == -1) spec.resources.cpu_quota_us.reset();
  if (!request.rdt_class.empty()) CRISP_RETURN_IF_ERROR(CheckRdtClass(request.rdt_class, host));
  spec.rdt_class = request.rdt_class;
  CRISP_RETURN_IF_ERROR(BuildDevices(request, host, &spec));
  CRISP_RETURN_IF_ERROR(BuildMounts(request, passwd_source, host, spec.mount_label, &spec));
  CRISP_RETURN_IF_ERROR(ApplyCdi(request, &spec));
  built.effective_user = spec.process.user;
  CRISP_RETURN_IF_ERROR(AddConfiguredHooks(request, &spec));
  if (request.handler != nullptr) spec.base_json = request.handler->base_spec_json;
  spec.root_path = request.rootfs;
  spec.root_readonly = request.readonly_rootfs;
  // A joined UTS namespace has its name already.
  if (request.uts_ns && request.uts_ns->empty()) spec.hostname = request.hostname;
  spec.namespaces = Namespaces(request);
  spec.annotations = Annotations(request);
  if (request.systemd_driver && request.features != nullptr) {
    AddScopeAnnotations(*request.features, spec.resources, &spec.annotations);
  }
  CRISP_RETURN_IF_ERROR(CheckAnnotations(spec.annotations));
  CRISP_RETURN_IF_ERROR(ApplyUserNamespace(request, host, &spec));
  spec.cgroups_path = request.cgroups_path;
  CRISP_RETURN_IF_ERROR(CheckMountPlaces(rootfs, spec));
  // Last: the only change to the rootfs is made when nothing else can fail.
  CRISP_RETURN_IF_ERROR(MakeWorkingDirectory(rootfs, spec.process.cwd).Wrap("working_dir"));
  if (request.user_ns) {
    CRISP_RETURN_IF_ERROR(OwnNewDirectories(rootfs, spec.process.cwd, *request.user_ns));
  }
  return built;
}

Result<BuiltSpec> BuildSpec(const ContainerRequest& request, const std::string& state_dir) {
  return BuildSpecOn(request, state_dir, ReadHostFacts());
}

}  // namespace crisp::oci
