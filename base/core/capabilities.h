// Capabilities of the calling thread (capabilities(7)).
//
// KeepCapabilities: gives up all but some, for good: permitted and effective are what was permitted
//           and is in `kept` (bits 1 << CAP_*), inheritable is empty. Before there is a second
//           thread. Errors of capget(2) and capset(2); then nothing was given up.
// HasCapability: whether a CAP_* is in effect.
#ifndef CRISP_BASE_CORE_CAPABILITIES_H_
#define CRISP_BASE_CORE_CAPABILITIES_H_

#include <cstdint>

#include "base/core/result.h"

namespace crisp {

Status KeepCapabilities(uint64_t kept);
bool HasCapability(int capability);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_CAPABILITIES_H_
