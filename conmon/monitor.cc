#include "conmon/monitor.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/atomic_file.h"
#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/pid_text.h"
#include "base/core/process_stat.h"
#include "conmon/confinement.h"

namespace crisp::conmon {
namespace {

constexpr int64_t kHelloWait_ms = 30000;
constexpr int64_t kRecordRetry_ms = 1000;
// cri-contract section 19, point 20.
constexpr std::string_view kOomScoreAdj = "-999";

// What a service manager told the daemon is not for the runtime: runc would mount NOTIFY_SOCKET
// into the container and pass it the descriptors of LISTEN_FDS.
constexpr const char* kUnwantedEnvironment[] = {
    "NOTIFY_SOCKET", "LISTEN_FDS",   "LISTEN_PID",     "LISTEN_FDNAMES",
    "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM", "INVOCATION_ID",
};

// Of a dead child. In a PID namespace of others, whose first process cannot end before it is
// collected, this is false.
bool IsFirstOfItsNamespace(pid_t pid) {
  const Result<std::string> status = ReadFile(Cat("/proc/", pid, "/status"), 16 << 10);
  return status.ok() && crisp::IsFirstOfItsNamespace(*status);
}

}  // namespace

Monitor::Monitor(Options options)
    : options_(std::move(options)),
      clients_(&poller_, this),
      signals_(this),
      stdio_(&options_, &poller_, &clients_),
      oom_(&poller_, this) {}

Status Monitor::Signals::Open(Poller* poller) {
  sigset_t set;
  ::sigemptyset(&set);
  for (int signal : {SIGCHLD, SIGTERM}) ::sigaddset(&set, signal);
  if (::sigprocmask(SIG_SETMASK, &set, nullptr) != 0) return Errno("sigprocmask");
  // The container must not die because a terminal or a service manager went away.
  for (int signal : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP}) {
    ::signal(signal, SIG_IGN);
  }
  fd_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) return Errno("signalfd");
  return poller->Add(fd_.get(), EPOLLIN, this);
}

void Monitor::Signals::OnEvents(uint32_t) {
  signalfd_siginfo info;
  bool terminate = false;
  while (::read(fd_.get(), &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == SIGTERM) terminate = true;
  }
  if (terminate && monitor_->state_ <= State::kCreating) {
    monitor_->FailCreate(Cancelled("the monitor was told to terminate"));
  }
  monitor_->OnChildren();
}

Status Monitor::PrepareProcess() {
  ::setsid();  // fails when we lead a session already, which is as good
  ::umask(0022);
  if (::chdir("/") != 0) return Errno("chdir /");
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return Errno("become child subreaper");
  for (const char* name : kUnwantedEnvironment) ::unsetenv(name);
  CRISP_RETURN_IF_ERROR(poller_.Open());
  return signals_.Open(&poller_);
}

Status Monitor::Prepare() {
  CRISP_RETURN_IF_ERROR(PrepareProcess());
  UniqueFd control(options_.control_fd);
  if (::fcntl(control.get(), F_SETFD, FD_CLOEXEC) != 0) {
    control.Release();
    return Errno("--control-fd ", options_.control_fd);
  }
  CRISP_RETURN_IF_ERROR(SetNonBlocking(control.get()));
  state_dir_ = CRISP_TRY(OpenFile(options_.state_dir, O_RDONLY | O_DIRECTORY));
  hello_deadline_ms_ = NowMs() + kHelloWait_ms;
  return clients_.Add(std::move(control)).status();
}

Status Monitor::WritePidFile() {
  PidFile file;
  file.monitor_pid = ::getpid();
  file.monitor_start_time = CRISP_TRY(ReadProcessStat(file.monitor_pid)).start_time;
  file.container_pid = container_pid_;
  file.container_start_time = container_start_time_;
  return WriteFileAtomically(Cat(options_.state_dir, "/", kPidFileName), file.ToText(), 0600);
}

int Monitor::Run() {
  while (state_ != State::kEnded) {
    poller_.Wait(TimeoutMs());
    OnTimers();
    clients_.Sweep();
  }
  return exit_status_;
}

int Monitor::TimeoutMs() const {
  int64_t deadline = std::min(stdio_.DeadlineMs(), retry_at_ms_);
  if (state_ == State::kWaiting) deadline = std::min(deadline, hello_deadline_ms_);
  if (deadline == INT64_MAX) return -1;
  return static_cast<int>(std::clamp<int64_t>(deadline - NowMs(), 0, 60000));
}

void Monitor::OnTimers() {
  const int64_t now = NowMs();
  stdio_.OnTimer(now);
  if (state_ == State::kWaiting) {
    const bool alone = std::none_of(clients_.all().begin(), clients_.all().end(),
                                    [](const auto& client) { return client->alive(); });
    if (alone || now >= hello_deadline_ms_) FailCreate(Cancelled("nobody said hello"));
  }
  if (state_ == State::kDraining && stdio_.drained()) {
    stdio_.FinishDrain();
    state_ = State::kExited;
    FinishExit();
  }
  if (state_ == State::kExited && now >= retry_at_ms_) FinishExit();
}

void Monitor::StartCreate() {
  state_ = State::kCreating;
  if (Status started = TryStartCreate(); !started.ok()) FailCreate(started);
}

Status Monitor::TryStartCreate() {
  CRISP_RETURN_IF_ERROR(WritePidFile());
  CRISP_RETURN_IF_ERROR(clients_.Listen(state_dir_.get()));
  CRISP_RETURN_IF_ERROR(stdio_.OpenLog());
  runtime_ = std::make_unique<RuntimeCreate>(&options_, state_dir_.get());
  const ChildStdio child = CRISP_TRY(stdio_.MakePipes(runtime_.get()));
  CRISP_RETURN_IF_ERROR(runtime_->Start(child));
  // Only now, so that the runtime and the container have the score that they were given. Without
  // CAP_SYS_RESOURCE it cannot be lowered, and nothing depends on it.
  (void)WriteControlFile(AT_FDCWD, "/proc/self/oom_score_adj", kOomScoreAdj);
  return OkStatus();
}

void Monitor::OnRuntimeEnd(int wait_status) {
  if (Status created = TryFinishCreate(wait_status); !created.ok()) return FailCreate(created);
  state_ = State::kCreated;
  CreatedBody body;
  body.pid = container_pid_;
  body.start_time = container_start_time_;
  clients_.SendEvent(MessageType::kCreated, body.Encode());
  ::malloc_trim(0);
  OnChildren();  // PID 1 may have died already
}

Status Monitor::TryFinishCreate(int wait_status) {
  CreatedContainer container = CRISP_TRY(runtime_->Finish(wait_status));
  CRISP_RETURN_IF_ERROR(stdio_.Begin(std::move(container.terminal)));
  // A cgroup that cannot be watched costs the reason OOMKilled, not the container; kStatus tells.
  (void)oom_.Start(options_.oom_watch);
  // The last thing that needed more was the runtime.
  CRISP_RETURN_IF_ERROR(Confine().Wrap("confine the monitor"));
  confined_ = true;
  container_pid_ = container.pid;
  container_start_time_ = container.start_time;
  CRISP_RETURN_IF_ERROR(WritePidFile());
  runtime_.reset();
  return OkStatus();
}

void Monitor::FailCreate(const Status& status) {
  if (state_ == State::kEnded) return;
  container_pid_ = 0;
  // Kept until the end of this process: events of this round may still be on their way to it.
  if (runtime_) runtime_->Abort();
  ::unlinkat(state_dir_.get(), std::string(kPidFileName).c_str(), 0);
  ErrorBody body;
  body.code = static_cast<uint32_t>(status.code());
  body.sys_errno = status.sys_errno();
  body.text = status.message();
  End(1);
  clients_.SendLastEvent(MessageType::kCreateFailed, body.Encode());
}

void Monitor::End(int exit_status) {
  ::unlinkat(state_dir_.get(), std::string(kSocketName).c_str(), 0);
  exit_status_ = exit_status;
  state_ = State::kEnded;
}

void Monitor::OnChildren() {
  if (state_ == State::kCreating) {
    // Only the runtime: who the container is will be known when it has ended.
    int status = 0;
    if (runtime_ && ::waitpid(runtime_->pid(), &status, WNOHANG) == runtime_->pid()) {
      OnRuntimeEnd(status);
    }
    return;
  }
  if (state_ < State::kCreated) return;
  // A kept one stays a zombie, and what dies later with it, until this process ends: the daemon can
  // read its status where the record is not written in time because the log's disk hangs.
  while (!kept_ && state_ != State::kEnded) {
    siginfo_t info{};
    const int failed = ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL);
    if (failed != 0 || info.si_pid == 0) return;
    const bool container = info.si_pid == container_pid_ && state_ == State::kCreated;
    kept_ = container && IsFirstOfItsNamespace(info.si_pid);
    if (!kept_) ::waitpid(info.si_pid, nullptr, WNOHANG | __WALL);
    if (container) OnContainerEnd(info);
  }
}

void Monitor::OnContainerEnd(const siginfo_t& end) {
  exit_.finished_at_ns = WallNowNs();
  exit_.signal = end.si_code == CLD_EXITED ? 0 : end.si_status;
  exit_.exit_code = exit_.signal != 0 ? 128 + exit_.signal : end.si_status;
  oom_.Check();
  state_ = State::kDraining;
  stdio_.BeginDrain();
}

bool Monitor::TryWriteRecord() {
  oom_.Check();
  exit_.oom_killed = oom_.kills() > 0;
  return WriteFileAtomically(Cat(options_.state_dir, "/", kExitFileName), exit_.ToText(), 0600)
      .ok();
}

void Monitor::FinishExit() {
  if (!TryWriteRecord()) {
    // Clients learn it at once; for a later daemon it must also be on disk.
    if (retry_at_ms_ == INT64_MAX) clients_.SendEvent(MessageType::kExit, exit_.Encode());
    retry_at_ms_ = NowMs() + kRecordRetry_ms;
    return;
  }
  End(0);
  clients_.SendLastEvent(MessageType::kExit, exit_.Encode());
}

}  // namespace crisp::conmon
