// Text of the kernel taken apart: lines, words, and lines with a key in front.
//
// Contract: "CapBnd:\t00ff" of /proc/<pid>/status (proc_pid_status(5)), "DEVNAME=vda" of a uevent
//           file. A key counts at the beginning of a line only: what stands behind other keys are
//           names that others have chosen.
// Threads:  free functions without state.
#ifndef CRISP_BASE_CORE_KEYED_LINE_H_
#define CRISP_BASE_CORE_KEYED_LINE_H_

#include <optional>
#include <string_view>

namespace crisp {

// What stands before the next `separator`, or all; `text` becomes what stands behind it.
std::string_view TakeUntil(char separator, std::string_view* text);

// The rest of the first line that begins with `key`, as it is. nullopt: there is no such line.
std::optional<std::string_view> KeyedLine(std::string_view text, std::string_view key);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_KEYED_LINE_H_
