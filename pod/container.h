// Container: one container in memory.
//
//   kCreating ──steps ok──> kCreated ──Start ok──> kRunning ──exit──> kExited ──Remove──> gone
//       │                                 └──── Start failed, or killed ─────────────^
//       └─ a step failed, undo ok ──> gone     (undo failed ──> kExited, listed)
//
// Threads: id, sandbox, config and paths never change. What changes is behind the state mutex;
//          transitions are made by jobs of the sandbox's strand, the exit by the loop.
#ifndef CRISP_POD_CONTAINER_H_
#define CRISP_POD_CONTAINER_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/cgroup_dir.h"
#include "cri-api/api.pb.h"
#include "image/image_service.h"
#include "oci/monitor.h"
#include "oci/spec.h"
#include "pod/paths.h"
#include "pod/sandbox.h"

namespace crisp::pod {

enum class ContainerState { kCreating = 0, kCreated = 1, kRunning = 2, kExited = 3 };

// What pods.db keeps of a container.
struct ContainerRow {
  ContainerId id;
  SandboxId sandbox;
  ContainerState state = ContainerState::kCreating;
  v1::ContainerConfig config;
  std::string image_id;
  std::string image_ref;   // repo digest, or the id
  std::string image_name;  // a tag, or what the user wrote
  int64_t created_at_ns = 0;
  int64_t started_at_ns = 0;
  int64_t finished_at_ns = 0;
  int exit_code = 0;
  std::string reason;
  // Not kept over a restart of the daemon: what the seccomp notifier saw, and whether it ended it.
  std::string blocked_syscalls;
  bool seccomp_killed = false;
  std::string message;  // kCreated: what StartContainer will fail with; such a container never ran
  int stop_signal = 0;
  // Of the image volumes, one for each, in the config's order: a tag may move while they are used.
  std::vector<std::string> image_volume_ids;
  oci::ProcessUser user;                  // effective
  v1::LinuxContainerResources resources;  // current limits
  oci::MonitorProcess process;
};

// The end's time, not before the start and the creation: the wall clock may have stepped back.
void SetFinished(int64_t at_ns, ContainerRow* row);
// Exited now, for another reason than a process that ended.
void SetExited(int exit_code, std::string reason, std::string message, ContainerRow* row);

class Container {
 public:
  Container(ContainerRow row, SandboxPtr sandbox, const Roots& roots)
      : row_(std::move(row)), sandbox_(std::move(sandbox)), paths_(roots, row_.id) {}

  const ContainerId& id() const { return row_.id; }
  const v1::ContainerConfig& config() const { return row_.config; }
  const SandboxPtr& sandbox() const { return sandbox_; }
  const ContainerPaths& paths() const { return paths_; }
  oci::Runtime* runtime() const { return sandbox_->runtime(); }

  ContainerState state() const {
    std::lock_guard lock(mutex_);
    return row_.state;
  }
  ContainerRow row() const {
    std::lock_guard lock(mutex_);
    return row_;
  }
  std::shared_ptr<oci::Monitor> monitor() const {
    std::lock_guard lock(mutex_);
    return monitor_;
  }
  void set_monitor(std::shared_ptr<oci::Monitor> monitor) {
    std::lock_guard lock(mutex_);
    monitor_ = std::move(monitor);
    if (monitor_) row_.process = monitor_->process();
  }
  // Changes the row under the state mutex: `change(row)`; returns what it returns. Must not block.
  template <typename Change>
  auto Update(Change&& change) {
    std::lock_guard lock(mutex_);
    return change(row_);
  }
  // Reads without copying the row: `read(const row)`.
  template <typename Read>
  auto View(Read&& read) const {
    std::lock_guard lock(mutex_);
    return read(row_);
  }

  // CREATED, but there is no process: the command cannot be started.
  bool cannot_start() const {
    std::lock_guard lock(mutex_);
    return row_.state == ContainerState::kCreated && !row_.message.empty();
  }

  // The absolute log path, or empty (cri-contract section 10).
  std::string LogPath() const;

 private:
  mutable std::mutex mutex_;  // state: row_'s changing members and monitor_
  ContainerRow row_;
  std::shared_ptr<oci::Monitor> monitor_;
  const SandboxPtr sandbox_;
  const ContainerPaths paths_;
};
using ContainerPtr = std::shared_ptr<Container>;

}  // namespace crisp::pod

#endif  // CRISP_POD_CONTAINER_H_
