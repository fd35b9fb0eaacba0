#include "base/core/clock.h"

#include <algorithm>
#include <ctime>

namespace crisp {

int64_t WallNowNs() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

int PollTimeoutMs(MonoTime deadline) {
  if (deadline == NoDeadline()) return -1;
  const auto left = deadline - MonoNow();
  if (left <= Duration::zero()) return 0;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<int64_t>(ms, 1'000'000'000));
}

}  // namespace crisp
