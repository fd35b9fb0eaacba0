#include "pod/monitors.h"

namespace crisp::pod {

oci::MonitorLaunch NewMonitorLaunch(const Environment& env, const oci::Runtime& runtime) {
  oci::MonitorLaunch launch;
  launch.monitor_binary = env.options.monitor_binary;
  launch.runtime_argv = runtime.BaseArgv();
  launch.runtime_kind = runtime.features().kind;
  launch.env = runtime.options().monitor_env;
  launch.log_line_limit_bytes = env.options.log_line_limit_bytes;
  launch.deadline = MonoNow() + env.options.runtime_deadline;
  launch.reaper = env.options.reaper;
  launch.loop = env.options.loop;
  return launch;
}

void WarmUpCreate(Environment& env) {
  // A lane that is full has no quick moment to win.
  (void)env.options.work_lane->Submit([&env] { env.monitor_place->WarmUpMoves(); });
}

Result<std::shared_ptr<oci::Monitor>> LaunchMonitor(const Environment& env,
                                                    oci::MonitorLaunch launch,
                                                    oci::MonitorObserver observer) {
  launch.place = env.monitor_place.get();
  return oci::Monitor::Launch(launch, std::move(observer));
}

}  // namespace crisp::pod
