// Reaper: the one place of a subreaper process that calls wait.
//
// What:    crispd is a child subreaper, so orphans of its helpers become its children, and none may
//          stay a zombie. ReapAll() collects every dead child; a status is kept for Take() for a
//          minute, because an exec's pid is known only after the OCI runtime wrote its pid file.
// Threads: all methods may be called from any thread; ReapAll() is called on SIGCHLD by the loop.
// Units:   ExitStatus::code is 0..255; a signal death is 128 + signal with `signal` set.
#ifndef CRISP_BASE_CORE_REAPER_H_
#define CRISP_BASE_CORE_REAPER_H_

#include <sys/types.h>

#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace crisp {

struct ExitStatus {
  int code = 0;    // as a shell shows it
  int signal = 0;  // 0: left by exit(2)
  bool success() const { return code == 0; }
};

class Reaper {
 public:
  // prctl(PR_SET_CHILD_SUBREAPER) for this process.
  static Status BecomeSubreaper();

  // Collects all dead children, without blocking.
  void ReapAll();
  // The status of `pid` if it is dead, which may have been collected before; each status is given
  // once. `since`: when the process was started; older statuses of a reused pid do not count.
  std::optional<ExitStatus> Take(pid_t pid, MonoTime since);

 private:
  struct Entry {
    ExitStatus status;
    MonoTime reaped_at;
  };
  void ReapAllLocked();

  std::mutex mutex_;
  std::unordered_map<pid_t, Entry> unclaimed_;
};

}  // namespace crisp

#endif  // CRISP_BASE_CORE_REAPER_H_
