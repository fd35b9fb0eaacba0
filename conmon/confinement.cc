#include "conmon/confinement.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <iterator>

#include "base/core/capabilities.h"

#ifndef CRISP_NO_FILTER
#include "conmon/monitor_filter.inc"
#endif

namespace crisp::conmon {
namespace {

constexpr uint64_t kKept = uint64_t{1} << CAP_KILL;
constexpr int kHighestCapability = 63;

// Needs CAP_SETPCAP. Without it the sets still cannot grow again, because of no_new_privs.
void DropBoundingSet() {
  for (int capability = 0; capability <= kHighestCapability; ++capability) {
    if ((kKept >> capability & 1) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return;
  }
}

Status InstallFilter() {
#ifdef CRISP_MONITOR_FILTER
  static constexpr sock_filter kFilter[] = {CRISP_MONITOR_FILTER};
  const sock_fprog program{std::size(kFilter), const_cast<sock_filter*>(kFilter)};
  for (const unsigned flags : {static_cast<unsigned>(SECCOMP_FILTER_FLAG_LOG), 0u}) {
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0) return OkStatus();
    if (errno != EINVAL) break;  // before 4.14: no such flag
  }
  if (errno != EINVAL && errno != ENOSYS) return Errno("seccomp");
#endif
  return OkStatus();
}

}  // namespace

void ForbidTracing() { ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

Status Confine() {
  ForbidTracing();
  DropBoundingSet();
  CRISP_RETURN_IF_ERROR(KeepCapabilities(kKept));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Errno("no_new_privs");
  return InstallFilter();
}

}  // namespace crisp::conmon
