// Process ids in text that others write: an OCI runtime's pid file, the kernel's lists.
//
// Contract: a pid file holds one number in decimal (`runc create --pid-file`); cgroup.procs has a
//           number a line (cgroup-v2.rst), /proc/<pid>/task/<tid>/children has blanks between them
//           (proc_pid_task_children(5)), the line NSpid of /proc/<pid>/status has the process's
//           number in each PID namespace, the innermost at the end (proc_pid_status(5)).
// Threads:  free functions without state.
#ifndef CRISP_BASE_CORE_PID_TEXT_H_
#define CRISP_BASE_CORE_PID_TEXT_H_

#include <sys/types.h>

#include <optional>
#include <string_view>
#include <vector>

namespace crisp {

// nullopt for everything but one whole number above 1: what is read from a pid file is going to be
// signalled, half a number is somebody else's, and 1 is nobody that a runtime started for us.
std::optional<pid_t> ParsePidFile(std::string_view text);

// In the order of the text. Words that are no pids are skipped, and so is 0, which stands for
// processes outside of the PID namespace.
std::vector<pid_t> ParsePids(std::string_view text);

// Of the text of /proc/<pid>/status: the last number of the line "NSpid" is 1.
bool IsFirstOfItsNamespace(std::string_view status);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_PID_TEXT_H_
