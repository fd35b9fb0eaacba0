#include "pod/recovery.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/core/atomic_file.h"
#include "base/core/dir_fd.h"
#include "base/core/mount.h"
#include "base/log.h"
#include "pod/create_container.h"
#include "pod/created_at.h"
#include "pod/exec_process.h"
#include "pod/image_volumes.h"
#include "pod/init_process.h"
#include "pod/run_sandbox.h"
#include "pod/userns.h"

namespace crisp::pod {
namespace {

constexpr auto kAskRuntimes = std::chrono::seconds(10);
constexpr auto kUndo = std::chrono::seconds(10);
constexpr auto kAdoptAgain = std::chrono::seconds(1);

// What can fail here is the machine's (no descriptors left): tried until it works, because without
// it nobody sees the container's end.
void AdoptContainer(Environment* env, ContainerLifecycle* lifecycle,
                    const ContainerPtr& container) {
  auto monitor =
      oci::Monitor::Adopt(container->paths().state(), container->row().process, env->options.loop,
                          env->options.reaper, lifecycle->Observe(container));
  if (monitor.ok()) return container->set_monitor(std::move(monitor).value());
  log::Error("container not adopted",
             {{"container", container->id()}, {"error", monitor.status()}});
  env->options.loop->RunAt(MonoNow() + kAdoptAgain, [env, lifecycle, container] {
    AdoptContainer(env, lifecycle, container);
  });
}

class Recovery {
 public:
  Recovery(Environment* env, ContainerLifecycle* lifecycle, Leases* leases)
      : env_(env), lifecycle_(lifecycle), leases_(leases) {}

  Status Run() {
    const std::string boot_id(Trim(CRISP_TRY(ReadFile("/proc/sys/kernel/random/boot_id"))));
    const std::string last_boot_id = CRISP_TRY(env_->db->BootId());
    const std::string state_boot_id = BootIdOfState();
    if (!state_boot_id.empty()) {
      boot_ = state_boot_id == boot_id ? Boot::kSame : Boot::kOther;
    } else if (!last_boot_id.empty() && last_boot_id != boot_id) {
      boot_ = Boot::kUnclear;
    }
    for (SandboxRow& row : CRISP_TRY(env_->db->Sandboxes())) LoadSandbox(std::move(row));
    for (ContainerRow& row : CRISP_TRY(env_->db->Containers())) LoadContainer(std::move(row));
    for (const ContainerPtr& container : containers_) {
      LogUnwritten("container", container->id(), RecoverContainer(container));
    }
    for (auto& [id, sandbox] : sandboxes_) LogUnwritten("sandbox", id, RecoverSandbox(sandbox));
    DropForeignNetworks();
    DropForeignSandboxes();
    DropForeignDirectories();
    env_->options.images->CollectGarbage();
    // Only what is new is written: a daemon starts on a full disk, or nobody could free it.
    if (boot_id != last_boot_id) {
      if (Status s = env_->db->SetBootId(boot_id); !s.ok()) {
        log::Error("boot id not written", {{"error", s}});
      }
    }
    if (boot_id != state_boot_id) WriteBootIdOfState(boot_id);
    return OkStatus();
  }

 private:
  // Which boot the state directory is of.
  enum class Boot {
    kSame,
    kOther,
    kUnclear,  // the directory does not say; pods.db names another one
  };

  std::string BootIdFile() const { return JoinPath(env_->roots.state, "boot_id"); }
  std::string BootIdOfState() const {
    const auto text = ReadFile(BootIdFile());
    return text.ok() ? std::string(Trim(*text)) : std::string();
  }
  // Rather none than that of another boot: the next start would take what runs for lost.
  void WriteBootIdOfState(const std::string& boot_id) const {
    ::unlink(BootIdFile().c_str());
    const Status written = WriteFileAtomically(BootIdFile(), Cat(boot_id, "\n"));
    if (!written.ok()) log::Error("boot id not written", {{"error", written}});
  }
  // Whether what has this state directory was lost in a restart of the node. On a full disk pods.db
  // may have kept an earlier boot's id, so that alone means something only for what is not in the
  // state directory, which a boot empties where it is a tmpfs.
  bool LostInReboot(const std::string& state) const {
    return boot_ == Boot::kOther || (boot_ == Boot::kUnclear && !PathExists(state));
  }

  // A daemon starts on a full disk, or nobody could free it: what is true is in memory, and the
  // next start finds it out as this one did.
  template <typename Id>
  static void LogUnwritten(std::string_view what, const Id& id, const Status& status) {
    if (!status.ok()) log::Error("recovered, but not written", {{what, id}, {"error", status}});
  }

  void LoadSandbox(SandboxRow row) {
    NoteCreatedAtNs(row.created_at_ns);
    auto runtime = env_->FindRuntime(row.handler);
    if (!runtime.ok()) {
      log::Warning("sandbox of a handler that is gone",
                   {{"sandbox", row.id}, {"error", runtime.status()}});
    }
    SelinuxLevel level = env_->selinux_levels.Hold(row.selinux_level);
    auto sandbox =
        std::make_shared<Sandbox>(std::move(row), runtime.ok() ? *runtime : nullptr, env_->roots,
                                  env_->options.work_lane, std::move(level));
    if (Status s = env_->registry.Add(sandbox); !s.ok()) {
      log::Error("sandbox not listed", {{"sandbox", sandbox->id()}, {"error", s}});
    }
    sandboxes_[sandbox->id()] = std::move(sandbox);
  }

  void LoadContainer(ContainerRow row) {
    NoteCreatedAtNs(row.created_at_ns);
    container_rows_.insert(row.id);
    const auto sandbox = sandboxes_.find(row.sandbox);
    if (sandbox == sandboxes_.end()) {
      DropOrphan(row.id);
      return;
    }
    auto container = std::make_shared<Container>(std::move(row), sandbox->second, env_->roots);
    if (Status s = env_->registry.Add(container); !s.ok()) {
      log::Error("container not listed", {{"container", container->id()}, {"error", s}});
    }
    if (Status s = env_->layer_quotas->Adopt(container->id(), container->paths()); !s.ok()) {
      log::Warning("project id of a container is not known",
                   {{"container", container->id()}, {"error", s}});
    }
    auto lease = env_->options.images->Acquire(container->row().image_id);
    auto volumes = AcquireImageVolumes(*env_->options.images, *container);
    if (volumes.ok()) {
      leases_->HoldVolumes(container->id(), std::move(volumes).value());
    } else {
      log::Warning("image of a container's volume is gone",
                   {{"container", container->id()}, {"error", volumes.status()}});
    }
    if (lease.ok()) {
      leases_->Hold(container->id(), std::move(lease).value());
    } else {
      log::Warning("image of a container is gone",
                   {{"container", container->id()}, {"error", lease.status()}});
    }
    containers_.push_back(std::move(container));
  }

  // Rows of containers go before the row of their sandbox, but for one that could not be deleted
  // after its container was undone. What still has directories is of a damaged database.
  void DropOrphan(const ContainerId& id) {
    const ContainerPaths paths(env_->roots, id);
    Status dropped = FailedPrecondition("its directories are still there");
    if (!PathExists(paths.data()) && !PathExists(paths.state())) dropped = env_->db->Delete(id);
    if (dropped.ok())
      return log::Info("row of a container without sandbox dropped", {{"container", id}});
    log::Error("container without sandbox", {{"container", id}, {"error", dropped}});
  }

  Status RecoverContainer(const ContainerPtr& container) {
    switch (container->state()) {
      case ContainerState::kCreating:
        return Undo(container);
      case ContainerState::kExited:
        return OkStatus();
      case ContainerState::kCreated:
      case ContainerState::kRunning:
        break;
    }
    if (LostInReboot(container->paths().state())) {
      container->Update([](ContainerRow& row) {
        SetExited(255, "Unknown", "the node was restarted", &row);
        row.process = {};
      });
      return lifecycle_->Persist(container);
    }
    if (container->cannot_start()) return OkStatus();
    KillLeftExecs(*env_, *container, undo_until_);
    FindOutIfStarted(container);
    AdoptContainer(env_, lifecycle_, container);
    return OkStatus();
  }

  // The daemon may have died between the runtime's start and the row's update.
  void FindOutIfStarted(const ContainerPtr& container) {
    if (container->state() != ContainerState::kCreated || container->runtime() == nullptr) return;
    if (MonoNow() >= ask_until_) return;
    auto state = container->runtime()->State(
        container->id(), std::min(ask_until_, MonoNow() + env_->options.runtime_deadline));
    if (!state.ok() || state->status != "running") return;
    container->Update([](ContainerRow& row) {
      row.state = ContainerState::kRunning;
      row.started_at_ns = std::max(WallNowNs(), row.created_at_ns);
    });
    (void)lifecycle_->Persist(container);
  }

  Status Undo(const ContainerPtr& container) {
    ContainerContext context{*env_, container, *leases_, {}};
    Status undone = MayUndo() ? DestroyContainer(context) : NoTime();
    // Its name is free when its row is gone: two rows of one name hide one of them at a start.
    if (undone.ok()) undone = env_->db->Delete(container->id());
    if (undone.ok()) {
      env_->registry.Remove(container);
      return OkStatus();
    }
    container->Update([&](ContainerRow& row) {
      SetExited(255, "Unknown", Cat("half-made when the daemon ended: ", undone.message()), &row);
    });
    return lifecycle_->Persist(container);
  }

  Status RecoverSandbox(const SandboxPtr& sandbox) {
    if (sandbox->state() == SandboxState::kCreating) {
      SandboxContext context{*env_, sandbox};
      Status undone = MayUndo() ? DestroySandbox(context) : NoTime();
      if (undone.ok()) undone = env_->db->Delete(sandbox->id());
      if (undone.ok()) {
        env_->registry.Remove(sandbox);
        return OkStatus();
      }
      log::Warning("half-made sandbox stays listed",
                   {{"sandbox", sandbox->id()}, {"error", undone}});
      sandbox->set_state(SandboxState::kNotReady);
      return env_->db->Put(sandbox->row());
    }
    const bool gone = LostInReboot(sandbox->paths().state());
    if (gone) sandbox->set_init(nullptr);
    AdoptInitProcess(*env_, sandbox);
    if (sandbox->state() == SandboxState::kReady && (gone || !HasNamespaces(*sandbox))) {
      log::Warning("sandbox has lost its namespaces", {{"sandbox", sandbox->id()}});
      sandbox->set_state(SandboxState::kNotReady);
      return env_->db->Put(sandbox->row());
    }
    return OkStatus();
  }

  static bool HasNamespaces(const Sandbox& sandbox) {
    if (!PathExists(sandbox.paths().namespaces())) return false;  // stopped
    const auto pinned = [](const std::string& path) {
      auto mounted = IsMountPoint(path);
      return mounted.ok() && *mounted;
    };
    if (!sandbox.host_network() && !pinned(sandbox.paths().net())) return false;
    if (HasUserNamespace(sandbox.config()) && !pinned(sandbox.paths().user())) return false;
    return sandbox.ipc_mode() == v1::NODE || pinned(sandbox.paths().ipc());
  }

  // A network of a sandbox that has no row any more: nobody will ever ask for its DEL.
  void DropForeignNetworks() {
    auto cached = env_->options.network->ListCached();
    if (!cached.ok()) return;
    for (const SandboxId& id : *cached) {
      if (sandboxes_.contains(id)) continue;
      if (!MayUndo()) {
        return log::Warning("left networks stay until the next start", {{"error", NoTime()}});
      }
      const SandboxPaths paths(env_->roots, id);
      if (MayRun(paths)) {
        log::Error("the network of a sandbox without row is left alone", {{"sandbox", id}});
        continue;
      }
      network::Attachment attachment;
      attachment.sandbox = id;
      attachment.netns_path = paths.net();
      if (Status s = env_->options.network->Del(attachment, CancelToken()); !s.ok()) {
        log::Warning("left network not deleted", {{"sandbox", id}, {"error", s}});
      }
    }
  }

  // Namespaces and files of sandboxes without a row: of a power cut, where the state directory is
  // on a disk, or of another pods.db.
  void DropForeignSandboxes() {
    std::set<std::string> names;
    for (const char* directory : {"ns", "pods"}) {
      for (std::string& name : NamesBelow(JoinPath(env_->roots.state, directory))) {
        names.insert(std::move(name));
      }
    }
    for (const std::string& name : names) {
      SandboxRow row;
      row.id = SandboxId(name);
      row.state = SandboxState::kNotReady;
      if (!SandboxId::IsWellFormed(name) || sandboxes_.contains(row.id)) continue;
      const auto sandbox =
          std::make_shared<Sandbox>(std::move(row), nullptr, env_->roots, env_->options.work_lane);
      if (!IsLostSandbox(*sandbox)) {
        log::Error("namespaces and files of a sandbox without row are left alone",
                   {{"sandbox", sandbox->id()}});
        continue;
      }
      SandboxContext context{*env_, sandbox};
      const Status dropped = MayUndo() ? DestroySandbox(context) : NoTime();
      log::Warning("namespaces and files of a sandbox without row",
                   {{"sandbox", sandbox->id()}, {"removed", dropped}});
    }
  }
  // Nor one whose network waits for its DEL.
  bool IsLostSandbox(const Sandbox& sandbox) const {
    const auto attached = env_->options.network->ListCached();
    return attached.ok() &&
           std::find(attached->begin(), attached->end(), sandbox.id()) == attached->end() &&
           !MayRun(sandbox.paths());
  }
  // Whether something may run in a sandbox without a row: whose a container without a row is nobody
  // knows, and how an init process was made the row alone says.
  bool MayRun(const SandboxPaths& sandbox) const {
    if (boot_ == Boot::kOther) return false;
    if (PathExists(sandbox.init_bundle())) return true;
    std::set<std::string> known;
    for (const ContainerPtr& container : containers_) known.insert(container->id().str());
    return !HasOnly(JoinPath(env_->roots.state, "containers"), known);
  }

  // Of containers without a row: the last seconds of pods.db are lost in a power cut (synchronous
  // NORMAL), while the directories are there. They may be large, so nobody waits for their end.
  void DropForeignDirectories() {
    const std::string top = JoinPath(env_->roots.root, "containers");
    for (const std::string& name : NamesBelow(top)) {
      const ContainerId id(name);
      if (!ContainerId::IsWellFormed(name) || container_rows_.contains(id)) continue;
      const ContainerPaths paths(env_->roots, id);
      if (!IsLostContainer(paths)) {
        log::Error("directories of a container without row are left alone",
                   {{"directory", paths.data()}});
        continue;
      }
      (void)env_->options.work_lane->Submit([env = env_, id, paths] {
        Status dropped = env->layer_quotas->Adopt(id, paths);
        if (dropped.ok()) dropped = env->layer_quotas->LiftLimit(id);
        if (dropped.ok()) dropped = RemoveTreeAt(paths.data());
        if (dropped.ok()) dropped = RemoveTreeAt(paths.state());
        if (dropped.ok()) env->layer_quotas->Release(id);
        log::Warning("directories of a container without row",
                     {{"directory", paths.data()}, {"removed", dropped}});
      });
    }
  }
  // Not one that may run; not one from before pods.db, whose row was in another one; and nothing
  // that is no container of ours.
  bool IsLostContainer(const ContainerPaths& paths) const {
    if (boot_ != Boot::kOther && PathExists(paths.state())) return false;
    const auto database = BirthOf(JoinPath(env_->roots.root, "pods.db"));
    const auto container = BirthOf(paths.data());
    if (!database || !container || *container <= *database) return false;
    return HasOnly(paths.data(), {"upper", "work", "bundle", "volumes", "passwd"});
  }
  // Seconds and nanoseconds; empty where the file system does not know.
  static std::optional<std::pair<int64_t, uint32_t>> BirthOf(const std::string& path) {
    struct statx info {};
    if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BTIME, &info) != 0 ||
        (info.stx_mask & STATX_BTIME) == 0) {
      return std::nullopt;
    }
    return std::pair(info.stx_btime.tv_sec, info.stx_btime.tv_nsec);
  }
  static Result<std::vector<std::string>> ListBelow(const std::string& path) {
    return CRISP_TRY(DirFd::Open(path)).List();
  }
  static std::vector<std::string> NamesBelow(const std::string& path) {
    auto names = ListBelow(path);
    return names.ok() ? *std::move(names) : std::vector<std::string>();
  }
  // False where it cannot be read: nothing is removed for what was not seen.
  static bool HasOnly(const std::string& path, const std::set<std::string>& names) {
    const auto found = ListBelow(path);
    if (!found.ok()) return found.status().code() == Code::kNotFound;
    return std::all_of(found->begin(), found->end(),
                       [&names](const std::string& name) { return names.contains(name); });
  }

  // What is not undone here is listed, so that Stop and Remove finish it.
  bool MayUndo() const { return MonoNow() < undo_until_; }
  static Status NoTime() { return DeadlineExceeded("other undos took the time of the start"); }

  Environment* const env_;
  ContainerLifecycle* const lifecycle_;
  Leases* const leases_;
  // Runtimes and plugins that hang must not keep the daemon from serving: the times are for all.
  const MonoTime ask_until_ = MonoNow() + kAskRuntimes;
  const MonoTime undo_until_ = MonoNow() + kUndo;
  Boot boot_ = Boot::kSame;
  std::map<SandboxId, SandboxPtr> sandboxes_;
  std::set<ContainerId> container_rows_;
  std::vector<ContainerPtr> containers_;
};

}  // namespace

Status Recover(Environment* env, ContainerLifecycle* lifecycle, Leases* leases) {
  return Recovery(env, lifecycle, leases).Run();
}

}  // namespace crisp::pod
