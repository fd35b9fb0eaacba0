// The mounts of this process's mount namespace: /proc/self/mountinfo.
//
// Contract: proc_pid_mountinfo(5).
// Threads:  free functions without state.
#ifndef CRISP_OCI_MOUNT_TABLE_H_
#define CRISP_OCI_MOUNT_TABLE_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp::oci {

struct MountEntry {
  std::string point;
  bool shared = false;
  bool slave = false;
};

// In the kernel's order; a line that is none is left out. `path`: the file.
Result<std::vector<MountEntry>> ReadMountTable(const std::string& path);
std::vector<MountEntry> ParseMountTable(std::string_view text);
// Mount points below `directory` and not itself, parents first, each once. What a later mount
// hides is left out.
Result<std::vector<std::string>> MountPointsBelow(const std::string& directory,
                                                  const std::string& path);

bool IsAtOrBelow(std::string_view path, std::string_view parent);

}  // namespace crisp::oci

#endif  // CRISP_OCI_MOUNT_TABLE_H_
