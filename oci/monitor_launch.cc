#include "oci/monitor_launch.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/core/file.h"
#include "base/core/pid_text.h"
#include "base/failpoint.h"
#include "oci/monitor_files.h"
#include "oci/runtime_errors.h"

namespace crisp::oci {

using conmon::MessageType;

namespace {

constexpr auto kAbortTime = std::chrono::seconds(1);

std::vector<pid_t> ChildrenOf(pid_t pid) {
  const Result<std::string> text = ReadFile(Cat("/proc/", pid, "/task/", pid, "/children"));
  return text.ok() ? ParsePids(*text) : std::vector<pid_t>();
}

// kInvalidArgument is the command's alone, and a file that was not found is no container that the
// client named.
Status NotTheClients(Status failed) {
  const bool misleads = failed.code() == Code::kInvalidArgument || failed.code() == Code::kNotFound;
  return misleads ? std::move(failed).WithCode(Code::kInternal) : std::move(failed);
}

// The monitor does not read the runtime's texts. Other codes of the table would only mislead here.
Status CreateFailure(std::string_view kind, Status failed) {
  const bool command = failed.code() == Code::kInternal &&
                       CodeOfRuntimeError(kind, failed.message()) == Code::kInvalidArgument;
  if (command) return std::move(failed).WithCode(Code::kInvalidArgument);
  return NotTheClients(std::move(failed));
}

}  // namespace

MonitorLaunchRun::MonitorLaunchRun(const MonitorLaunch& launch)
    : launch_(launch), deadline_(std::min(launch.deadline, launch.cancel.deadline())) {}

MonitorLaunchRun::~MonitorLaunchRun() {
  if (spawned_) Abort();
}

std::vector<std::string> MonitorLaunchRun::Arguments() const {
  std::vector<std::string> argv = {
      launch_.monitor_binary, "--id",        launch_.container.str(), "--bundle",
      launch_.bundle,         "--state-dir", launch_.state_dir};
  const auto add = [&argv](std::string_view name, std::string value) {
    argv.emplace_back(name);
    argv.push_back(std::move(value));
  };
  if (!launch_.log_path.empty()) add("--log-path", launch_.log_path);
  if (!launch_.log_path.empty() && !launch_.log_directory.empty()) {
    add("--log-directory", launch_.log_directory);
  }
  if (!launch_.oom_watch.empty()) add("--oom-watch", launch_.oom_watch);
  if (launch_.stdio_owner) {
    add("--stdio-owner", Cat(launch_.stdio_owner->uid, ':', launch_.stdio_owner->gid));
  }
  add("--log-line-limit", Cat(launch_.log_line_limit_bytes));
  if (launch_.terminal) argv.emplace_back("--terminal");
  if (launch_.stdin_open) argv.emplace_back("--stdin");
  if (launch_.stdin_once) argv.emplace_back("--stdin-once");
  argv.emplace_back("--");
  argv.insert(argv.end(), launch_.runtime_argv.begin(), launch_.runtime_argv.end());
  return argv;
}

Status MonitorLaunchRun::Spawn() {
  FdPair sockets = CRISP_TRY(MakeSocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK));
  SpawnOptions spawn;
  spawn.argv = Arguments();
  spawn.fds = {{sockets.second.get(), conmon::kControlFd}};
  spawn.env = launch_.env;
  spawn.working_directory = "/";
  spawn.new_session = true;
  spawn.place = launch_.place;
  spawn.reaper = launch_.reaper;
  auto child = ChildProcess::Spawn(spawn);
  if (!child.ok()) return NotTheClients(std::move(child).status());
  child_ = *std::move(child);
  control_ = std::move(sockets.first);
  spawned_ = true;
  return OkStatus();
}

Result<ReceivedPacket> MonitorLaunchRun::Next() {
  for (;;) {
    Result<ReceivedPacket> received = ReceivePacket(control_.get());
    if (received.ok() || received.status().code() != Code::kNotFound) return received;
    CRISP_RETURN_IF_ERROR(launch_.cancel.Check());
    std::array<pollfd, 2> fds{{{control_.get(), POLLIN, 0}, {launch_.cancel.fd(), POLLIN, 0}}};
    const int n = ::poll(fds.data(), fds.size(), PollTimeoutMs(deadline_));
    if (n < 0 && errno != EINTR) return Errno("poll monitor");
    if (n == 0) return DeadlineExceeded("the OCI runtime did not create the container in time");
  }
}

// A connection that breaks says nothing; how the monitor ended does. To a client kUnavailable would
// mean that crispd is not there.
Status MonitorLaunchRun::WhyGone(Status status) {
  if (status.code() != Code::kUnavailable) return status;
  const auto ended = child_.Wait(MonoNow() + kAbortTime);
  if (!ended.ok()) return std::move(status).WithCode(Code::kInternal);
  if (ended->signal != 0) {
    return Internal(launch_.monitor_binary, " was killed by signal ", ended->signal,
                    " before the container was made");
  }
  return Internal(launch_.monitor_binary, " ended with exit code ", ended->code,
                  " before the container was made");
}

Result<MonitorProcess> MonitorLaunchRun::WaitCreated() {
  auto process = Converse();
  if (!process.ok()) return WhyGone(std::move(process).status());
  return process;
}

Result<MonitorProcess> MonitorLaunchRun::Converse() {
  conmon::HelloBody hello;
  hello.program = "crispd " CRISP_VERSION;
  // The monitor waits for this: it is in its cgroup now, and what it starts will be as well.
  CRISP_RETURN_IF_ERROR(
      SendPacket(control_.get(), MessageType::kHello, 1, hello.Encode(), deadline_));
  for (;;) {
    const ReceivedPacket received = CRISP_TRY(Next());
    const conmon::Packet packet = received.packet();
    if (packet.is(MessageType::kCreateFailed)) {
      // It has cleaned up and is about to end.
      (void)child_.Wait(MonoNow() + kAbortTime);
      return CreateFailure(launch_.runtime_kind, StatusFromError(packet.body));
    }
    if (packet.is(MessageType::kUnsupported)) {
      return FailedPrecondition(launch_.monitor_binary,
                                " speaks another protocol than this crispd");
    }
    if (!packet.is(MessageType::kCreated)) continue;  // kHelloAck
    const std::optional<conmon::CreatedBody> created = conmon::CreatedBody::Decode(packet.body);
    if (!created) return DataLoss("the monitor's answer to create is malformed");
    return MonitorProcess{child_.pid(), created->pid, created->start_time};
  }
}

void MonitorLaunchRun::Detach() {
  spawned_ = false;
  child_.Detach();
}

void MonitorLaunchRun::Abort() {
  const pid_t pid = child_.pid();
  if (pid > 0) {
    // The monitor itself knows best what to end; a killed one leaves the runtime to us.
    if (!control_) {
      if (auto again = ConnectToMonitor(launch_.state_dir); again.ok())
        control_ = *std::move(again);
    }
    (void)SendPacket(control_.get(), MessageType::kShutdown, 0, {}, MonoNow());
    if (!child_.Wait(MonoNow() + kAbortTime).ok() && child_.pid() > 0) {
      (void)child_.Signal(SIGSTOP);
      const std::vector<pid_t> children = ChildrenOf(pid);
      child_.KillAndReap();
      for (pid_t orphan : children) ::kill(orphan, SIGKILL);
    }
  }
  RemoveMonitorFiles(launch_.state_dir);
  ::unlink(Cat(launch_.state_dir, "/", conmon::kExitFileName).c_str());
}

}  // namespace crisp::oci
