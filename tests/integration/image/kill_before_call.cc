// kill_before_call N PROGRAM [ARG]...: runs a program and kills it (SIGKILL) right before the Nth
// of its system calls that change something: files, directories, sockets. All its threads count
// together; its children do not, and are waited for.
//
// Exit status: 137 when it was killed, else the program's: then it made fewer than N such calls.
// With N = 0 the number of calls is the first line on stdout.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <set>

namespace {

constexpr int kFailed = 125;
constexpr int kSyscallStop = SIGTRAP | 0x80;

bool Changes(const __ptrace_syscall_info& info) {
  switch (info.entry.nr) {
    case SYS_openat:
      return (info.entry.args[2] & (O_CREAT | O_TRUNC)) != 0;
    case SYS_openat2:  // its flags are behind a pointer
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendfile:
    case SYS_copy_file_range:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_syncfs:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_mkdirat:
    case SYS_unlinkat:
    case SYS_linkat:
    case SYS_symlinkat:
    case SYS_mknodat:
    case SYS_fchmod:
    case SYS_fchmodat:
    case SYS_fchown:
    case SYS_fchownat:
    case SYS_utimensat:
    case SYS_fsetxattr:
    case SYS_setxattr:
    case SYS_lsetxattr:
#ifdef SYS_rename  // arm64 has the newer calls alone
    case SYS_rename:
    case SYS_mkdir:
    case SYS_unlink:
    case SYS_rmdir:
    case SYS_link:
    case SYS_symlink:
    case SYS_chmod:
    case SYS_chown:
#endif
    case SYS_mount:
    case SYS_umount2:
    case SYS_move_mount:
      return true;
    default:
      return false;
  }
}

// Whoever was left by the killed program.
void AwaitOrphans() {
  while (::waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) {
  }
}

int Trace(pid_t program, long kill_at) {
  long calls = 0;
  std::set<pid_t> known = {program};
  for (;;) {
    int status = 0;
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread < 0) return kFailed;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread != program) continue;
      AwaitOrphans();
      if (kill_at == 0) std::printf("%ld\n", calls);
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (!WIFSTOPPED(status)) continue;
    int signal = WSTOPSIG(status);
    if (signal == kSyscallStop) {
      signal = 0;
      __ptrace_syscall_info info{};
      if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) > 0 &&
          info.op == PTRACE_SYSCALL_INFO_ENTRY && Changes(info) && ++calls == kill_at) {
        ::kill(program, SIGKILL);
        AwaitOrphans();
        return 128 + SIGKILL;
      }
    } else if (status >> 16 != 0 || (signal == SIGSTOP && known.insert(thread).second)) {
      signal = 0;  // an event, or the first stop of a new thread
    }
    ::ptrace(PTRACE_SYSCALL, thread, nullptr, signal);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return kFailed;
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t program = ::fork();
  if (program == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    ::execv(argv[2], argv + 2);
    ::_exit(kFailed);
  }
  // Its ends of sockets are its own alone: who waits for them must see it die.
  ::close_range(3, ~0U, 0);
  int status = 0;
  if (::waitpid(program, &status, __WALL) != program || !WIFSTOPPED(status)) return kFailed;
  ::ptrace(PTRACE_SETOPTIONS, program, nullptr,
           PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC);
  ::ptrace(PTRACE_SYSCALL, program, nullptr, 0);
  return Trace(program, std::strtol(argv[1], nullptr, 10));
}
