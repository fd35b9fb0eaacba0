#include "image/pull/confinement.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "base/core/capabilities.h"

namespace crisp::image {
namespace {

// Owners and modes of any kind, devices, file capabilities; CAP_SYS_ADMIN for trusted.* attributes
// and for the overlay under which tied layers are unpacked.
constexpr int kKept[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
                         CAP_FSETID, CAP_MKNOD,        CAP_SETFCAP,         CAP_SYS_ADMIN};

uint64_t Kept() {
  uint64_t kept = 0;
  for (const int capability : kKept) kept |= uint64_t{1} << capability;
  return kept;
}

// Sanitizers make system calls of their own (ptrace, at the end).
#if !defined(CRISP_NO_FILTER) && (defined(__x86_64__) || defined(__aarch64__))
#ifdef __x86_64__
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
constexpr uint32_t kX32Calls = 0x40000000;  // numbers from here on are another ABI's
#else
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

// A list of what is refused, not of what is allowed: libcurl, OpenSSL, name service and gpgv are
// other people's, and the next version of one must not end all pulls.
constexpr uint32_t kRefused[] = {
    // Other processes, and tools of exploits.
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_kcmp,
    SYS_pidfd_getfd, SYS_userfaultfd, SYS_perf_event_open, SYS_bpf, SYS_io_uring_setup,
    SYS_io_uring_enter, SYS_io_uring_register, SYS_add_key, SYS_request_key, SYS_keyctl,
    // The machine.
    SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load,
    SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_syslog, SYS_quotactl, SYS_quotactl_fd,
    SYS_vhangup, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex,
    SYS_sethostname, SYS_setdomainname,
#ifdef __x86_64__
    SYS_iopl, SYS_ioperm, SYS_modify_ldt,
#endif
    // Views of the file system.
    SYS_setns, SYS_chroot, SYS_pivot_root, SYS_open_tree, SYS_move_mount, SYS_fspick,
    SYS_mount_setattr, SYS_name_to_handle_at, SYS_open_by_handle_at, SYS_fanotify_init};

// All but CLONE_NEWNS, the mount namespace of an old kernel's overlay, and CLONE_NEWTIME, whose bit
// is none of clone(2)'s.
constexpr uint32_t kOtherNamespaces =
    CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
// AF_NETLINK: getaddrinfo(3) asks for the machine's addresses.
constexpr uint32_t kFamilies[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

class FilterProgram {
 public:
  FilterProgram() {
    Load(offsetof(seccomp_data, arch));
    Test(BPF_JEQ, kArchitecture, 1, 0);
    Refuse(ENOSYS);
    Load(offsetof(seccomp_data, nr));
#ifdef __x86_64__
    Test(BPF_JGE, kX32Calls, 0, 1);
    Refuse(ENOSYS);
#endif
  }
  void RefuseCall(uint32_t call) {
    Test(BPF_JEQ, call, 0, 1);
    Refuse(ENOSYS);
  }
  void RefuseFlags(uint32_t call, uint32_t flags) {
    Test(BPF_JEQ, call, 0, 4);
    Load(kFirstArgument);
    Test(BPF_JSET, flags, 0, 1);
    Refuse(ENOSYS);
    Allow();
  }
  void RefuseOtherFamilies() {
    constexpr uint8_t kCount = std::size(kFamilies);
    Test(BPF_JEQ, SYS_socket, 0, kCount + 3);
    Load(kFirstArgument);
    for (uint8_t i = 0; i < kCount; ++i) {
      Test(BPF_JEQ, kFamilies[i], static_cast<uint8_t>(kCount - i), 0);
    }
    Refuse(EAFNOSUPPORT);
    Allow();
  }
  // `flags` of seccomp(2); an old kernel gets none. Without SPEC_ALLOW a kernel before 5.16 would
  // slow down all that is hashed and inflated.
  Status Install(unsigned long flags) {
    Allow();
    const sock_fprog program{static_cast<uint16_t>(code_.size()), code_.data()};
    for (const unsigned long those : {flags | SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0ul}) {
      if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, those, &program) == 0) return OkStatus();
      if (errno != EINVAL) break;
    }
    if (errno != EINVAL && errno != ENOSYS) return Errno("seccomp");
    return OkStatus();
  }

 private:
  static_assert(std::endian::native == std::endian::little);
  static constexpr uint32_t kFirstArgument = offsetof(seccomp_data, args);  // its lower half

  void Load(uint32_t offset) { code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)); }
  // How many instructions are passed over when it is so, and when it is not.
  void Test(uint16_t test, uint32_t value, uint8_t yes, uint8_t no) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_K | test, value, yes, no));
  }
  void Refuse(uint32_t error) { Return(SECCOMP_RET_ERRNO | error); }
  void Allow() { Return(SECCOMP_RET_ALLOW); }
  void Return(uint32_t action) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, action)); }

  std::vector<sock_filter> code_;
};

Status InstallFilter() {
  // Its flags are out of a filter's sight; glibc then uses clone(2). By itself, because it asks for
  // each thread: that is not for the log.
  FilterProgram quiet;
  quiet.RefuseCall(SYS_clone3);
  CRISP_RETURN_IF_ERROR(quiet.Install(0));
  FilterProgram filter;
  for (const uint32_t call : kRefused) filter.RefuseCall(call);
  filter.RefuseFlags(SYS_unshare, kOtherNamespaces | CLONE_NEWTIME);
  filter.RefuseFlags(SYS_clone, kOtherNamespaces | CLONE_NEWNS);
  filter.RefuseOtherFamilies();
  return filter.Install(SECCOMP_FILTER_FLAG_LOG);
}
#else
Status InstallFilter() { return OkStatus(); }
#endif

}  // namespace

Status Confine() {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  CRISP_RETURN_IF_ERROR(KeepCapabilities(Kept()));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Errno("no_new_privs");
  return InstallFilter();
}

}  // namespace crisp::image
