// Launching monitors for this room: what every launch has in common.
#ifndef CRISP_POD_MONITORS_H_
#define CRISP_POD_MONITORS_H_

#include <memory>

#include "pod/environment.h"

namespace crisp::pod {

// Binary, runtime command line, loop, reaper and deadline are set; the rest is the caller's.
oci::MonitorLaunch NewMonitorLaunch(const Environment& env, const oci::Runtime& runtime);

// Pays in advance, beside the caller, what the runtime's create would wait for (launch_cgroup.h).
// Lasts two grace periods, so it is called at each step on the way to a create that may take one:
// before a pod's plugins, after them, when a container is asked for, when its monitor starts.
void WarmUpCreate(const Environment& env);

// Launches in the monitors' cgroup, which is not the daemon's: stopping the daemon's service must
// not stop containers.
Result<std::shared_ptr<oci::Monitor>> LaunchMonitor(const Environment& env,
                                                    oci::MonitorLaunch launch,
                                                    oci::MonitorObserver observer);

// Ends and removes all that a launch made, whatever of it is there: monitor, OCI container,
// processes, cgroup. Each is tried, whether or not the others fail; the last failure.
Status EnsureOciContainerGone(const Environment& env, const Sandbox& sandbox, const ContainerId& id,
                              const std::string& state_dir);

}  // namespace crisp::pod

#endif  // CRISP_POD_MONITORS_H_
