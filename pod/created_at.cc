#include "pod/created_at.h"

#include <atomic>

#include "base/core/clock.h"

namespace crisp::pod {

int64_t NextCreatedAtNs() {
  static std::atomic<int64_t> last{0};
  int64_t seen = last.load();
  int64_t next;
  do {
    next = std::max(WallNowNs(), seen + 1);
  } while (!last.compare_exchange_weak(seen, next));
  return next;
}

}  // namespace crisp::pod
