#include "base/core/fork_into_cgroup.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/core/unique_fd.h"

namespace crisp {
namespace {

// In the child: true when its descriptors are as planned.
bool Arrange(const DescriptorPlan& plan) {
  for (int fd : plan.null) {
    const int opened = ::open("/dev/null", O_RDWR);
    if (opened < 0) return false;
    if (opened == fd) continue;
    if (::dup2(opened, fd) < 0) return false;
    ::close(opened);
  }
  for (const auto& [source, target] : plan.dups) {
    if (::dup2(source, target) < 0) return false;
  }
  for (int fd : plan.closed) ::close(fd);
  return true;
}

// Everything from close_from on is closed now, or (with `keep`, which needs 5.11) by exec.
bool CloseOthers(int close_from, int keep) {
  if (keep < 0) {
    ::closefrom(close_from);
    return true;
  }
  const auto first = static_cast<unsigned>(close_from);
  const auto kept = static_cast<unsigned>(keep);
  const auto mark = [](unsigned low, unsigned high) {
    return ::syscall(SYS_close_range, low, high, CLOSE_RANGE_CLOEXEC) == 0;
  };
  if (kept < first) return mark(first, ~0U);
  return (kept == first || mark(first, kept - 1)) && mark(kept + 1, ~0U);
}

void ResetSignals() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool LimitDescriptors(uint64_t soft) {
  rlimit limit{};
  if (soft == 0) return true;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  limit.rlim_cur = std::min<rlim_t>(soft, limit.rlim_max);
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

// What cannot be had stays as it is: a score can always be raised.
void SetOomScore(const std::string& score) {
  if (score.empty()) return;
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t written = ::write(fd, score.data(), score.size());
  ::close(fd);
}

// In the child; returns only with the errno of what failed. `failure_pipe`: a descriptor that exec
// closes, -1: there is none.
int PrepareAndExec(const ForkRequest& request, int failure_pipe) {
  ResetSignals();
  SetOomScore(request.oom_score_adj);
  const bool ready =
      (!request.new_session || ::setsid() >= 0) &&
      (request.working_directory == nullptr || ::chdir(request.working_directory) == 0) &&
      Arrange(*request.descriptors) && CloseOthers(request.descriptors->close_from, failure_pipe) &&
      LimitDescriptors(request.descriptor_limit);
  // Not execvpe for a path: it gives what is no program, an empty file for instance, to the shell.
  if (ready && std::strchr(request.argv[0], '/') != nullptr) {
    ::execve(request.argv[0], request.argv, request.env);
  } else if (ready) {
    ::execvpe(request.argv[0], request.argv, request.env);
  }
  return errno;
}

[[noreturn]] void RunChild(const ForkRequest& request, int failure_pipe) {
  const int error = PrepareAndExec(request, failure_pipe);
  [[maybe_unused]] const ssize_t told = ::write(failure_pipe, &error, sizeof(error));
  ::_exit(127);
}

// Blocks all signals of this thread while it exists: a handler must not run in the child.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

ForkResult ForkIntoCgroup(const ForkRequest& request) {
  Result<FdPair> pipe = MakePipe();
  if (!pipe.ok()) return {ForkError::kClone, pipe.status().sys_errno(), -1};
  // Above all targets, so that no dup2 of the child hits it.
  UniqueFd failure(
      ::fcntl(pipe->second.get(), F_DUPFD_CLOEXEC, request.descriptors->close_from + 1));
  if (!failure) return {ForkError::kClone, errno, -1};
  pipe->second.Reset();
  clone_args arguments{};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<uint64_t>(request.cgroup_dir);
  ForkResult result;
  {
    const SignalsBlocked blocked;
    const long pid = ::syscall(SYS_clone3, &arguments, sizeof(arguments));
    if (pid == 0) RunChild(request, failure.get());
    if (pid < 0) return {ForkError::kClone, errno, -1};
    result.pid = static_cast<pid_t>(pid);
  }
  failure.Reset();
  int error = 0;
  ssize_t n;
  do {
    n = ::read(pipe->first.get(), &error, sizeof(error));
  } while (n < 0 && errno == EINTR);
  if (n != sizeof(error)) return result;  // the end of the pipe: exec closed it
  ::waitpid(result.pid, nullptr, 0);
  return {ForkError::kExec, error, -1};
}

ForkResult VforkAndExec(const ForkRequest& request) {
  volatile int failed = 0;  // the child's memory is ours until it execs or ends
  pid_t pid = -1;
  {
    const SignalsBlocked blocked;
    pid = ::vfork();
    if (pid == 0) {
      failed = PrepareAndExec(request, /*failure_pipe=*/-1);
      ::_exit(127);
    }
  }
  if (pid < 0) return {ForkError::kClone, errno, -1};
  if (failed == 0) return {ForkError::kNone, 0, pid};
  ::waitpid(pid, nullptr, 0);
  return {ForkError::kExec, failed, -1};
}

}  // namespace crisp
