// Monitor: crispd's end of one crisp-monitor, the process that owns a container's stdio and exit.
//
// What:     launching a monitor (which runs the OCI runtime's `create`), re-adopting one after a
//           restart of crispd, its requests (reopen log, resize) and its events (exit, OOM).
// Contract: conmon/protocol.h, versioned.
// Threads:  Launch and Connect block their caller until the container is created or refused. The
//           observer's functions run on the loop thread and must not block. Requests block the
//           caller up to their deadline and must not be made on the loop thread.
// After a failed Launch: no monitor process, no container in the runtime, no socket is left.
// The exit record file outlives the monitor and is the truth: an exit is delivered exactly once,
// from the socket or from the file.
#ifndef CRISP_OCI_MONITOR_H_
#define CRISP_OCI_MONITOR_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/cancel.h"
#include "base/core/clock.h"
#include "base/core/epoll_loop.h"
#include "base/core/result.h"
#include "base/ids.h"

namespace crisp {
class Reaper;
class SpawnPlace;
}  // namespace crisp

namespace crisp::oci {

struct ExitRecord {
  int exit_code = 0;  // 0..255; 128 + signal
  int signal = 0;
  bool oom_killed = false;
  int64_t finished_at_ns = 0;
};

struct MonitorObserver {
  // Called once, after the log was drained. Unknown fate (monitor killed and container gone without
  // a record): exit_code 255, finished_at_ns now, `known` false.
  std::function<void(const ExitRecord&, bool known)> on_exit;
  std::function<void()> on_oom;
};

struct StdioOwner {
  uid_t uid = 0;
  gid_t gid = 0;
};

struct MonitorLaunch {
  ContainerId container;
  std::string monitor_binary;             // crisp-monitor
  std::vector<std::string> runtime_argv;  // Runtime::BaseArgv()
  std::string runtime_kind;               // RuntimeFeatures::kind: whose errors they are
  std::vector<std::string> env;           // RuntimeEnvironment(): the runtime gets it, too
  std::string bundle;                     // directory with config.json
  std::string state_dir;      // /run/crisp/containers/<id>: monitor.sock, pid, exit are made here
  std::string log_path;       // empty: no log
  std::string log_directory;  // above log_path, the caller's; empty: the log's own directory
  std::optional<StdioOwner> stdio_owner;  // of the container's pipes; empty: root
  bool terminal = false;
  bool stdin_open = false;
  bool stdin_once = false;
  int64_t log_line_limit_bytes = 16384;
  std::string oom_watch;  // v2: path of memory.events; v1: directory of the memory cgroup; or empty
  SpawnPlace* place = nullptr;  // where the monitor is started; null: where the caller is
  MonoTime deadline = NoDeadline();
  CancelToken cancel;
  Reaper* reaper = nullptr;
  EpollLoop* loop = nullptr;
};

struct MonitorProcess {  // what is persisted to find the container again
  pid_t monitor_pid = 0;
  pid_t container_pid = 0;
  uint64_t container_start_time = 0;  // field 22 of /proc/<pid>/stat, clock ticks
};

class Monitor {
 public:
  // Starts the monitor and waits until the runtime created the container. The runtime's error text
  // is in the Status; kInvalidArgument: all is well but for the command, which cannot be started
  // (runtimes look for it in create already).
  static Result<std::shared_ptr<Monitor>> Launch(const MonitorLaunch& launch,
                                                 MonitorObserver observer);
  // After a restart: connects to state_dir/monitor.sock; without a monitor, uses the exit record or
  // watches the container's pid itself. Never fails for a container that is simply gone: then
  // on_exit is called (soon, on the loop).
  static Result<std::shared_ptr<Monitor>> Adopt(const std::string& state_dir,
                                                const MonitorProcess& process, EpollLoop* loop,
                                                Reaper* reaper, MonitorObserver observer);
  virtual ~Monitor() = default;

  virtual MonitorProcess process() const = 0;
  // A pidfd of the container's PID 1; -1 when it is gone.
  virtual int container_pidfd() const = 0;
  // kUnavailable when the monitor is gone; kDeadlineExceeded when it does not answer.
  virtual Status ReopenLog(MonoTime deadline) = 0;
  virtual Status Resize(uint16_t columns, uint16_t rows, MonoTime deadline) = 0;
  // Asks the monitor to end when its container was never started (RemoveContainer of CREATED).
  virtual void Shutdown() = 0;
};

// For undo and recovery: ends the monitor that state_dir/pid names, whatever its state, and with it
// its container's PID 1 (but one that must be killed, because it does not answer, leaves PID 1 to
// the runtime's delete); removes its socket and pid file, not the exit record. Nothing there is OK.
// kDeadlineExceeded: the killed monitor is still there. Blocks; not for the loop thread.
Status EnsureMonitorGone(const std::string& state_dir, MonoTime deadline);

// A pidfd of the container's PID 1 while it exists, also as a zombie. kNotFound: it is gone,
// whoever has its number now.
Result<UniqueFd> OpenContainerProcess(const MonitorProcess& process);

// Reads state_dir/exit; kNotFound while there is none, kDataLoss when it is damaged.
Result<ExitRecord> ReadExitRecord(const std::string& state_dir);

}  // namespace crisp::oci

#endif  // CRISP_OCI_MONITOR_H_
