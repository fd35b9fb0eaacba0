// MonitorLaunchRun: one start of crisp-monitor, up to the container that the runtime created.
//
// Contract: oci/monitor.h, Launch; conmon/protocol.h.
// Threads:  one.
// Unless Detach()ed, the destructor ends the monitor and what it started and removes its files.
#ifndef CRISP_OCI_MONITOR_LAUNCH_H_
#define CRISP_OCI_MONITOR_LAUNCH_H_

#include "base/core/child_process.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "oci/monitor.h"
#include "oci/monitor_connection.h"

namespace crisp::oci {

class MonitorLaunchRun {
 public:
  explicit MonitorLaunchRun(const MonitorLaunch& launch);
  MonitorLaunchRun(const MonitorLaunchRun&) = delete;
  MonitorLaunchRun& operator=(const MonitorLaunchRun&) = delete;
  ~MonitorLaunchRun();

  Status Spawn();
  // Says hello, which starts the runtime, and waits for its end.
  Result<MonitorProcess> WaitCreated();
  // The connection, for whoever watches the monitor from here on.
  UniqueFd TakeConnection() { return std::move(control_); }
  // The monitor lives on.
  void Detach();

 private:
  std::vector<std::string> Arguments() const;
  Result<ReceivedPacket> Next();
  Result<MonitorProcess> Converse();
  Status WhyGone(Status status);
  void Abort();

  const MonitorLaunch& launch_;
  MonoTime deadline_;
  ChildProcess child_;
  UniqueFd control_;
  bool spawned_ = false;
};

}  // namespace crisp::oci

#endif  // CRISP_OCI_MONITOR_LAUNCH_H_
