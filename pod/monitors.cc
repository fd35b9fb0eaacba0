#include "pod/monitors.h"

namespace crisp::pod {

oci::MonitorLaunch NewMonitorLaunch(const Environment& env, const oci::Runtime& runtime) {
  oci::MonitorLaunch launch;
  launch.monitor_binary = env.options.monitor_binary;
  launch.runtime_argv = runtime.BaseArgv();
  launch.log_line_limit_bytes = env.options.log_line_limit_bytes;
  launch.deadline = MonoNow() + env.options.runtime_deadline;
  launch.reaper = env.options.reaper;
  launch.loop = env.options.loop;
  return launch;
}

Result<std::shared_ptr<oci::Monitor>> LaunchMonitor(const Environment& env,
                                                    oci::MonitorLaunch launch,
                                                    oci::MonitorObserver observer) {
  const CgroupDir cgroup(env.options.cgroup_layout, env.options.monitor_cgroup);
  const std::vector<UniqueFd> dirs = CRISP_TRY(cgroup.OpenDirs());
  for (const UniqueFd& dir : dirs) launch.monitor_cgroup_dirs.push_back(dir.get());
  return oci::Monitor::Launch(launch, std::move(observer));
}

}  // namespace crisp::pod
