#include "oci/monitor.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>

#include "base/core/pidfd.h"
#include "base/failpoint.h"
#include "oci/monitor_files.h"
#include "oci/monitor_launch.h"
#include "oci/monitor_watch.h"

namespace crisp::oci {

Result<std::shared_ptr<Monitor>> Monitor::Launch(const MonitorLaunch& launch,
                                                 MonitorObserver observer) {
  CRISP_FAILPOINT("oci.monitor.launch");
  MonitorLaunchRun run(launch);
  CRISP_RETURN_IF_ERROR(run.Spawn().Wrap("start monitor"));
  CRISP_FAILPOINT("oci.monitor.launch.spawned");
  const MonitorProcess process = CRISP_TRY(run.WaitCreated());
  CRISP_FAILPOINT("oci.monitor.launch.created");
  auto watch = std::make_shared<MonitorWatch>(launch.state_dir, process, launch.loop, launch.reaper,
                                              std::move(observer));
  CRISP_RETURN_IF_ERROR(watch->Start(run.TakeConnection()).Wrap("watch monitor"));
  run.Detach();
  return std::shared_ptr<Monitor>(std::move(watch));
}

Result<std::shared_ptr<Monitor>> Monitor::Adopt(const std::string& state_dir,
                                                const MonitorProcess& process, EpollLoop* loop,
                                                Reaper* reaper, MonitorObserver observer) {
  CRISP_FAILPOINT("oci.monitor.adopt");
  MonitorProcess known = process;
  if (known.container_pid == 0 || known.monitor_pid == 0) {
    // Killed between create and the commit of its row: the monitor wrote down who it is.
    if (const Result<conmon::PidFile> file = ReadPidFile(state_dir); file.ok()) {
      known = {file->monitor_pid, file->container_pid, file->container_start_time};
    }
  }
  auto watch = std::make_shared<MonitorWatch>(state_dir, known, loop, reaper, std::move(observer));
  CRISP_RETURN_IF_ERROR(watch->Start(UniqueFd()).Wrap("adopt monitor"));
  return std::shared_ptr<Monitor>(std::move(watch));
}

namespace {

// False when the deadline passed first.
bool WaitGone(int pidfd, MonoTime deadline) {
  pollfd wait{pidfd, POLLIN, 0};
  for (;;) {
    const int n = ::poll(&wait, 1, PollTimeoutMs(deadline));
    if (n > 0) return true;
    if (n == 0 || errno != EINTR) return false;
  }
}

Status EndMonitor(const std::string& state_dir, int pidfd, MonoTime deadline) {
  constexpr auto kPolite = std::chrono::seconds(3);
  ContinueMonitor(pidfd);
  if (Result<UniqueFd> control = ConnectToMonitor(state_dir); control.ok()) {
    (void)SendPacket(control->get(), conmon::MessageType::kShutdown, 0, {}, deadline);
    // Half of the time at most: one that hangs does not answer, and must still be killed.
    const MonoTime now = MonoNow();
    const Duration left = deadline == NoDeadline() ? Duration(kPolite) : (deadline - now) / 2;
    if (WaitGone(pidfd, now + std::min<Duration>(left, kPolite))) return OkStatus();
  }
  if (::pidfd_send_signal(pidfd, SIGKILL, nullptr, 0) != 0 && errno != ESRCH) {
    return Errno("kill monitor");
  }
  if (!WaitGone(pidfd, deadline)) return DeadlineExceeded("the killed monitor does not end");
  return OkStatus();
}

}  // namespace

Status EnsureMonitorGone(const std::string& state_dir, MonoTime deadline) {
  CRISP_FAILPOINT("oci.monitor.ensure_gone");
  const Result<UniqueFd> pidfd = OpenMonitor(state_dir);
  if (pidfd.ok()) {
    CRISP_RETURN_IF_ERROR(EndMonitor(state_dir, pidfd->get(), deadline).Wrap(state_dir));
  } else if (const Code code = pidfd.status().code();
             code != Code::kNotFound && code != Code::kDataLoss) {
    return pidfd.status();
  }
  RemoveMonitorFiles(state_dir);
  return OkStatus();
}

}  // namespace crisp::oci
