// Confine: crisp-pull gives up what pulling does not need.
//
// What:     it keeps the capabilities that unpacking needs, is not dumpable (credentials are in its
//           memory) and gets no more through programs that it runs (gpgv), which live under all of
//           this. A system call filter refuses what no pull ever asks of the kernel: other
//           processes' memory, keys, modules, BPF, io_uring, clocks, namespaces but for mounts,
//           files by handle, sockets but for the network and name service. Mounting remains: tied
//           layers are unpacked under an overlay.
// Contract: capabilities(7), prctl(2), seccomp(2). What is refused gets ENOSYS, as from an older
//          kernel (a socket EAFNOSUPPORT), and a line in the audit log (but for clone3, glibc's
//          first choice).
// Threads:  before there is a second one.
// Errors:   of capset(2), prctl(2) and seccomp(2). A kernel or architecture without filters is no
//          error.
#ifndef CRISP_IMAGE_PULL_CONFINEMENT_H_
#define CRISP_IMAGE_PULL_CONFINEMENT_H_

#include "base/core/result.h"

namespace crisp::image {

Status Confine();

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_CONFINEMENT_H_
