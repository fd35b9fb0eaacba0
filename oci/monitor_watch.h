// MonitorWatch: a container with its monitor, as crispd sees it until the exit.
//
// Threads: as oci/monitor.h says. The state below belongs to the loop thread, but for what the
//          mutex guards.
//
//   kConnected --closed, no record--> (connect again once) --fails--> kAlone
//       |  kExit or record                                              | pidfd: dead
//       v                                                               v
//   delivered (known)               record there, or the kernel still knows: delivered (known),
//                                                                                else unknown
// A monitor that cannot be connected to though it may be there (its backlog is full: busy, or
// stopped; no descriptors left here) is tried again each second; until then all is as in kAlone.
// The container's pidfd is watched in every state. When it says "dead" and a monitor may still be
// draining the log, the record is waited for, for a bounded time; a monitor that was stopped
// (SIGSTOP) is continued for that. One that writes to a disk that hangs has not collected its
// container by then, and one that was killed left it to crispd, if that had started it.
#ifndef CRISP_OCI_MONITOR_WATCH_H_
#define CRISP_OCI_MONITOR_WATCH_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/core/epoll_loop.h"
#include "base/core/unique_fd.h"
#include "oci/monitor.h"
#include "oci/monitor_connection.h"

namespace crisp::oci {

class MonitorWatch : public Monitor, public std::enable_shared_from_this<MonitorWatch> {
 public:
  // `reaper`: may be null.
  MonitorWatch(std::string state_dir, const MonitorProcess& process, EpollLoop* loop,
               Reaper* reaper, MonitorObserver observer);
  ~MonitorWatch() override;

  // `control`: a connection on which hello was said, or empty: connects by itself. Whatever is
  // already over is delivered from the loop.
  Status Start(UniqueFd control);

  MonitorProcess process() const override { return process_; }
  int container_pidfd() const override { return container_gone_ ? -1 : pidfd_.get(); }
  Status ReopenLog(MonoTime deadline) override;
  Status Resize(uint16_t columns, uint16_t rows, MonoTime deadline) override;
  void Shutdown() override;

 private:
  Status Connect();
  Status UseConnection(UniqueFd control);
  Status WatchContainer();
  void ConnectLater();
  void StopWatching();  // with the mutex held
  std::shared_ptr<MonitorConnection> connection();
  Status CallMonitor(conmon::MessageType type, const std::string& body, MonoTime deadline);

  // On the loop thread.
  void OnEvent(const conmon::Packet& packet);
  void OnClosed();
  void ConnectAgain();
  void OnMonitorGone();
  void OnContainerGone();
  void Settle(bool may_wait);
  bool AwaitRecord();
  bool DeliverRecord();
  std::optional<ExitRecord> EndByKernel();
  void Deliver(const ExitRecord& record, bool known);

  const std::string state_dir_;
  const MonitorProcess process_;
  EpollLoop* const loop_;
  Reaper* const reaper_;
  const MonoTime watched_since_ = MonoNow();
  MonitorObserver observer_;
  UniqueFd pidfd_;
  std::atomic<bool> container_gone_{false};
  int64_t gone_at_ns_ = 0;  // when it was seen to be dead
  bool delivered_ = false;
  bool reconnected_ = false;

  std::mutex mutex_;  // guards what follows
  std::shared_ptr<MonitorConnection> connection_;
  EpollLoop::WatchId pidfd_watch_ = 0;
  UniqueFd monitor_pidfd_;  // while the record is waited for
  EpollLoop::WatchId monitor_watch_ = 0;
  EpollLoop::TimerId grace_timer_ = 0;
  EpollLoop::TimerId connect_timer_ = 0;
};

}  // namespace crisp::oci

#endif  // CRISP_OCI_MONITOR_WATCH_H_
