// KeepCapabilities: gives up all capabilities of this thread but some, for good.
//
// Contract: capabilities(7): permitted and effective are what was permitted and is in `kept` (bits
//           1 << CAP_*), inheritable is empty.
// Threads:  the calling one; before there is a second.
// Errors:   of capget(2) and capset(2); then nothing was given up.
#ifndef CRISP_BASE_CORE_CAPABILITIES_H_
#define CRISP_BASE_CORE_CAPABILITIES_H_

#include <cstdint>

#include "base/core/result.h"

namespace crisp {

Status KeepCapabilities(uint64_t kept);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_CAPABILITIES_H_
