// ProcessCgroup: in which control group a process is on one hierarchy, from /proc/<pid>/cgroup.
//
// Contract: cgroups(7), "/proc files": a line "id:controllers:path" for each hierarchy. A group's
//           name has no newline (the kernel refuses it), but may have colons.
// Threads:  free functions; plain values.
// Errors:   kNotFound: no such process (any more). Lines of another form are passed over.
#ifndef CRISP_BASE_PROCESS_CGROUPS_H_
#define CRISP_BASE_PROCESS_CGROUPS_H_

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp {

struct ProcessCgroup {
  std::string controllers;  // v1: "cpu,cpuacct" or "name=systemd"; empty: the v2 hierarchy
  // Absolute, from the root of the reader's cgroup namespace ("/../x" is outside of that). That of
  // a removed group may have " (deleted)" behind it.
  std::string path;

  bool Has(std::string_view controller) const;
};

// In the order of the lines.
std::vector<ProcessCgroup> ParseProcessCgroups(std::string_view text);
Result<std::vector<ProcessCgroup>> ReadProcessCgroups(pid_t pid);

}  // namespace crisp

#endif  // CRISP_BASE_PROCESS_CGROUPS_H_
