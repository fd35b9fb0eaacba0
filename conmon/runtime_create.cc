#include "conmon/runtime_create.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/core/child_process.h"
#include "base/core/file.h"
#include "base/core/pid_text.h"
#include "base/core/process_stat.h"
#include "conmon/protocol.h"
#include "conmon/runtime_log.h"

namespace crisp::conmon {
namespace {

constexpr size_t kDiagnosisLimit_bytes = 4096;
constexpr off_t kLogTail_bytes = 64 << 10;
constexpr auto kConsoleWait = std::chrono::seconds(2);
constexpr auto kAbortWait = std::chrono::seconds(2);
constexpr useconds_t kAbortPause_us = 2000;

// The last part of a file; empty when it cannot be read.
std::string ReadTail(int dir, std::string_view name) {
  Result<UniqueFd> fd = OpenAt(dir, std::string(name), O_RDONLY | O_NONBLOCK);
  struct stat info {};
  if (!fd.ok() || ::fstat(fd->get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  std::string text(static_cast<size_t>(std::min(info.st_size, kLogTail_bytes)), '\0');
  const ssize_t n =
      ::pread(fd->get(), text.data(), text.size(), info.st_size - static_cast<off_t>(text.size()));
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// SIGKILL to each child of this process; false when there is none.
bool KillChildren() {
  const Result<std::string> children = ReadFile("/proc/thread-self/children");
  if (!children.ok()) return false;
  const std::vector<pid_t> pids = ParsePids(*children);
  for (const pid_t pid : pids) ::kill(pid, SIGKILL);
  return !pids.empty();
}

}  // namespace

Status RuntimeCreate::Start(const ChildStdio& stdio) {
  RemoveFiles();
  SpawnOptions spawn;
  spawn.argv = options_->runtime_argv;
  const auto add = [&](std::initializer_list<std::string> words) {
    spawn.argv.insert(spawn.argv.end(), words);
  };
  add({"--log", Cat(options_->state_dir, "/", kRuntimeLogName), "--log-format", "json"});
  add({"create", "--bundle", options_->bundle});
  add({"--pid-file", Cat(options_->state_dir, "/", kRuntimePidName)});
  if (options_->terminal) {
    console_ = std::make_unique<ConsoleSocket>();
    CRISP_RETURN_IF_ERROR(console_->Listen(state_dir_fd_, options_->state_dir, kConsoleSocketName));
    add({"--console-socket", console_->path()});
  }
  add({options_->id});
  if (stdio.in) spawn.fds.emplace_back(stdio.in.get(), 0);
  if (stdio.out) spawn.fds.emplace_back(stdio.out.get(), 1);
  if (stdio.err) spawn.fds.emplace_back(stdio.err.get(), 2);
  ChildProcess child = CRISP_TRY(ChildProcess::Spawn(spawn));
  pid_ = child.pid();
  child.Detach();  // the monitor's own loop waits for everything
  return OkStatus();
}

bool RuntimeCreate::CollectDiagnosis(int fd) {
  char chunk[1024];
  const ssize_t n = ::read(fd, chunk, sizeof(chunk));
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  diagnosis_.append(chunk, static_cast<size_t>(n));
  if (diagnosis_.size() > kDiagnosisLimit_bytes) {
    diagnosis_.erase(0, diagnosis_.size() - kDiagnosisLimit_bytes);
  }
  return n > 0;
}

std::string RuntimeCreate::FailureText() const {
  std::string text = LastErrorMessage(ReadTail(state_dir_fd_, kRuntimeLogName));
  if (text.empty()) text = LastTextLine(diagnosis_);
  return text.empty() ? "the runtime gave no reason" : text;
}

Result<CreatedContainer> RuntimeCreate::Finish(int wait_status) {
  pid_ = -1;
  const std::string& runtime = options_->runtime_argv[0];
  if (WIFSIGNALED(wait_status)) {
    return Internal(runtime, " create: killed by signal ", WTERMSIG(wait_status));
  }
  if (WEXITSTATUS(wait_status) != 0) return Internal(runtime, " create: ", FailureText());
  const auto written = ReadFileAt(state_dir_fd_, std::string(kRuntimePidName), 64);
  if (!written.ok()) {
    return Internal(runtime, " create: said that it is done, but: ", written.status().message());
  }
  const std::optional<pid_t> pid = ParsePidFile(*written);
  if (!pid) {
    return Internal(runtime, " create: wrote '", LastTextLine(*written),
                    "' as the container's pid");
  }
  CreatedContainer container;
  container.pid = *pid;
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(container.pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    return Internal(runtime, " create: process ", container.pid, " is no child of its monitor");
  }
  container.start_time = CRISP_TRY(ReadProcessStat(container.pid)).start_time;
  if (console_) {
    container.terminal = CRISP_TRY(console_->Receive(MonoNow() + kConsoleWait));
    CRISP_RETURN_IF_ERROR(SetNonBlocking(container.terminal.get()));
    console_.reset();
  }
  RemoveFiles();
  return container;
}

void RuntimeCreate::Abort() {
  // As the subreaper we inherit whatever the killed processes leave, so the last child is the end.
  const MonoTime deadline = MonoNow() + kAbortWait;
  while (KillChildren() && MonoNow() < deadline) {
    while (::waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
    }
    ::usleep(kAbortPause_us);
  }
  pid_ = -1;
  console_.reset();
  RemoveFiles();
}

void RuntimeCreate::RemoveFiles() const {
  for (std::string_view name : {kRuntimePidName, kRuntimeLogName}) {
    ::unlinkat(state_dir_fd_, std::string(name).c_str(), 0);
  }
}

}  // namespace crisp::conmon
