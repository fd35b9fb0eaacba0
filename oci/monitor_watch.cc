#include "oci/monitor_watch.h"

#include <linux/capability.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include <utility>

#include "base/core/capabilities.h"
#include "base/core/process_stat.h"
#include "base/core/reaper.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "oci/monitor_files.h"

namespace crisp::oci {

using conmon::MessageType;

namespace {
// How long a dead container's monitor may take to drain the log and write the record (the monitor's
// own limit is 2 s).
constexpr auto kRecordGrace = std::chrono::seconds(10);
constexpr auto kConnectAgain = std::chrono::seconds(1);
constexpr int kUnknownExitCode = 255;  // cri-contract section 3

// Says nothing of whether the monitor is there: its backlog is full, or what is missing is ours.
bool MayConnectLater(const Status& failed) {
  return failed.sys_errno() == EAGAIN || failed.code() == Code::kResourceExhausted;
}
}  // namespace

MonitorWatch::MonitorWatch(std::string state_dir, const MonitorProcess& process, EpollLoop* loop,
                           Reaper* reaper, MonitorObserver observer)
    : state_dir_(std::move(state_dir)),
      process_(process),
      loop_(loop),
      reaper_(reaper),
      observer_(std::move(observer)) {}

MonitorWatch::~MonitorWatch() {
  std::lock_guard lock(mutex_);
  StopWatching();
  if (connection_) connection_->Close();
}

void MonitorWatch::StopWatching() {
  if (pidfd_watch_ != 0) loop_->Unwatch(std::exchange(pidfd_watch_, 0));
  if (monitor_watch_ != 0) loop_->Unwatch(std::exchange(monitor_watch_, 0));
  monitor_pidfd_.Reset();
  if (grace_timer_ != 0) loop_->Cancel(std::exchange(grace_timer_, 0));
  if (connect_timer_ != 0) loop_->Cancel(std::exchange(connect_timer_, 0));
}

Status MonitorWatch::Start(UniqueFd control) {
  Status connected = control ? UseConnection(std::move(control)) : Connect();
  CRISP_RETURN_IF_ERROR(WatchContainer());
  const bool gone = container_gone_;
  if (MayConnectLater(connected) && !gone) {
    log::Warning("a monitor takes no connection; it is tried again",
                 {{"state_dir", state_dir_}, {"error", connected}});
    ConnectLater();
  } else if (!connected.ok() && !gone) {
    log::Warning(
        "a running container has no monitor: its output is lost",
        {{"state_dir", state_dir_}, {"monitor", process_.monitor_pid}, {"error", connected}});
  }
  if (!connected.ok() || gone) {
    // Not from here: the caller has not got its Monitor yet.
    loop_->Post([weak = weak_from_this(), gone] {
      auto self = weak.lock();
      if (!self) return;
      if (gone) return self->Settle(true);
      (void)self->DeliverRecord();
    });
  }
  return OkStatus();
}

Status MonitorWatch::Connect() {
  UniqueFd control = CRISP_TRY(ConnectToMonitor(state_dir_));
  conmon::HelloBody hello;
  hello.program = "crispd " CRISP_VERSION;
  // Request 0: the answer comes as an event; a monitor that is stopped delays nobody.
  CRISP_RETURN_IF_ERROR(
      SendPacket(control.get(), MessageType::kHello, 0, hello.Encode(), MonoNow()));
  return UseConnection(std::move(control));
}

void MonitorWatch::ConnectLater() {
  std::lock_guard lock(mutex_);
  connect_timer_ = loop_->RunAt(MonoNow() + kConnectAgain, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->ConnectAgain();
  });
}

Status MonitorWatch::UseConnection(UniqueFd control) {
  auto connection = std::make_shared<MonitorConnection>(std::move(control), loop_);
  MonitorConnection::Handlers handlers;
  handlers.on_event = [weak = weak_from_this()](const conmon::Packet& packet) {
    if (auto self = weak.lock()) self->OnEvent(packet);
  };
  handlers.on_closed = [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnClosed();
  };
  {
    std::lock_guard lock(mutex_);
    connection_ = connection;
  }
  return connection->Start(std::move(handlers));
}

Status MonitorWatch::WatchContainer() {
  Result<UniqueFd> pidfd = OpenProcess(process_.container_pid, process_.container_start_time);
  if (!pidfd.ok()) {
    if (pidfd.status().code() != Code::kNotFound) return std::move(pidfd).status();
    container_gone_ = true;
    return OkStatus();
  }
  pidfd_ = *std::move(pidfd);
  std::lock_guard lock(mutex_);
  pidfd_watch_ = CRISP_TRY(loop_->Watch(pidfd_.get(), EPOLLIN, [weak = weak_from_this()](uint32_t) {
    if (auto self = weak.lock()) self->OnContainerGone();
  }));
  return OkStatus();
}

std::shared_ptr<MonitorConnection> MonitorWatch::connection() {
  std::lock_guard lock(mutex_);
  return connection_;
}

Status MonitorWatch::CallMonitor(MessageType type, const std::string& body, MonoTime deadline) {
  const std::shared_ptr<MonitorConnection> current = connection();
  if (!current) return Unavailable("no connection to the monitor of this container");
  return current->Call(type, body, deadline).status();
}

Status MonitorWatch::ReopenLog(MonoTime deadline) {
  return CallMonitor(MessageType::kReopenLog, {}, deadline);
}

Status MonitorWatch::Resize(uint16_t columns, uint16_t rows, MonoTime deadline) {
  conmon::ResizeBody body;
  body.columns = columns;
  body.rows = rows;
  return CallMonitor(MessageType::kResize, body.Encode(), deadline);
}

void MonitorWatch::Shutdown() {
  if (const auto current = connection()) (void)current->Post(MessageType::kShutdown);
}

void MonitorWatch::OnEvent(const conmon::Packet& packet) {
  if (packet.is(MessageType::kOom)) {
    if (observer_.on_oom) observer_.on_oom();
  } else if (packet.is(MessageType::kExit)) {
    const std::optional<conmon::ExitRecord> record = conmon::ExitRecord::Decode(packet.body);
    if (!record) return;  // the file has it
    Deliver({record->exit_code, record->signal, record->oom_killed, record->finished_at_ns}, true);
  } else if (packet.is(MessageType::kUnsupported)) {
    log::Warning("the monitor speaks another protocol; only its container's end will be seen",
                 {{"state_dir", state_dir_}, {"monitor", process_.monitor_pid}});
    OnClosed();
  }
}

void MonitorWatch::OnClosed() {
  {
    std::lock_guard lock(mutex_);
    if (connection_) connection_->Close();
    connection_.reset();
  }
  if (delivered_ || DeliverRecord()) return;
  if (!std::exchange(reconnected_, true)) return ConnectAgain();
  OnMonitorGone();
}

void MonitorWatch::ConnectAgain() {
  if (delivered_) return;
  const Status connected = Connect();
  if (connected.ok()) return;
  // Of a dead container the record is all that is wanted, and it is waited for.
  if (MayConnectLater(connected) && !container_gone_) return ConnectLater();
  OnMonitorGone();
}

void MonitorWatch::OnMonitorGone() {
  // A monitor that ended between the two looks wrote its record before it removed its socket.
  if (DeliverRecord()) return;
  log::Warning("a monitor is gone before its container",
               {{"state_dir", state_dir_}, {"monitor", process_.monitor_pid}});
  if (container_gone_) Settle(true);
}

void MonitorWatch::OnContainerGone() {
  {
    std::lock_guard lock(mutex_);
    if (pidfd_watch_ != 0) loop_->Unwatch(std::exchange(pidfd_watch_, 0));
  }
  container_gone_ = true;
  gone_at_ns_ = WallNowNs();
  Settle(true);
}

void MonitorWatch::Settle(bool may_wait) {
  if (delivered_ || DeliverRecord()) return;
  if (may_wait && AwaitRecord()) return;
  if (const auto end = EndByKernel()) return Deliver(*end, true);
  ExitRecord unknown;
  unknown.exit_code = kUnknownExitCode;
  unknown.finished_at_ns = WallNowNs();
  Deliver(unknown, false);
}

// Of a container that was seen to die and whose status nobody wrote down. Whether it was killed for
// its memory is not known then.
std::optional<ExitRecord> MonitorWatch::EndByKernel() {
  if (gone_at_ns_ == 0) return std::nullopt;
  const pid_t pid = process_.container_pid;
  ExitRecord end;
  end.finished_at_ns = gone_at_ns_;
  const Result<ProcessStat> zombie = ReadProcessStat(pid);
  if (zombie.ok() && zombie->start_time == process_.container_start_time && zombie->state == 'Z' &&
      zombie->wait_status && HasCapability(CAP_SYS_PTRACE)) {
    end.signal = WIFSIGNALED(*zombie->wait_status) ? WTERMSIG(*zombie->wait_status) : 0;
    end.exit_code = end.signal != 0 ? 128 + end.signal : WEXITSTATUS(*zombie->wait_status);
    return end;
  }
  // With its monitor gone it was ours to collect, if it was anybody's but process 1's.
  if (reaper_ == nullptr || connection() != nullptr) return std::nullopt;
  const auto status = reaper_->Take(pid, watched_since_);
  if (!status) return std::nullopt;
  end.exit_code = status->code;
  end.signal = status->signal;
  return end;
}

// The record is there when the monitor ends, whether or not it can tell (one of another protocol
// cannot). One that has ended since the record was looked for may have written it: another look.
// False: there is none, and no monitor from which one could come.
bool MonitorWatch::AwaitRecord() {
  if (Status hit = failpoint::Hit("oci.monitor.await_record"); !hit.ok()) return false;
  Result<UniqueFd> monitor = OpenMonitor(state_dir_);
  if (monitor.ok()) {
    pollfd ended{monitor->get(), POLLIN, 0};
    if (::poll(&ended, 1, 0) > 0) return DeliverRecord();  // not yet reaped
    ContinueMonitor(monitor->get());
  } else {
    const Code code = monitor.status().code();
    const bool gone = code == Code::kNotFound || code == Code::kDataLoss;
    if (gone && connection() == nullptr) return DeliverRecord();
  }
  std::lock_guard lock(mutex_);
  if (grace_timer_ != 0) return true;
  const auto settle = [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->Settle(false);
  };
  grace_timer_ = loop_->RunAt(MonoNow() + kRecordGrace, settle);
  if (!monitor.ok()) return true;
  monitor_pidfd_ = *std::move(monitor);
  auto watch = loop_->Watch(monitor_pidfd_.get(), EPOLLIN, [settle](uint32_t) { settle(); });
  if (watch.ok()) monitor_watch_ = *watch;
  return true;
}

bool MonitorWatch::DeliverRecord() {
  const Result<ExitRecord> record = ReadExitRecord(state_dir_);
  if (!record.ok()) {
    if (record.status().code() != Code::kNotFound) {
      log::Warning("exit record cannot be used",
                   {{"state_dir", state_dir_}, {"error", record.status()}});
    }
    return false;
  }
  Deliver(*record, true);
  return true;
}

void MonitorWatch::Deliver(const ExitRecord& record, bool known) {
  if (std::exchange(delivered_, true)) return;
  container_gone_ = true;
  {
    std::lock_guard lock(mutex_);
    StopWatching();
  }
  if (observer_.on_exit) observer_.on_exit(record, known);
}

}  // namespace crisp::oci
