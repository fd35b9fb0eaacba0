#include "conmon/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/file.h"

namespace crisp::conmon {
namespace {

Result<UniqueFd> OpenBelow(UniqueFd dir, std::string_view names) {
  while (!names.empty()) {
    const size_t slash = names.find('/');
    const std::string name(names.substr(0, slash));
    names = slash == std::string_view::npos ? std::string_view() : names.substr(slash + 1);
    if (name.empty() || name == ".") continue;
    if (name == "..") return InvalidArgument("'..' in the path");
    if (::mkdirat(dir.get(), name.c_str(), 0755) != 0 && errno != EEXIST) {
      return Errno("make directory ", name);
    }
    dir = CRISP_TRY(OpenAt(dir.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  }
  return dir;
}

Result<UniqueFd> OpenParent(const std::string& path, const std::string& directory) {
  const std::string parent = path.substr(0, path.rfind('/'));
  const std::string& trusted = directory.empty() ? parent : directory;
  if (!directory.empty() && !Cat(parent, "/").starts_with(Cat(directory, "/"))) {
    return InvalidArgument("log path ", path, " is not below ", directory);
  }
  const std::string top = trusted.empty() ? "/" : trusted;
  CRISP_RETURN_IF_ERROR(EnsureDirectory(top, 0755));
  UniqueFd dir = CRISP_TRY(OpenFile(top, O_PATH | O_DIRECTORY));
  return OpenBelow(std::move(dir), std::string_view(parent).substr(trusted.size())).Wrap(path);
}

}  // namespace

Result<UniqueFd> LogFile::OpenFileInDirectory() {
  const size_t slash = path_.rfind('/');
  if (slash == std::string::npos || slash + 1 == path_.size()) {
    return InvalidArgument("log path '", path_, "' must be the absolute path of a file");
  }
  struct stat info {};
  // Without links it was removed, and nothing can be made in it any more.
  const bool held = parent_ && ::fstat(parent_.get(), &info) == 0 && info.st_nlink > 0;
  if (!held) parent_ = CRISP_TRY(OpenParent(path_, directory_));
  // O_NONBLOCK: a FIFO in this place must not hold us; it means nothing to a regular file.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  UniqueFd fd(::openat(parent_.get(), path_.c_str() + slash + 1, kFlags | O_CLOEXEC, 0640));
  if (!fd) return Errno("open ", path_);
  if (::fstat(fd.get(), &info) != 0) return Errno("stat log ", path_);
  if (!S_ISREG(info.st_mode)) return FailedPrecondition("log ", path_, " is not a regular file");
  return fd;
}

Status LogFile::Open(std::string path, std::string directory) {
  if (path.empty()) return OkStatus();
  path_ = std::move(path);
  directory_ = std::move(directory);
  while (directory_.ends_with('/')) directory_.pop_back();
  parent_.Reset();
  auto opened = OpenFileInDirectory();
  if (!opened.ok()) {
    path_.clear();
    return std::move(opened).status().Wrap("open log");
  }
  fd_ = std::move(*opened);
  return OkStatus();
}

Status LogFile::Reopen() {
  if (!enabled()) return FailedPrecondition("this container has no log");
  fd_ = CRISP_TRY(OpenFileInDirectory().Wrap("reopen log"));
  return OkStatus();
}

void LogFile::Restore(std::string path, std::string directory, UniqueFd fd, uint64_t logged,
                      uint64_t dropped) {
  path_ = std::move(path);
  directory_ = std::move(directory);
  fd_ = std::move(fd);
  logged_bytes_ = logged;
  dropped_bytes_ = dropped;
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
