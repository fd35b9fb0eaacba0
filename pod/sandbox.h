// Sandbox: one pod sandbox in memory.
//
//   kCreating ──steps ok──> kReady ──Stop, init died──> kNotReady ──released──> kStopped ──> gone
//       ├─ a step failed, undo ok ──> gone                  ^
//       └─ undo failed ─────────────────────────────────────┘
//
// Clients see kNotReady and kStopped as NOTREADY; the difference is whether Stop has work to do.
//
// Threads: id, config, handler and paths never change. What changes is behind the state mutex and
//          only written by jobs of the sandbox's strand (and by the loop when the init process
//          dies).
#ifndef CRISP_POD_SANDBOX_H_
#define CRISP_POD_SANDBOX_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/strand.h"
#include "cri-api/api.pb.h"
#include "network/network.h"
#include "oci/monitor.h"
#include "oci/runtime.h"
#include "pod/paths.h"
#include "pod/selinux_levels.h"

namespace crisp::pod {

namespace v1 = ::runtime::v1;

enum class SandboxState { kCreating = 0, kReady = 1, kNotReady = 2, kStopped = 3 };

// What pods.db keeps of a sandbox.
struct SandboxRow {
  SandboxId id;
  SandboxState state = SandboxState::kCreating;
  v1::PodSandboxConfig config;
  std::string requested_handler;  // as in the request, may be empty
  std::string handler;            // resolved
  int64_t created_at_ns = 0;
  network::PodAddresses addresses;
  oci::MonitorProcess init;   // all 0: no init process
  std::string selinux_level;  // of all its containers that name none; empty: no SELinux
};

class Sandbox {
 public:
  Sandbox(SandboxRow row, oci::Runtime* runtime, const Roots& roots, Lane* lane,
          SelinuxLevel level = {})
      : row_(std::move(row)),
        level_(std::move(level)),
        runtime_(runtime),
        paths_(roots, row_.id),
        strand_(std::make_shared<Strand>(lane)) {}

  const SandboxId& id() const { return row_.id; }
  const v1::PodSandboxConfig& config() const { return row_.config; }
  const std::string& requested_handler() const { return row_.requested_handler; }
  int64_t created_at_ns() const { return row_.created_at_ns; }
  const std::string& selinux_level() const { return row_.selinux_level; }
  // Null when the handler is no longer configured: then it can only be stopped and removed.
  oci::Runtime* runtime() const { return runtime_; }
  // Same, for what cannot be done without it: kFailedPrecondition.
  Result<oci::Runtime*> ConfiguredRuntime() const {
    if (runtime_ != nullptr) return runtime_;
    return FailedPrecondition("sandbox ", id().short_str(), ": its runtime handler '", row_.handler,
                              "' is not configured any more");
  }
  const SandboxPaths& paths() const { return paths_; }
  Strand& strand() { return *strand_; }

  v1::NamespaceMode network_mode() const { return Options().network(); }
  v1::NamespaceMode ipc_mode() const { return Options().ipc(); }
  v1::NamespaceMode pid_mode() const { return Options().pid(); }
  bool host_network() const { return network_mode() == v1::NODE; }

  SandboxState state() const { return Locked(row_.state); }
  network::PodAddresses addresses() const { return Locked(row_.addresses); }
  oci::MonitorProcess init_process() const { return Locked(row_.init); }
  std::shared_ptr<oci::Monitor> init() const { return Locked(init_); }
  // With the limits of the last UpdatePodSandboxResources in its config.
  SandboxRow row() const {
    std::lock_guard lock(mutex_);
    SandboxRow out = row_;
    if (resources_) *out.config.mutable_linux()->mutable_resources() = *resources_;
    if (overhead_) *out.config.mutable_linux()->mutable_overhead() = *overhead_;
    return out;
  }

  void set_state(SandboxState state) { Set(&row_.state, state); }
  void set_addresses(network::PodAddresses addresses) {
    Set(&row_.addresses, std::move(addresses));
  }
  void set_limits(const v1::LinuxContainerResources& resources,
                  const v1::LinuxContainerResources& overhead) {
    std::lock_guard lock(mutex_);
    resources_ = resources;
    overhead_ = overhead;
  }
  void set_init(std::shared_ptr<oci::Monitor> init) {
    std::lock_guard lock(mutex_);
    init_ = std::move(init);
    row_.init = init_ ? init_->process() : oci::MonitorProcess{};
  }

 private:
  const v1::NamespaceOption& Options() const {
    return row_.config.linux().security_context().namespace_options();
  }
  template <typename T>
  T Locked(const T& member) const {
    std::lock_guard lock(mutex_);
    return member;
  }
  template <typename T>
  void Set(T* member, T value) {
    std::lock_guard lock(mutex_);
    *member = std::move(value);
  }

  mutable std::mutex mutex_;  // state: row_'s changing members and init_
  SandboxRow row_;
  const SelinuxLevel level_;  // nobody else gets it while the object lives
  std::shared_ptr<oci::Monitor> init_;
  std::optional<v1::LinuxContainerResources> resources_;  // when they were updated
  std::optional<v1::LinuxContainerResources> overhead_;
  oci::Runtime* const runtime_;
  const SandboxPaths paths_;
  const std::shared_ptr<Strand> strand_;
};
using SandboxPtr = std::shared_ptr<Sandbox>;

}  // namespace crisp::pod

#endif  // CRISP_POD_SANDBOX_H_
