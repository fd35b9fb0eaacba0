#include "pod/container_lifecycle.h"

#include <algorithm>

#include "base/failpoint.h"
#include "base/log.h"
#include "pod/container_request.h"

namespace crisp::pod {
namespace {

constexpr int kStartErrorCode = 128;  // as containerd reports a failed start (cri-contract 3)

constexpr char kSeccompKilled[] = "seccomp killed";  // CRI-O's word (cri-contract 3)

std::string ReasonOf(const oci::ExitRecord& record, bool known) {
  if (!known) return "Unknown";
  if (record.oom_killed) return "OOMKilled";
  return record.exit_code == 0 ? "Completed" : "Error";
}

void FillExit(const oci::ExitRecord& record, bool known, ContainerRow* row) {
  row->exit_code = record.exit_code;
  SetFinished(record.finished_at_ns != 0 ? record.finished_at_ns : WallNowNs(), row);
  row->reason = row->seccomp_killed ? kSeccompKilled : ReasonOf(record, known);
  if (!row->blocked_syscalls.empty()) row->message = row->blocked_syscalls;
}

// What a start needs beside the container itself.
Status CheckPod(const Environment& env, const Container& container) {
  const Sandbox& sandbox = *container.sandbox();
  if (sandbox.state() != SandboxState::kReady) {
    return FailedPrecondition("its sandbox ", sandbox.id().short_str(), " is not ready");
  }
  // A TARGET that died meanwhile is an error now, not a surprise (cri-contract 6.1).
  return PidNamespace(env, container).status();
}

}  // namespace

oci::MonitorObserver ContainerLifecycle::Observe(const ContainerPtr& container) {
  oci::MonitorObserver observer;
  // Weak: the container owns its monitor, which owns the observer.
  std::weak_ptr<Container> weak = container;
  observer.on_exit = [this, weak](const oci::ExitRecord& record, bool known) {
    if (const ContainerPtr alive = weak.lock()) OnExit(alive, record, known);
  };
  observer.on_oom = [weak] {
    if (const ContainerPtr alive = weak.lock()) {
      log::Info("out of memory in container", {{"container", alive->id()}});
    }
  };
  return observer;
}

void ContainerLifecycle::OnExit(const ContainerPtr& container, const oci::ExitRecord& record,
                                bool known) {
  const bool was_visible = container->Update([&](ContainerRow& row) {
    if (row.state == ContainerState::kExited) return false;  // a failed start said more
    FillExit(record, known, &row);
    if (row.state == ContainerState::kCreating) return false;  // MarkCreated sees finished_at
    row.state = ContainerState::kExited;
    return true;
  });
  log::Info(
      "container exited",
      {{"container", container->id()}, {"code", record.exit_code}, {"oom", record.oom_killed}});
  stopper_->OnExit(container);
  if (!was_visible) return;
  env_->events.Publish(EventType::kStopped, container->id().str(), container->sandbox());
  Status posted = container->sandbox()->strand().Submit([this, container] {
    // RemoveContainer may have been faster, and then there is no row to write.
    if (!env_->registry.GetContainer(container->id().str()).ok()) return;
    Status s = failpoint::Hit("pod.container_exit.row");
    if (s.ok()) s = Persist(container);
    if (!s.ok()) {
      log::Error("exit not written", {{"container", container->id()}, {"error", s}});
    }
  });
  if (!posted.ok()) log::Debug("exit is left to recovery", {{"container", container->id()}});
}

Status ContainerLifecycle::Persist(const ContainerPtr& container) {
  return env_->db->Put(container->row());
}

Status ContainerLifecycle::MarkCreated(const ContainerPtr& container) {
  ContainerRow row = container->Update([](ContainerRow& r) {
    ContainerRow next = r;
    next.state = r.finished_at_ns != 0 ? ContainerState::kExited : ContainerState::kCreated;
    return next;
  });
  CRISP_FAILPOINT("pod.create_container.row");
  // Written first, visible second: what a client saw must survive.
  CRISP_RETURN_IF_ERROR(env_->db->Put(row));
  container->Update([](ContainerRow& r) {
    r.state = r.finished_at_ns != 0 ? ContainerState::kExited : ContainerState::kCreated;
  });
  env_->events.Publish(EventType::kCreated, container->id().str(), container->sandbox());
  return OkStatus();
}

Status ContainerLifecycle::Start(const ContainerPtr& container) {
  const ContainerState state = container->state();
  if (state != ContainerState::kCreated) {
    return FailedPrecondition(
        "start container ", container->id().short_str(), ": it ",
        state == ContainerState::kRunning ? "is running already" : "has exited");
  }
  CRISP_FAILPOINT("pod.start_container.before");
  oci::Runtime* const runtime = CRISP_TRY(container->sandbox()->ConfiguredRuntime());
  const int64_t started_at = WallNowNs();
  const bool has_process = !container->cannot_start();
  Status started = CheckPod(*env_, *container);
  if (started.ok()) {
    started = has_process
                  ? runtime->Start(container->id(), MonoNow() + env_->options.runtime_deadline)
                  : InvalidArgument(container->View([](const auto& row) { return row.message; }));
  }
  if (started.ok()) started = failpoint::Hit("pod.start_container.started");
  bool told = false;  // it may have died by itself
  container->Update([&](ContainerRow& row) {
    told = row.state == ContainerState::kExited;
    if (started.ok()) {
      row.started_at_ns = std::max(started_at, row.created_at_ns);
      if (row.finished_at_ns != 0) SetFinished(row.finished_at_ns, &row);
      // It may have exited by itself already; that is not a failed start (cri-contract 7.2).
      if (row.state == ContainerState::kCreated) row.state = ContainerState::kRunning;
      return;
    }
    SetExited(kStartErrorCode, "StartError", started.message(), &row);
  });
  if (!started.ok() && has_process) {
    (void)runtime->EnsureDeleted(container->id(), MonoNow() + env_->options.runtime_deadline);
    if (auto monitor = container->monitor()) monitor->Shutdown();
  }
  Status written = Persist(container);
  if (!started.ok()) {
    if (!told) {
      env_->events.Publish(EventType::kStopped, container->id().str(), container->sandbox());
    }
    return std::move(started).Wrap("start container");
  }
  env_->events.Publish(EventType::kStarted, container->id().str(), container->sandbox());
  if (!written.ok()) {
    // It runs; recovery finds it by its monitor. Failing now would make the client start another.
    log::Error("state not written", {{"container", container->id()}, {"error", written}});
  }
  return OkStatus();
}

}  // namespace crisp::pod
