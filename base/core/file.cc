#include "base/core/file.h"

#include <unistd.h>

#include <array>

namespace crisp {

Result<UniqueFd> OpenAt(int dir, const std::string& path, int flags, mode_t mode) {
  UniqueFd fd(::openat(dir, path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return Errno("open ", path);
  return fd;
}

Result<std::string> ReadAll(int fd, size_t limit) {
  std::string out;
  std::array<char, 16384> chunk;
  for (;;) {
    const ssize_t n = ::read(fd, chunk.data(), chunk.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return Errno("read");
    }
    if (n == 0) return out;
    if (out.size() + static_cast<size_t>(n) > limit) {
      return ResourceExhausted("read: more than ", limit, " bytes");
    }
    out.append(chunk.data(), static_cast<size_t>(n));
  }
}

Result<std::string> ReadFileAt(int dir, const std::string& path, size_t limit) {
  UniqueFd fd = CRISP_TRY(OpenAt(dir, path, O_RDONLY));
  return ReadAll(fd.get(), limit).Wrap(path);
}

Result<std::string> ReadRegularFile(const std::string& path, size_t limit) {
  const UniqueFd fd = CRISP_TRY(OpenFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return Errno("stat ", path);
  if (!S_ISREG(info.st_mode)) return InvalidArgument(path, ": not a regular file");
  return ReadAll(fd.get(), limit).Wrap(path);
}

Status WriteAll(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return Errno("write");
    }
    data.remove_prefix(static_cast<size_t>(n));
  }
  return OkStatus();
}

Status WriteControlFile(int dir, const std::string& path, std::string_view data) {
  UniqueFd fd = CRISP_TRY(OpenAt(dir, path, O_WRONLY));
  ssize_t n;
  do {
    n = ::write(fd.get(), data.data(), data.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return Errno("write '", Trim(data), "' to ", path);
  if (static_cast<size_t>(n) != data.size()) return Internal("short write to ", path);
  return OkStatus();
}

Status WriteFile(const std::string& path, std::string_view data, mode_t mode) {
  UniqueFd fd = CRISP_TRY(OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
  CRISP_RETURN_IF_ERROR(WriteAll(fd.get(), data).Wrap(path));
  return fd.Close().Wrap(path);
}

Status EnsureDirectory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return OkStatus();
  if (errno == EEXIST) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) return Errno("stat ", path);
    if (S_ISDIR(st.st_mode)) return OkStatus();
    return AlreadyExists("make directory ", path, ": it exists and is not a directory");
  }
  if (errno != ENOENT) return Errno("make directory ", path);
  const size_t slash = path.find_last_of('/', path.find_last_not_of('/'));
  if (slash == std::string::npos || slash == 0) return Errno("make directory ", path);
  CRISP_RETURN_IF_ERROR(EnsureDirectory(path.substr(0, slash), mode));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return Errno("make directory ", path);
  return OkStatus();
}

bool PathExists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string JoinPath(std::string_view base, std::string_view rest) {
  while (!rest.empty() && rest.front() == '/') rest.remove_prefix(1);
  if (base.empty()) return std::string(rest);
  return base.back() == '/' ? Cat(base, rest) : Cat(base, '/', rest);
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace crisp
