// Failpoints: named places where a test makes crisp fail, wait or die.
//
// What:    CRISP_FAILPOINT("pod.run.network.before") returns the armed Status from the enclosing
//          function. Armed through the environment variable CRISP_FAILPOINTS when the process
//          starts, or Arm() in a test: "name=error[:message];name=sleep:<ms>;name=kill;name=off".
//          A count limits it: "name=2*error" acts for the first two hits only.
// Threads: any. Costs one relaxed load while nothing is armed.
#ifndef CRISP_BASE_FAILPOINT_H_
#define CRISP_BASE_FAILPOINT_H_

#include <atomic>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp::failpoint {

// Parses and arms; replaces what was armed under the same names. kInvalidArgument names the part
// that is wrong, and then nothing was changed.
Status Arm(std::string_view specification);
void DisarmAll();

namespace internal {
extern std::atomic<bool> g_any_armed;
Status HitSlow(std::string_view name);
}  // namespace internal

inline Status Hit(std::string_view name) {
  if (!internal::g_any_armed.load(std::memory_order_relaxed)) return OkStatus();
  return internal::HitSlow(name);
}

}  // namespace crisp::failpoint

#define CRISP_FAILPOINT(name) CRISP_RETURN_IF_ERROR(::crisp::failpoint::Hit(name))

#endif  // CRISP_BASE_FAILPOINT_H_
