#include "pod/monitors.h"

namespace crisp::pod {

oci::MonitorLaunch NewMonitorLaunch(const Environment& env, const oci::Runtime& runtime) {
  oci::MonitorLaunch launch;
  launch.monitor_binary = env.options.monitor_binary;
  launch.runtime_argv = runtime.BaseArgv();
  launch.runtime_kind = runtime.features().kind;
  launch.env = oci::RuntimeEnvironment(runtime.options());
  launch.log_line_limit_bytes = env.options.log_line_limit_bytes;
  launch.deadline = MonoNow() + env.options.runtime_deadline;
  launch.reaper = env.options.reaper;
  launch.loop = env.options.loop;
  return launch;
}

void WarmUpCreate(const Environment& env) {
  if (env.options.cgroup_layout->v2) return;
  // A lane that is full has no quick moment to win.
  (void)env.options.work_lane->Submit([&env] { env.monitor_place->WarmUpMoves(); });
}

Result<std::shared_ptr<oci::Monitor>> LaunchMonitor(const Environment& env,
                                                    oci::MonitorLaunch launch,
                                                    oci::MonitorObserver observer) {
  launch.place = env.monitor_place.get();
  WarmUpCreate(env);
  return oci::Monitor::Launch(launch, std::move(observer));
}

Status EnsureOciContainerGone(const Environment& env, const Sandbox& sandbox, const ContainerId& id,
                              const std::string& state_dir) {
  // Each has its own time: a monitor that had to be killed has used up all of its.
  const auto deadline = [&env] { return MonoNow() + env.options.runtime_deadline; };
  Status failed;
  const auto keep = [&failed](Status status) {
    if (!status.ok()) failed = std::move(status);
  };
  // The monitor first: it may still be making what is deleted next.
  keep(oci::EnsureMonitorGone(state_dir, deadline()));
  if (oci::Runtime* runtime = sandbox.runtime()) keep(runtime->EnsureDeleted(id, deadline()));
  const CgroupDir cgroup = env.CgroupOf(sandbox, id.str());
  keep(cgroup.KillAll(MonoNow() + env.options.kill_deadline));
  keep(cgroup.EnsureRemoved());
  return failed;
}

}  // namespace crisp::pod
