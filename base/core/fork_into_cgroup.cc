#include "base/core/fork_into_cgroup.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

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

// Everything above close_from, but `keep`, is closed by exec.
bool CloseAtExec(int close_from, int keep) {
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

[[noreturn]] void RunChild(const ForkRequest& request, int failure_pipe) {
  ResetSignals();
  const bool ready =
      (!request.new_session || ::setsid() >= 0) &&
      (request.working_directory == nullptr || ::chdir(request.working_directory) == 0) &&
      Arrange(*request.descriptors) && CloseAtExec(request.descriptors->close_from, failure_pipe);
  if (ready) ::execve(request.argv[0], request.argv, request.env);
  const int error = errno;
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

}  // namespace crisp
