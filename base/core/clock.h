// The two clocks. Deadlines are always on the monotonic clock (a step of the wall clock moves
// none); what users see (created_at, log lines) is wall-clock nanoseconds since the epoch.
#ifndef CRISP_BASE_CORE_CLOCK_H_
#define CRISP_BASE_CORE_CLOCK_H_

#include <chrono>
#include <cstdint>

namespace crisp {

using MonoTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

inline MonoTime MonoNow() { return std::chrono::steady_clock::now(); }
inline MonoTime NoDeadline() { return MonoTime::max(); }
// Wall clock, ns since the epoch.
int64_t WallNowNs();
// A deadline as a poll(2) timeout: ms rounded up, 0 when passed, -1 for NoDeadline().
int PollTimeoutMs(MonoTime deadline);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_CLOCK_H_
