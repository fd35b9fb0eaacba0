// Whole-file reads and writes by path or relative to a directory descriptor.
//
// Threads: free functions without state.
// Errors:  name the path; kNotFound for ENOENT, kResourceExhausted when a read passes its limit.
// After a failed WriteFile the file may be partly written: use AtomicFile for what must survive.
#ifndef CRISP_BASE_CORE_FILE_H_
#define CRISP_BASE_CORE_FILE_H_

#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

inline constexpr size_t kDefaultReadLimit_bytes = 16u << 20;

// openat(2) with O_CLOEXEC. `dir` may be AT_FDCWD.
Result<UniqueFd> OpenAt(int dir, const std::string& path, int flags, mode_t mode = 0);
inline Result<UniqueFd> OpenFile(const std::string& path, int flags, mode_t mode = 0) {
  return OpenAt(AT_FDCWD, path, flags, mode);
}
// All that `fd` gives until EOF, at most `limit` bytes (more is kResourceExhausted).
Result<std::string> ReadAll(int fd, size_t limit = kDefaultReadLimit_bytes);
Result<std::string> ReadFileAt(int dir, const std::string& path,
                               size_t limit = kDefaultReadLimit_bytes);
inline Result<std::string> ReadFile(const std::string& path,
                                    size_t limit = kDefaultReadLimit_bytes) {
  return ReadFileAt(AT_FDCWD, path, limit);
}
// Of a path that anybody may have put there: never waits for the other end of a pipe.
// kInvalidArgument: not a regular file.
Result<std::string> ReadRegularFile(const std::string& path,
                                    size_t limit = kDefaultReadLimit_bytes);
// Writes all of `data`, through EINTR and short writes.
Status WriteAll(int fd, std::string_view data);
// One write(2) to an existing file, as sysctls and cgroup files want it; never creates.
Status WriteControlFile(int dir, const std::string& path, std::string_view data);
// Creates or truncates, then writes.
Status WriteFile(const std::string& path, std::string_view data, mode_t mode = 0644);

// mkdir -p; existing directories are fine, another kind of file is kAlreadyExists.
Status EnsureDirectory(const std::string& path, mode_t mode = 0755);
bool PathExists(const std::string& path);
// "/a" + "b" = "/a/b"; an absolute second part is appended, not taken alone.
std::string JoinPath(std::string_view base, std::string_view rest);
// Without surrounding white space (the newline of a /proc or /sys file).
std::string_view Trim(std::string_view text);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_FILE_H_
