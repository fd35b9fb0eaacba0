#include "image/pull_pace.h"

#include <utility>

namespace crisp::image {

bool PullPace::IsSlow(MonoTime now, Seen seen, bool unpacks) {
  const Duration time = now - std::exchange(last_look_, now);
  const Seen before = std::exchange(last_, seen);
  if (unpacks || seen.held - before.held >= time / 2) return false;
  const double windows = std::chrono::duration<double>(time) / kWindow;
  return static_cast<double>(seen.received_bytes - before.received_bytes) <
         windows * static_cast<double>(kLeastBytes);
}

void PullPace::Restart(MonoTime now, Seen seen) {
  last_look_ = now;
  last_ = seen;
}

}  // namespace crisp::image
