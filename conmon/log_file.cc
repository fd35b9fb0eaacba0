#include "conmon/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/file.h"

namespace crisp::conmon {
namespace {

Result<UniqueFd> OpenLog(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size()) {
    return InvalidArgument("log path '", path, "' must be the absolute path of a file");
  }
  if (slash > 0) CRISP_RETURN_IF_ERROR(EnsureDirectory(path.substr(0, slash), 0755));
  // O_NONBLOCK: a FIFO in this place must not hold us; it means nothing to a regular file.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  UniqueFd fd = CRISP_TRY(OpenFile(path, kFlags, 0640));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return Errno("stat log ", path);
  if (!S_ISREG(info.st_mode)) return FailedPrecondition("log ", path, " is not a regular file");
  return fd;
}

}  // namespace

Status LogFile::Open(std::string path) {
  if (path.empty()) return OkStatus();
  fd_ = CRISP_TRY(OpenLog(path).Wrap("open log"));
  path_ = std::move(path);
  return OkStatus();
}

Status LogFile::Reopen() {
  if (!enabled()) return FailedPrecondition("this container has no log");
  fd_ = CRISP_TRY(OpenLog(path_).Wrap("reopen log"));
  return OkStatus();
}

void LogFile::WriteLines(std::string_view lines) {
  if (!enabled()) return;
  size_t done = 0;
  while (done < lines.size()) {
    const ssize_t n = ::write(fd_.get(), lines.data() + done, lines.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  logged_bytes_ += done;
  if (done == lines.size()) return;
  dropped_bytes_ += lines.size() - done;
  CutBack(lines.substr(0, done));
}

void LogFile::CutBack(std::string_view written) {
  const size_t newline = written.rfind('\n');
  const size_t excess = written.size() - (newline == std::string_view::npos ? 0 : newline + 1);
  if (excess == 0) return;
  // After an O_APPEND write the offset is the end of what was written.
  const off_t end = ::lseek(fd_.get(), 0, SEEK_CUR);
  if (end >= static_cast<off_t>(excess) &&
      ::ftruncate(fd_.get(), end - static_cast<off_t>(excess)) == 0) {
    logged_bytes_ -= excess;
    dropped_bytes_ += excess;
  }
}

}  // namespace crisp::conmon
