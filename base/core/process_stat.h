// ProcessStat: what the kernel says of a process in /proc/<pid>/stat.
//
// Contract: proc_pid_stat(5). The name (field 2, in parentheses) may hold anything, blanks,
// newlines
//           and parentheses too: the other fields are those behind the last ')'. A pid and its
//           start time name a process until the next boot.
// Threads:  free functions; plain values.
// Units:    start_time: clock ticks since boot.
// Errors:   kNotFound: no such process (any more). kDataLoss: no line of this form.
#ifndef CRISP_BASE_CORE_PROCESS_STAT_H_
#define CRISP_BASE_CORE_PROCESS_STAT_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/core/result.h"

namespace crisp {

struct ProcessStat {
  char state = 'X';         // field 3: R, S, D, T, t, Z (zombie), X (dead)...
  pid_t parent = 0;         // field 4; 0: none in this PID namespace
  pid_t session = 0;        // field 6; -1: while it is being reaped
  uint32_t flags = 0;       // field 9: PF_* of include/linux/sched.h
  uint64_t start_time = 0;  // field 22
  // Field 52, of a zombie: its status as waitpid(2) gives it. The kernel shows 0 to whom it does
  // not trust (PTRACE_MODE_READ; root with CAP_SYS_PTRACE is trusted). Unset: the line ends before.
  std::optional<int> wait_status;

  // PF_EXITING: it has left its cgroups already, though it may be no zombie yet.
  bool exiting() const { return (flags & 0x4) != 0; }
};

Result<ProcessStat> ParseProcessStat(std::string_view text);
Result<ProcessStat> ReadProcessStat(pid_t pid);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_PROCESS_STAT_H_
