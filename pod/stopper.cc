#include "pod/stopper.h"

#include <signal.h>
#include <sys/epoll.h>

#include "base/core/pidfd.h"
#include "base/log.h"

namespace crisp::pod {
namespace {

bool IsAlive(const Container& container) {
  const ContainerState state = container.state();
  if (state == ContainerState::kCreated) return !container.cannot_start();
  return state == ContainerState::kRunning;
}

// A container whose PID 1 is not the init of a PID namespace leaves its other processes behind.
bool SharesPidNamespace(const Container& container) {
  const auto pid = container.config().linux().security_context().namespace_options().pid();
  // POD: whatever the pod has.
  return (pid == v1::POD ? container.sandbox()->pid_mode() : pid) != v1::CONTAINER;
}

Status SendSignal(const Container& container, int signal) {
  const auto monitor = container.monitor();
  const int pidfd = monitor ? monitor->container_pidfd() : -1;
  if (pidfd < 0) return OkStatus();  // gone: its exit is on the way
  if (::pidfd_send_signal(pidfd, signal, nullptr, 0) != 0 && errno != ESRCH) {
    return Errno("send signal ", signal, " to container ", container.id().short_str());
  }
  return OkStatus();
}

}  // namespace

void Stopper::Stop(const ContainerPtr& container, Duration grace, const CancelToken& cancel,
                   DoneFn done) {
  const MonoTime kill_at = MonoNow() + std::max(grace, Duration::zero());
  env_->options.loop->Post([this, container, kill_at, cancel, done = std::move(done)]() mutable {
    Begin(container, kill_at, Waiter{std::move(done), cancel});
  });
}

void Stopper::Begin(const ContainerPtr& container, MonoTime kill_at, Waiter waiter) {
  if (!IsAlive(*container)) return waiter.done(OkStatus());
  // Recovery is still trying to adopt it; until then nobody would see its end.
  if (container->monitor() == nullptr) {
    return waiter.done(Unavailable("container ", container->id().short_str(),
                                   ": crispd has not found its monitor again yet"));
  }
  const auto [it, is_new] = stopping_.try_emplace(container->id());
  Stopping& stopping = it->second;
  if (is_new) {
    stopping.container = container;
    stopping.kill_at = kill_at;
    if (kill_at > MonoNow()) {
      const int signal = container->View([](const auto& row) { return row.stop_signal; });
      if (Status sent = SendSignal(*container, signal); !sent.ok()) {
        log::Warning("stop signal not sent", {{"container", container->id()}, {"error", sent}});
      }
    }
  }
  AddWaiter(stopping, std::move(waiter));
  if (stopping.killed || (!is_new && kill_at >= stopping.kill_at)) return;
  stopping.kill_at = kill_at;
  if (kill_at <= MonoNow()) {
    Kill(stopping);
  } else {
    SetTimer(container->id(), stopping, kill_at);
  }
}

void Stopper::AddWaiter(Stopping& stopping, Waiter waiter) {
  Waiter& added = stopping.waiters.emplace_back(std::move(waiter));
  if (added.cancel.fd() < 0) return;
  // The id is known only after Watch() returns, and the callback runs on this same thread later.
  auto id = std::make_shared<EpollLoop::WatchId>(0);
  auto watch = env_->options.loop->Watch(
      added.cancel.fd(), EPOLLIN,
      [this, id, container = stopping.container->id()](uint32_t) { DropWaiter(container, *id); });
  if (watch.ok()) added.watch = *id = *watch;
}

void Stopper::DropWaiter(const ContainerId& id, EpollLoop::WatchId watch) {
  env_->options.loop->Unwatch(watch);
  const auto it = stopping_.find(id);
  if (it == stopping_.end()) return;
  std::list<Waiter>& waiters = it->second.waiters;
  for (auto waiter = waiters.begin(); waiter != waiters.end(); ++waiter) {
    if (waiter->watch != watch) continue;
    Waiter dropped = std::move(*waiter);
    waiters.erase(waiter);
    return dropped.done(Cancelled("stop container ", id.short_str(),
                                  ": the client is gone; the container is still being stopped"));
  }
}

void Stopper::SetTimer(const ContainerId& id, Stopping& stopping, MonoTime at) {
  if (stopping.timer != 0) env_->options.loop->Cancel(stopping.timer);
  stopping.timer = env_->options.loop->RunAt(at, [this, id] { OnTimer(id); });
}

void Stopper::OnTimer(const ContainerId& id) {
  const auto it = stopping_.find(id);
  if (it == stopping_.end()) return;
  it->second.timer = 0;
  if (!it->second.killed) return Kill(it->second);
  Finish(id, DeadlineExceeded("container ", id.short_str(),
                              " has not ended after SIGKILL; it may be in uninterruptible sleep"));
}

void Stopper::Kill(Stopping& stopping) {
  stopping.killed = true;
  if (Status sent = SendSignal(*stopping.container, SIGKILL); !sent.ok()) {
    log::Warning("SIGKILL not sent", {{"container", stopping.container->id()}, {"error", sent}});
  }
  if (SharesPidNamespace(*stopping.container)) {
    KillCgroup(stopping.container);
  } else if (!env_->options.cgroup_layout->v2) {
    // One that is frozen would not die of it.
    (void)env_->options.work_lane->Submit(
        [env = env_, container = stopping.container] { env->CgroupOf(*container).Thaw(); });
  }
  SetTimer(stopping.container->id(), stopping, MonoNow() + env_->options.kill_deadline);
}

void Stopper::KillCgroup(const ContainerPtr& container) {
  Status submitted = env_->options.work_lane->Submit([env = env_, container] {
    Status killed = env->CgroupOf(*container).KillAll(MonoNow() + env->options.kill_deadline);
    if (!killed.ok()) {
      log::Warning("processes survive", {{"container", container->id()}, {"error", killed}});
    }
  });
  if (!submitted.ok()) {
    log::Warning("cgroup not killed", {{"container", container->id()}, {"error", submitted}});
  }
}

void Stopper::OnExit(const ContainerPtr& container) {
  if (SharesPidNamespace(*container)) KillCgroup(container);
  env_->options.loop->Post([this, id = container->id()] { Finish(id, OkStatus()); });
}

void Stopper::Finish(const ContainerId& id, const Status& status) {
  auto node = stopping_.extract(id);
  if (!node) return;
  Stopping stopping = std::move(node.mapped());
  if (stopping.timer != 0) env_->options.loop->Cancel(stopping.timer);
  for (Waiter& waiter : stopping.waiters) {
    if (waiter.watch != 0) env_->options.loop->Unwatch(waiter.watch);
    waiter.done(status);
  }
}

}  // namespace crisp::pod
