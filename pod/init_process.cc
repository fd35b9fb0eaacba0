#include "pod/init_process.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup_dir.h"
#include "base/core/atomic_file.h"
#include "base/core/mount.h"
#include "base/log.h"
#include "base/netns_handle.h"
#include "oci/spec_builder.h"
#include "oci/systemd_scope.h"
#include "pod/cgroups.h"
#include "pod/container_request.h"
#include "pod/monitors.h"
#include "pod/run_sandbox.h"
#include "pod/selinux_labels.h"
#include "pod/userns.h"
#include "pod/workloads.h"

namespace crisp::pod {
namespace {

constexpr auto kAdoptAgain = std::chrono::seconds(1);
constexpr mode_t kInitMode = 0555;

// What the pod's workload says wins over infra_ctr_cpuset, as in CRI-O.
Result<oci::LinuxResources> InitResources(const Environment& env, const Sandbox& sandbox) {
  v1::LinuxContainerResources limits;
  limits.set_cpuset_cpus(env.options.infra_cpuset);
  CRISP_RETURN_IF_ERROR(
      ApplyWorkload(env.options.workloads, sandbox.config(), kPodItself, &limits));
  return oci::CompleteResources(ToOciResources(limits), env.options.cgroup_layout);
}

std::string InitRoot(const Environment& env) { return JoinPath(env.options.state, "init-rootfs"); }

Result<oci::Spec> InitSpec(const Environment& env, const Sandbox& sandbox,
                           const std::string& cgroup) {
  oci::Spec spec;
  const oci::SelinuxLabels labels = CRISP_TRY(SelinuxLabelsOf(env, sandbox));
  spec.process.selinux_label = labels.process;
  spec.mount_label = labels.mount;
  spec.process.args = {"/crisp-init"};
  spec.process.env = {"PATH=/"};
  spec.process.no_new_privileges = true;
  spec.root_path = InitRoot(env);
  spec.root_readonly = true;
  // Without a /dev of their own, runtimes would make its nodes in the shared root.
  spec.mounts = {{"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
                 {"/dev", "tmpfs", "tmpfs", {"nosuid", "noexec", "mode=755", "size=64k"}}};
  // As the kubelet wants it for containers (cri-contract section 9): for those that may trace,
  // /proc/1/root is a way to this /proc.
  spec.masked_paths = {"/proc/acpi",        "/proc/asound", "/proc/interrupts",
                       "/proc/kcore",       "/proc/keys",   "/proc/latency_stats",
                       "/proc/sched_debug", "/proc/scsi",   "/proc/timer_list",
                       "/proc/timer_stats"};
  spec.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  spec.namespaces = {{"pid", ""}, {"mount", ""}};
  if (!sandbox.host_network()) {
    spec.namespaces.push_back({"network", sandbox.paths().net()});
    spec.namespaces.push_back({"uts", sandbox.paths().uts()});
  }
  if (sandbox.ipc_mode() != v1::NODE) {
    spec.namespaces.push_back({"ipc", sandbox.paths().ipc()});
  }
  if (HasUserNamespace(sandbox.config())) {
    const auto user = UserNamespaceOf(sandbox.config(), sandbox.paths().user());
    spec.namespaces.push_back({"user", user.path});
    spec.uid_mappings = {user.uids};
    spec.gid_mappings = {user.gids};
  }
  spec.cgroups_path = cgroup;
  spec.resources = CRISP_TRY(InitResources(env, sandbox));
  spec.resources.devices = {{false, 'a', {}, {}, "rwm"}};
  spec.annotations = {{"io.kubernetes.cri.container-type", "sandbox"},
                      {"io.kubernetes.cri.sandbox-id", sandbox.id().str()}};
  const oci::Runtime& runtime = *sandbox.runtime();
  if (runtime.options().cgroup_driver == oci::CgroupDriver::kSystemd) {
    oci::AddScopeAnnotations(runtime.features(), spec.resources, &spec.annotations);
  }
  return spec;
}

bool IsFile(const std::string& path, const std::string& content, mode_t mode) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0 || st.st_mode != (S_IFREG | mode)) return false;
  const auto read = ReadFile(path, content.size());
  return read.ok() && *read == content;
}

void AdoptLater(Environment& env, const std::weak_ptr<Sandbox>& weak) {
  env.options.loop->RunAt(MonoNow() + kAdoptAgain, [&env, weak] {
    const SandboxPtr sandbox = weak.lock();
    if (!sandbox) return;
    // Not beside a Stop, which ends the process and takes it out of the row.
    const Status queued =
        sandbox->strand().Submit([&env, sandbox] { AdoptInitProcess(env, sandbox); });
    if (!queued.ok()) AdoptLater(env, weak);  // the lane is full
  });
}

}  // namespace

Status EnsureInitRoot(const Environment& env) {
  const std::string root = InitRoot(env);
  // Mount points exist beforehand: the root is read-only and shared by all pods.
  for (const char* name : {"/proc", "/dev", "/sys"}) {
    CRISP_RETURN_IF_ERROR(EnsureDirectory(root + name));
  }
  const std::string binary = CRISP_TRY(ReadFile(env.options.init_binary));
  const std::string copy = root + "/crisp-init";
  // Not at each start: a second copy may not fit beside it any more.
  if (!IsFile(copy, binary, kInitMode)) {
    CRISP_RETURN_IF_ERROR(WriteFileAtomically(copy, binary, kInitMode));
  }
  return env.options.selinux.enabled ? LabelFiles(root, env.options.selinux.ro_file) : OkStatus();
}

Status StartInitProcess(Environment& env, const SandboxPtr& sandbox) {
  const SandboxPaths& paths = sandbox->paths();
  oci::Runtime& runtime = *sandbox->runtime();
  const CgroupPaths cgroup = CRISP_TRY(MakeCgroupPaths(
      env.CgroupParent(sandbox->config()), sandbox->id().str(), runtime.options().cgroup_driver));
  CRISP_RETURN_IF_ERROR(EnsureDirectory(paths.init_monitor(), 0700));
  const std::string json = CRISP_TRY(oci::ToJson(CRISP_TRY(InitSpec(env, *sandbox, cgroup.oci))));
  CRISP_RETURN_IF_ERROR(WriteFile(paths.init_bundle() + "/config.json", json, 0600));

  const ContainerId init_id(sandbox->id().str());
  oci::MonitorLaunch launch = NewMonitorLaunch(env, runtime);
  launch.container = init_id;
  launch.bundle = paths.init_bundle();
  launch.state_dir = paths.init_monitor();
  sandbox->set_init(CRISP_TRY(LaunchMonitor(env, std::move(launch), ObserveInit(env, sandbox))));

  CRISP_RETURN_IF_ERROR(runtime.Start(init_id, MonoNow() + env.options.runtime_deadline));
  const std::string ns = Cat("/proc/", sandbox->init_process().container_pid, "/ns/pid");
  CRISP_TRY(OpenFile(paths.pid(), O_RDONLY | O_CREAT, 0444));
  CRISP_RETURN_IF_ERROR(Mount(ns, paths.pid(), "", MS_BIND, ""));
  // If it still is the same process now, then it was so when its namespace was pinned.
  return oci::OpenContainerProcess(sandbox->init_process()).status().Wrap("init process");
}

void AdoptInitProcess(Environment& env, const SandboxPtr& sandbox) {
  const oci::MonitorProcess process = sandbox->init_process();
  if (process.container_pid == 0) return;
  auto init = oci::Monitor::Adopt(sandbox->paths().init_monitor(), process, env.options.loop,
                                  env.options.reaper, ObserveInit(env, sandbox));
  if (init.ok()) return sandbox->set_init(std::move(init).value());
  log::Error("init process not adopted", {{"sandbox", sandbox->id()}, {"error", init.status()}});
  AdoptLater(env, sandbox);
}

Status EnsureInitProcessGone(Environment& env, const SandboxPtr& sandbox) {
  const Status unpinned = EnsureUnpinned(sandbox->paths().pid());
  CRISP_RETURN_IF_ERROR(EnsureOciContainerGone(env, *sandbox, ContainerId(sandbox->id().str()),
                                               sandbox->paths().init_monitor()));
  if (unpinned.ok()) sandbox->set_init(nullptr);
  return unpinned;
}

}  // namespace crisp::pod
