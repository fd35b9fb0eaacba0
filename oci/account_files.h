// The image's /etc/passwd and /etc/group, read as what they are: files made by a stranger.
//
// What:     one parse of each file into entries; lines that are no entries are skipped.
// Contract: passwd(5), group(5); cri-contract 9.1: read inside the rootfs only, with a size limit.
// Threads:  values and free functions.
// Errors:   kInvalidArgument when the path is no regular file, kResourceExhausted when it is larger
//           than kAccountFileLimit_bytes. A missing file (or a symlink to nothing) is empty
//           content.
#ifndef CRISP_OCI_ACCOUNT_FILES_H_
#define CRISP_OCI_ACCOUNT_FILES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/dir_fd.h"
#include "base/core/result.h"

namespace crisp::oci {

inline constexpr size_t kAccountFileLimit_bytes = 4u << 20;

struct PasswdEntry {
  std::string name;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string home;
};

struct GroupEntry {
  std::string name;
  uint32_t gid = 0;
  std::vector<std::string> members;
};

// The content of `path` ("etc/passwd") resolved inside the rootfs; empty when there is none.
Result<std::optional<std::string>> ReadAccountFile(const DirFd& rootfs, const std::string& path);

std::vector<PasswdEntry> ParsePasswd(std::string_view text);
std::vector<GroupEntry> ParseGroup(std::string_view text);

// A uid or gid in decimal; empty for anything else and for 2^32 - 1, which chown(2) reads as
// "none".
std::optional<uint32_t> ParseAccountId(std::string_view text);

}  // namespace crisp::oci

#endif  // CRISP_OCI_ACCOUNT_FILES_H_
