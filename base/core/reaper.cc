#include "base/core/reaper.h"

#include <sys/prctl.h>
#include <sys/wait.h>

namespace crisp {
namespace {
constexpr auto kKeepUnclaimed = std::chrono::minutes(1);
constexpr size_t kSweepAt = 256;
}  // namespace

Status Reaper::BecomeSubreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return Errno("become child subreaper");
  return OkStatus();
}

void Reaper::ReapAll() {
  std::lock_guard lock(mutex_);
  ReapAllLocked();
}

void Reaper::ReapAllLocked() {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL) != 0) {
      if (errno == EINTR) continue;
      break;  // ECHILD
    }
    if (info.si_pid == 0) break;
    ExitStatus status;
    if (info.si_code == CLD_EXITED) {
      status.code = info.si_status;
    } else {
      status.signal = info.si_status;
      status.code = 128 + info.si_status;
    }
    unclaimed_[info.si_pid] = Entry{status, MonoNow()};
  }
  if (unclaimed_.size() > kSweepAt) {
    const MonoTime limit = MonoNow() - kKeepUnclaimed;
    std::erase_if(unclaimed_, [&](const auto& item) { return item.second.reaped_at < limit; });
  }
}

std::optional<ExitStatus> Reaper::Take(pid_t pid, MonoTime since) {
  std::lock_guard lock(mutex_);
  ReapAllLocked();
  const auto it = unclaimed_.find(pid);
  if (it == unclaimed_.end()) return std::nullopt;
  const Entry entry = it->second;
  unclaimed_.erase(it);
  if (entry.reaped_at < since) return std::nullopt;
  return entry.status;
}

}  // namespace crisp
