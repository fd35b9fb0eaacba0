// The mounts of this process's mount namespace: /proc/self/mountinfo.
//
// Contract: proc_pid_mountinfo(5).
// Threads:  free functions without state.
// Errors:   those of ReadFile; name the file.
#ifndef CRISP_BASE_MOUNT_TABLE_H_
#define CRISP_BASE_MOUNT_TABLE_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp {

struct MountEntry {
  std::string point;  // without the kernel's escapes
  bool shared = false;
  bool slave = false;
  std::string type;           // "ext4"
  std::string super_options;  // "rw,memory", as the kernel writes them
};

// In the kernel's order; a line that is none is left out. `path`: the file.
Result<std::vector<MountEntry>> ReadMountTable(const std::string& path = "/proc/self/mountinfo");
std::vector<MountEntry> ParseMountTable(std::string_view text);
// Mount points below `directory` and not itself, parents first, each once. What a later mount
// hides is left out.
Result<std::vector<std::string>> MountPointsBelow(const std::string& directory,
                                                  const std::string& path);

// By name alone; both absolute, without a slash at the end.
bool IsAtOrBelow(std::string_view path, std::string_view parent);

}  // namespace crisp

#endif  // CRISP_BASE_MOUNT_TABLE_H_
