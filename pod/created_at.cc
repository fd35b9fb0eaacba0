#include "pod/created_at.h"

#include <atomic>

#include "base/core/clock.h"

namespace crisp::pod {

namespace {
std::atomic<int64_t> g_last{0};
}  // namespace

int64_t NextCreatedAtNs() {
  int64_t seen = g_last.load();
  int64_t next;
  do {
    next = std::max(WallNowNs(), seen + 1);
  } while (!g_last.compare_exchange_weak(seen, next));
  return next;
}

void NoteCreatedAtNs(int64_t created_at_ns) {
  int64_t seen = g_last.load();
  while (seen < created_at_ns && !g_last.compare_exchange_weak(seen, created_at_ns)) {
  }
}

}  // namespace crisp::pod
