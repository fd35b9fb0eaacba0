// crispd's own limit of descriptors.
//
// What:     500 pods need about 1100 descriptors, and a service's soft limit is often 1024. The
// soft
//           limit is raised to the hard one for this process alone: what it starts, containers
//           included, begins with the soft limit that crispd was given.
// Contract: setrlimit(2); SetChildDescriptorLimit of base/core.
// Threads:  before others exist.
// Errors:   of the kernel; then nothing has changed.
#ifndef CRISP_SERVER_DESCRIPTOR_LIMIT_H_
#define CRISP_SERVER_DESCRIPTOR_LIMIT_H_

#include "base/core/result.h"

namespace crisp {

Status RaiseDescriptorLimit();

}  // namespace crisp

#endif  // CRISP_SERVER_DESCRIPTOR_LIMIT_H_
