#include "pod/run_sandbox.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/cgroup_dir.h"
#include "base/core/dir_fd.h"
#include "base/core/mount.h"
#include "base/log.h"
#include "base/netns_handle.h"
#include "pod/cgroups.h"
#include "pod/container_request.h"
#include "pod/init_process.h"
#include "pod/monitors.h"
#include "pod/sandbox_files.h"
#include "pod/selinux_labels.h"
#include "pod/sysctls.h"
#include "pod/userns.h"
#include "pod/userns_pins.h"

namespace crisp::pod {
namespace {

constexpr int64_t kPodFiles_bytes = 16 << 20;  // a host's /etc/hosts can be megabytes

Status MakeDirectories(SandboxContext& c) {
  // Not for other users of the node: the pod's shm is writable to everybody who can reach it, and
  // mountinfo tells them where it is. Containers get bind mounts, which need no way from the root.
  const std::string& state = c.sandbox->paths().state();
  CRISP_RETURN_IF_ERROR(EnsureDirectory(state, 0700));
  // A file system of the pod's own: containers write /etc/hosts and the like, and must not fill the
  // node's /run.
  CRISP_RETURN_IF_ERROR(
      Mount("pod", state, "tmpfs", MS_NOSUID | MS_NODEV, Cat("mode=0700,size=", kPodFiles_bytes)));
  return EnsureDirectory(c.sandbox->paths().namespaces(), 0700);
}
Status RemoveDirectories(SandboxContext& c) {
  // Where the undo of "init" failed: without its directory the monitor could not be found again.
  CRISP_RETURN_IF_ERROR(oci::EnsureMonitorGone(c.sandbox->paths().init_monitor(),
                                               MonoNow() + c.env.options.runtime_deadline));
  CRISP_RETURN_IF_ERROR(EnsureUnmounted(c.sandbox->paths().state(), /*detach=*/true));
  CRISP_RETURN_IF_ERROR(RemoveTreeAt(c.sandbox->paths().state()));
  return RemoveTreeAt(c.sandbox->paths().namespaces());
}

Status MakeFiles(SandboxContext& c) {
  const SandboxPaths& paths = c.sandbox->paths();
  CRISP_RETURN_IF_ERROR(WriteSandboxFiles(c.sandbox->config(), paths));
  const std::string label = CRISP_TRY(SelinuxLabelsOf(c.env, *c.sandbox)).mount;
  for (const std::string& path : {paths.resolv_conf(), paths.hostname(), paths.hosts()}) {
    CRISP_RETURN_IF_ERROR(LabelFiles(path, label));
  }
  return OkStatus();
}

Status MountShm(SandboxContext& c) {
  if (c.sandbox->ipc_mode() == v1::NODE) return OkStatus();
  const std::string shm = c.sandbox->paths().shm();
  CRISP_RETURN_IF_ERROR(EnsureDirectory(shm));
  const HostOwner root = ContainerRoot(c.sandbox->config());
  return Mount(
      "shm", shm, "tmpfs", MS_NOEXEC | MS_NOSUID | MS_NODEV,
      Cat("mode=1777,size=", c.env.options.shm_size_bytes, ",uid=", root.uid, ",gid=", root.gid,
          oci::ContextOption(CRISP_TRY(SelinuxLabelsOf(c.env, *c.sandbox)).mount)));
}
Status UnmountShm(SandboxContext& c) {
  return EnsureUnmounted(c.sandbox->paths().shm(), /*detach=*/true);
}

NamespaceMaker MakerOf(const SandboxContext& c) {
  return {c.env.options.init_binary, c.env.options.reaper};
}

Status MakeUserNamespace(SandboxContext& c) {
  const Sandbox& sandbox = *c.sandbox;
  if (!HasUserNamespace(sandbox.config())) return OkStatus();
  const auto wanted = UserNamespaceOf(sandbox.config(), sandbox.paths().user());
  return PinUserNamespace(MakerOf(c), wanted.uids, wanted.gids, wanted.path);
}
Status DropUserNamespace(SandboxContext& c) { return EnsureUnpinned(c.sandbox->paths().user()); }

Status MakeNamespaces(SandboxContext& c) {
  const Sandbox& sandbox = *c.sandbox;
  std::vector<NamespacePin> pins;
  if (!sandbox.host_network()) {
    pins.push_back({CLONE_NEWNET, sandbox.paths().net()});
    pins.push_back({CLONE_NEWUTS, sandbox.paths().uts()});
  }
  if (sandbox.ipc_mode() != v1::NODE) pins.push_back({CLONE_NEWIPC, sandbox.paths().ipc()});
  if (pins.empty()) return OkStatus();
  const std::string hostname = CRISP_TRY(Hostname(sandbox.config()));
  const auto sysctls = CRISP_TRY(PodSysctls(sandbox.config(), c.env.options.default_sysctls));
  const HostOwner root = ContainerRoot(sandbox.config());
  const auto prepare = [&]() -> Status {
    if (!sandbox.host_network()) {
      if (::sethostname(hostname.data(), hostname.size()) != 0) return Errno("sethostname");
      CRISP_RETURN_IF_ERROR(BringLoopbackUp());
    }
    return WriteSysctls(sysctls, root);
  };
  if (!HasUserNamespace(sandbox.config())) return PinNamespaces(pins, prepare);
  return PinOwnedNamespaces(MakerOf(c), sandbox.paths().user(), pins, prepare);
}
// A DEL that must still come needs the namespace: without it, plugins leave rules on the host.
Status DropNetworkNamespace(SandboxContext& c) {
  if (c.sandbox->host_network()) return OkStatus();
  const std::vector<SandboxId> attached = CRISP_TRY(c.env.options.network->ListCached());
  if (std::find(attached.begin(), attached.end(), c.sandbox->id()) != attached.end()) {
    return FailedPrecondition("the network is still attached; its namespace is kept");
  }
  return EnsureUnpinned(c.sandbox->paths().net());
}

Status DropNamespaces(SandboxContext& c) {
  Status failed = DropNetworkNamespace(c);
  for (const std::string& path : {c.sandbox->paths().uts(), c.sandbox->paths().ipc()}) {
    if (Status status = EnsureUnpinned(path); !status.ok()) failed = std::move(status);
  }
  return failed;
}

network::Attachment AttachmentOf(const Sandbox& sandbox, const std::string& cgroup_parent) {
  const v1::PodSandboxConfig& config = sandbox.config();
  network::Attachment out;
  out.sandbox = sandbox.id();
  out.netns_path = sandbox.paths().net();
  out.pod_name = config.metadata().name();
  out.pod_namespace = config.metadata().namespace_();
  out.pod_uid = config.metadata().uid();
  out.annotations.insert(config.annotations().begin(), config.annotations().end());
  for (const v1::PortMapping& mapping : config.port_mappings()) {
    if (mapping.host_port() <= 0) continue;
    const char* protocol = mapping.protocol() == v1::UDP    ? "udp"
                           : mapping.protocol() == v1::SCTP ? "sctp"
                                                            : "tcp";
    out.port_mappings.push_back(
        {protocol, mapping.container_port(), mapping.host_port(), mapping.host_ip()});
  }
  const v1::DNSConfig& dns = config.dns_config();
  out.dns_servers.assign(dns.servers().begin(), dns.servers().end());
  out.dns_searches.assign(dns.searches().begin(), dns.searches().end());
  out.dns_options.assign(dns.options().begin(), dns.options().end());
  out.cgroup_path = cgroup_parent;
  return out;
}

Status AttachNetwork(SandboxContext& c) {
  if (c.sandbox->host_network()) return OkStatus();
  WarmUpCreate(c.env);
  // The plugins are not cancelled with the call: one that is killed half way leaves more behind
  // than one that finishes.
  network::PodAddresses addresses = CRISP_TRY(c.env.options.network->Add(
      AttachmentOf(*c.sandbox, c.env.CgroupParent(c.sandbox->config())), CancelToken()));
  if (addresses.primary.empty()) {
    return FailedPrecondition("the CNI plugins gave the pod no IP address");
  }
  c.sandbox->set_addresses(std::move(addresses));
  return OkStatus();
}
Status DetachNetwork(SandboxContext& c) {
  if (c.sandbox->host_network()) return OkStatus();
  c.sandbox->set_addresses({});
  return c.env.options.network->Del(
      AttachmentOf(*c.sandbox, c.env.CgroupParent(c.sandbox->config())), CancelToken());
}

Status StartInit(SandboxContext& c) {
  if (c.sandbox->pid_mode() != v1::POD) return OkStatus();
  return StartInitProcess(c.env, c.sandbox);
}
Status StopInit(SandboxContext& c) {
  if (c.sandbox->pid_mode() != v1::POD) return OkStatus();
  return EnsureInitProcessGone(c.env, c.sandbox);
}

constexpr std::array<Step<SandboxContext>, 7> kSteps = {{
    {"directories", MakeDirectories, RemoveDirectories},
    {"files", MakeFiles, nullptr},
    {"shm", MountShm, UnmountShm},
    {"user_namespace", MakeUserNamespace, DropUserNamespace},
    {"namespaces", MakeNamespaces, DropNamespaces},
    {"network", AttachNetwork, DetachNetwork},
    {"init", StartInit, StopInit},
}};
constexpr size_t kFirstReleasedAtStop = 2;
static_assert(kSteps[kFirstReleasedAtStop].name == "shm");

}  // namespace

const StepTable<SandboxContext>& RunSandboxTable() {
  static constexpr StepTable<SandboxContext> kTable = {"run_pod_sandbox", kSteps};
  return kTable;
}

// The directory of the namespaces goes last. Of a pod without namespaces of its own nothing else
// tells the next start that it was stopped where the row could not be written, and to remove needs
// no room.
Status ReleaseSandbox(SandboxContext& context) {
  CRISP_RETURN_IF_ERROR(UndoSteps(RunSandboxTable(), context, kFirstReleasedAtStop, kSteps.size()));
  return RemoveTreeAt(context.sandbox->paths().namespaces());
}

Status DestroySandbox(SandboxContext& context) {
  const bool released = context.sandbox->state() == SandboxState::kStopped;
  return UndoSteps(RunSandboxTable(), context, 0, released ? kFirstReleasedAtStop : kSteps.size());
}

Status ValidateSandboxConfig(const v1::PodSandboxConfig& config) {
  const v1::PodSandboxMetadata& m = config.metadata();
  for (const auto& [field, value] :
       {std::pair("name", &m.name()), std::pair("namespace", &m.namespace_()),
        std::pair("uid", &m.uid())}) {
    if (value->empty()) return InvalidArgument("config.metadata.", field, " is empty");
  }
  if (const std::string& logs = config.log_directory(); !logs.empty() && logs.front() != '/') {
    return InvalidArgument("config.log_directory: '", logs, "' is not absolute");
  }
  const v1::LinuxSandboxSecurityContext& security = config.linux().security_context();
  if (security.has_run_as_group() && !security.has_run_as_user()) {
    return InvalidArgument("security_context.run_as_group needs run_as_user");
  }
  const v1::NamespaceOption& options = security.namespace_options();
  for (const auto& [field, mode] :
       {std::pair("network", options.network()), std::pair("ipc", options.ipc()),
        std::pair("pid", options.pid())}) {
    CRISP_RETURN_IF_ERROR(CheckNamespaceMode(field, mode));
    if (mode == v1::TARGET) {
      return InvalidArgument("namespace_options.", field, ": TARGET is for containers only");
    }
  }
  CRISP_RETURN_IF_ERROR(CheckUserNamespace(config));
  CRISP_RETURN_IF_ERROR(Hostname(config).status());
  return PodSysctls(config, {}).status();
}

oci::MonitorObserver ObserveInit(Environment& env, const SandboxPtr& sandbox) {
  oci::MonitorObserver observer;
  std::weak_ptr<Sandbox> weak = sandbox;
  observer.on_exit = [&env, weak](const oci::ExitRecord&, bool) {
    const SandboxPtr alive = weak.lock();
    if (!alive) return;
    // Behind a RunPodSandbox that is still at it: an exit is told once.
    (void)alive->strand().Submit([&env, alive] {
      if (alive->state() != SandboxState::kReady) return;
      log::Warning("the pod's init process died", {{"sandbox", alive->id()}});
      alive->set_state(SandboxState::kNotReady);
      if (Status s = env.db->Put(alive->row()); !s.ok()) {
        log::Error("state not written", {{"sandbox", alive->id()}, {"error", s}});
      }
      env.events.Publish(EventType::kStopped, alive->id().str(), alive);
    });
  };
  return observer;
}

}  // namespace crisp::pod
