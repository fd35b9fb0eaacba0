// crisp's default seccomp profile: what an ordinary container may call.
//
// An allow-list; everything else fails with EPERM, so that programs fall back. Chosen by what each
// call can reach: calls that act on the caller's own memory, files, sockets, processes and clocks
// are in; calls that act on the kernel, on other namespaces or on interfaces with a long record of
// holes (io_uring, userfaultfd, the keyring, bpf, perf, kexec, mount trees) need the capability
// that their kernel code asks for, or are out. cri-contract 9.7.
#include <seccomp.h>

#include <cerrno>
#include <string_view>

#include "oci/seccomp.h"

namespace crisp::oci {
namespace {

constexpr const char* kAllow = "SCMP_ACT_ALLOW";
constexpr const char* kErrno = "SCMP_ACT_ERRNO";

// Groups are by topic, so that a reader can check one at a time.
constexpr std::string_view kAllowed[] = {
    // Files by path.
    "access faccessat faccessat2 chdir fchdir chmod fchmod fchmodat fchmodat2 chown chown32 fchown "
    "fchown32 fchownat lchown lchown32 creat open openat openat2 link linkat mkdir mkdirat mknod "
    "mknodat readlink readlinkat rename renameat renameat2 rmdir symlink symlinkat truncate "
    "truncate64 unlink unlinkat utime utimes utimensat utimensat_time64 futimesat umask getcwd "
    "name_to_handle_at",
    // What files are.
    "stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs "
    "fstatfs64 ustat statmount listmount getdents getdents64 readdir",
    // Extended attributes.
    "getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr "
    "llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat",
    // Descriptors and what goes through them.
    "close close_range dup dup2 dup3 fcntl fcntl64 flock ioctl lseek _llseek read pread64 readv "
    "preadv preadv2 write pwrite64 writev pwritev pwritev2 sendfile sendfile64 splice tee vmsplice "
    "copy_file_range readahead fadvise64 fadvise64_64 fallocate ftruncate ftruncate64 fsync "
    "fdatasync sync syncfs sync_file_range pipe pipe2 memfd_create memfd_secret cachestat",
    // Waiting for descriptors.
    "poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 "
    "epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 "
    "signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "
    "timerfd_settime64 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch "
    "fanotify_mark io_setup io_submit io_getevents io_pgetevents io_pgetevents_time64 io_cancel "
    "io_destroy",
    // Sockets; socket(2) itself is below.
    "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmsg "
    "recvmmsg recvmmsg_time64 send sendto sendmsg sendmmsg setsockopt shutdown socketcall "
    "socketpair",
    // Memory.
    "brk mmap mmap2 mprotect mremap munmap madvise mincore msync mlock mlock2 mlockall munlock "
    "munlockall membarrier remap_file_pages pkey_alloc pkey_free pkey_mprotect mseal "
    "map_shadow_stack process_mrelease",
    // Processes and threads; clone(2) is below.
    "fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid getpgid "
    "getpgrp getsid setpgid setsid set_tid_address set_thread_area get_thread_area tkill tgkill "
    "kill pidfd_open pidfd_send_signal prctl arch_prctl rseq capget capset restart_syscall uname "
    "sysinfo getcpu seccomp get_robust_list set_robust_list futex futex_time64 futex_waitv "
    "futex_wait futex_wake futex_requeue",
    // Landlock and LSM attributes only take rights away from the caller.
    "landlock_create_ruleset landlock_add_rule landlock_restrict_self lsm_get_self_attr "
    "lsm_set_self_attr lsm_list_modules",
    // Users and groups; the kernel asks for CAP_SETUID and CAP_SETGID where it matters.
    "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 "
    "getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid "
    "setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid "
    "setfsuid32 setfsgid setfsgid32 setgroups setgroups32",
    // Signals.
    "alarm pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
    "rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack "
    "sigprocmask "
    "sigreturn",
    // Scheduling and limits; raising them needs CAP_SYS_NICE or CAP_SYS_RESOURCE in the kernel.
    "nice getpriority setpriority sched_get_priority_max sched_get_priority_min sched_getaffinity "
    "sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval "
    "sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "
    "sched_setscheduler sched_yield getrlimit ugetrlimit setrlimit prlimit64 getrusage times "
    "ioprio_get ioprio_set",
    // Clocks that can be read, and sleeping.
    "time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 "
    "clock_nanosleep clock_nanosleep_time64 nanosleep adjtimex clock_adjtime clock_adjtime64 "
    "getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 "
    "timer_settime timer_settime64",
    // System V and POSIX IPC, bounded by the IPC namespace.
    "ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl "
    "shmdt shmget mq_open mq_unlink mq_notify mq_getsetattr mq_timedreceive "
    "mq_timedreceive_time64 mq_timedsend mq_timedsend_time64",
    // Random numbers.
    "getrandom",
};

// ptrace(2) and its relatives can get around seccomp in kernels before 4.8.
constexpr std::string_view kTracing = "ptrace process_vm_readv process_vm_writev";

struct Conditional {
  std::string_view capability;
  std::string_view names;
};
// What becomes useful, and is guarded by the kernel itself, with a capability.
constexpr Conditional kWithCapability[] = {
    {"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
    {"CAP_SYS_ADMIN",
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount "
     "mount_setattr move_mount open_tree open_tree_attr perf_event_open quotactl quotactl_fd "
     "setdomainname sethostname setns syslog umount umount2 unshare"},
    {"CAP_SYS_BOOT", "reboot"},
    {"CAP_SYS_CHROOT", "chroot"},
    {"CAP_SYS_MODULE", "delete_module finit_module init_module"},
    {"CAP_SYS_PACCT", "acct"},
    {"CAP_SYS_PTRACE",
     "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
    {"CAP_SYS_RAWIO", "ioperm iopl"},
    {"CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"},
    {"CAP_SYS_TTY_CONFIG", "vhangup"},
    {"CAP_SYS_NICE",
     "get_mempolicy mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node"},
    {"CAP_SYSLOG", "syslog"},
    {"CAP_BPF", "bpf"},
    {"CAP_PERFMON", "perf_event_open"},
};

struct ArchitectureRules {
  uint32_t token;
  std::string_view architectures;
  std::string_view names;
};
// The architectures that one kernel runs, and the calls that only they have.
constexpr ArchitectureRules kArchitectures[] = {
    {SCMP_ARCH_X86_64, "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32", "modify_ldt"},
    {SCMP_ARCH_AARCH64, "SCMP_ARCH_AARCH64 SCMP_ARCH_ARM",
     "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"},
    {SCMP_ARCH_ARM, "SCMP_ARCH_ARM",
     "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"},
    {SCMP_ARCH_X86, "SCMP_ARCH_X86", "modify_ldt"},
    {SCMP_ARCH_PPC64LE, "SCMP_ARCH_PPC64LE", "sync_file_range2 swapcontext"},
    {SCMP_ARCH_S390X, "SCMP_ARCH_S390X SCMP_ARCH_S390",
     "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"},
    {SCMP_ARCH_RISCV64, "SCMP_ARCH_RISCV64", "riscv_flush_icache riscv_hwprobe"},
};

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = text.find(' ');
    out.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

bool Has(const SeccompContext& context, std::string_view capability) {
  for (const std::string& name : context.capabilities) {
    if (name == capability) return true;
  }
  return false;
}

void AddArchitecture(SeccompProfile* profile) {
  const uint32_t native = ::seccomp_arch_native();
  for (const ArchitectureRules& rules : kArchitectures) {
    if (rules.token != native) continue;
    profile->architectures = Words(rules.architectures);
    profile->rules.push_back({Words(rules.names), kAllow, {}, {}});
  }
}

// Without CAP_SYS_ADMIN a process may make threads and children, but no namespaces (CLONE_NEWNS and
// the six others, 0x7E020000, clone(2)). clone3(2) hides its flags behind a pointer: ENOSYS sends
// the C library back to clone.
void AddClone(SeccompProfile* profile) {
  constexpr uint64_t kNamespaceFlags = 0x7E020000;
  // On s390 the flags are the second argument.
  const unsigned index = ::seccomp_arch_native() == SCMP_ARCH_S390X ? 1 : 0;
  profile->rules.push_back(
      {{"clone"}, kAllow, {}, {{index, kNamespaceFlags, 0, "SCMP_CMP_MASKED_EQ"}}});
  profile->rules.push_back({{"clone3"}, kErrno, ENOSYS, {}});
}

// Execution domains that change nothing but uname(2) and address layout: Linux, 32 bit uname,
// both, and "what is it now" (personality(2)).
void AddPersonality(SeccompProfile* profile) {
  for (uint64_t persona : {0x0u, 0x0008u, 0x20000u, 0x20008u, 0xffffffffu}) {
    profile->rules.push_back({{"personality"}, kAllow, {}, {{0, persona, 0, "SCMP_CMP_EQ"}}});
  }
}

// AF_VSOCK (40) talks to the hypervisor, past every network namespace (vsock(7)).
void AddSocket(SeccompProfile* profile) {
  constexpr uint64_t kAfVsock = 40;
  profile->rules.push_back({{"socket"}, kAllow, {}, {{0, kAfVsock, 0, "SCMP_CMP_NE"}}});
}

}  // namespace

SeccompProfile DefaultSeccompProfile(const SeccompContext& context) {
  SeccompProfile profile;
  profile.default_action = kErrno;
  profile.default_errno_ret = EPERM;
  SeccompRule allowed{{}, kAllow, {}, {}};
  for (std::string_view group : kAllowed) {
    for (std::string& name : Words(group)) allowed.names.push_back(std::move(name));
  }
  profile.rules.push_back(std::move(allowed));
  AddArchitecture(&profile);
  AddSocket(&profile);
  AddPersonality(&profile);
  if (!Has(context, "CAP_SYS_ADMIN")) AddClone(&profile);
  const bool safe_tracing =
      context.kernel_major > 4 || (context.kernel_major == 4 && context.kernel_minor >= 8);
  if (safe_tracing) profile.rules.push_back({Words(kTracing), kAllow, {}, {}});
  for (const Conditional& rule : kWithCapability) {
    if (Has(context, rule.capability)) {
      profile.rules.push_back({Words(rule.names), kAllow, {}, {}});
    }
  }
  // The table names calls that are newer than this libseccomp; they are not worth a warning.
  for (SeccompRule& rule : profile.rules) {
    std::erase_if(rule.names, [](const std::string& name) {
      return ::seccomp_syscall_resolve_name(name.c_str()) == __NR_SCMP_ERROR;
    });
  }
  std::erase_if(profile.rules, [](const SeccompRule& rule) { return rule.names.empty(); });
  return profile;
}

}  // namespace crisp::oci
