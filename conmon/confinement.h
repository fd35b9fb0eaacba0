// Confine: what crisp-monitor gives up once the container exists.
//
// What:    it is not dumpable any more, keeps CAP_KILL alone of the capabilities (bounding set
//          included), gains no new privileges and has a system call filter
//          (cmake/make_monitor_filter.cc, embedded as data). All of it stays over exec, and so over
//          an upgrade in place.
// Contract: capabilities(7), prctl(2), seccomp(2). What it needs no more is refused with ENOSYS, as
//           by an older kernel, and recorded in the audit log (SECCOMP_FILTER_FLAG_LOG): a filter
//           that were wrong must not cost a container its log and its exit code.
//           CAP_KILL: the container may run as another user, and kShutdown kills it.
// Threads:  one process, one thread.
// Errors:   of capset(2) and seccomp(2). A kernel or architecture without filters is no error.
#ifndef CRISP_CONMON_CONFINEMENT_H_
#define CRISP_CONMON_CONFINEMENT_H_

#include "base/core/result.h"

namespace crisp::conmon {

Status Confine();

// Nobody without CAP_SYS_PTRACE may trace this process or look into /proc/<pid>/{root,fd,environ}.
// With few capabilities it would otherwise be open to every root of a host-PID container, because
// ptrace(2) compares capability sets. exec(2) undoes it.
void ForbidTracing();

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_CONFINEMENT_H_
