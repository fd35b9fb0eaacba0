// Runs at build time: writes the system call filter of crisp-monitor as source text, so that the
// monitor itself carries no libseccomp.
//
// usage: crisp-make-filter > monitor_filter.inc
//
// What is written defines CRISP_MONITOR_FILTER (instructions of a sock_filter array) for x86-64 and
// arm64; other architectures have no filter. What may be called: what a monitor with a container
// does (conmon/README.md), what an upgrade in place does (run the new program with --resume-check,
// exec it, its start), and nothing that makes sockets, mounts, namespaces, executable memory or
// looks into other processes.
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr const char* kAllowed[] = {
    // Output, log, record, clients.
    "accept4", "close", "dup", "dup2", "dup3", "epoll_create1", "epoll_ctl", "epoll_pwait",
    "epoll_wait", "eventfd2", "fcntl", "fstat", "fsync", "ftruncate", "getsockopt",
    "inotify_add_watch", "inotify_init1", "inotify_rm_watch", "lseek", "mkdir", "mkdirat",
    "newfstatat", "open", "openat", "poll", "ppoll", "pread64", "pwrite64", "read", "readlink",
    "readlinkat", "readv", "recvfrom", "recvmsg", "rename", "renameat", "renameat2", "sendmsg",
    "sendto", "shutdown", "signalfd4", "stat", "statx", "unlink", "unlinkat", "write", "writev",
    // The container's end.
    "kill", "pidfd_open", "pidfd_send_signal", "wait4", "waitid",
    // Upgrade, and the start of a static program.
    "access", "arch_prctl", "capget", "capset", "chdir", "close_range", "execve", "faccessat",
    "faccessat2", "getegid", "geteuid", "getgid", "getpid", "getppid", "getrandom", "getrlimit",
    "gettid", "getuid", "memfd_create", "pipe2", "rseq", "seccomp", "set_robust_list",
    "set_tid_address", "setsid", "umask", "uname",
    // Time, memory, signals, the end.
    "brk", "clock_gettime", "clock_nanosleep", "exit", "exit_group", "futex", "gettimeofday",
    "madvise", "mremap", "munmap", "nanosleep", "restart_syscall", "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "sigaltstack", "tgkill", "time"};

constexpr uint64_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr uint64_t kInt = 0xffffffff;  // of an argument that is an int the kernel takes no more

struct Conditional {
  const char* name;
  unsigned count;
  scmp_arg_cmp arguments[2];
};

const Conditional kConditional[] = {
    {"clone", 1, {SCMP_A0(SCMP_CMP_MASKED_EQ, kNewNamespaces, 0)}},
    {"ioctl", 1, {SCMP_A1(SCMP_CMP_MASKED_EQ, kInt, TIOCSWINSZ)}},
    {"mmap", 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
    {"mprotect", 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
    {"prctl", 1, {SCMP_A0(SCMP_CMP_MASKED_EQ, kInt, PR_SET_CHILD_SUBREAPER)}},
    {"prctl", 1, {SCMP_A0(SCMP_CMP_MASKED_EQ, kInt, PR_SET_NO_NEW_PRIVS)}},
    {"prctl", 1, {SCMP_A0(SCMP_CMP_MASKED_EQ, kInt, PR_CAPBSET_DROP)}},
    {"prctl", 2, {SCMP_A0(SCMP_CMP_MASKED_EQ, kInt, PR_SET_DUMPABLE), SCMP_A1(SCMP_CMP_EQ, 0)}},
    {"prlimit64", 1, {SCMP_A2(SCMP_CMP_EQ, 0)}},  // reading only
    {"setsockopt", 1, {SCMP_A1(SCMP_CMP_MASKED_EQ, kInt, SOL_SOCKET)}},
};

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "crisp-make-filter: %s\n", what);
  std::exit(1);
}

int Number(const char* name) {
  const int number = seccomp_syscall_resolve_name(name);
  Require(number != __NR_SCMP_ERROR, name);
  return number;
}

void AddRules(scmp_filter_ctx filter) {
  // One that the architecture lacks is skipped (seccomp_rule_add(3)).
  for (const char* name : kAllowed) {
    Require(seccomp_rule_add(filter, SCMP_ACT_ALLOW, Number(name), 0) == 0, name);
  }
  for (const Conditional& rule : kConditional) {
    Require(seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, Number(rule.name), rule.count,
                                   rule.arguments) == 0,
            rule.name);
  }
}

void Write(uint32_t arch, const char* condition) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
  Require(filter != nullptr, "seccomp_init");
  if (arch != seccomp_arch_native()) {
    Require(seccomp_arch_remove(filter, seccomp_arch_native()) == 0, "remove native architecture");
    Require(seccomp_arch_add(filter, arch) == 0, "add architecture");
  }
  // A binary tree instead of a list.
  Require(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0, "optimize");
  AddRules(filter);
  std::FILE* const program = std::tmpfile();
  Require(program != nullptr, "tmpfile");
  Require(seccomp_export_bpf(filter, ::fileno(program)) == 0, "export");
  std::rewind(program);
  std::printf("%s\n#define CRISP_MONITOR_FILTER", condition);
  sock_filter one;
  bool any = false;
  while (std::fread(&one, sizeof(one), 1, program) == 1) {
    std::printf(" \\\n  {0x%x, %u, %u, 0x%x},", one.code, one.jt, one.jf, one.k);
    any = true;
  }
  Require(any, "the filter is empty");
  std::puts("");
  std::fclose(program);
  seccomp_release(filter);
}

}  // namespace

int main() {
  std::puts("// Made by crisp-make-filter.");
  Write(SCMP_ARCH_X86_64, "#if defined(__x86_64__) && !defined(__ILP32__)");
  Write(SCMP_ARCH_AARCH64, "#elif defined(__aarch64__)");
  std::puts("#endif");
  return std::fflush(stdout) == 0 ? 0 : 1;
}
