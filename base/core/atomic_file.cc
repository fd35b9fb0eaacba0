#include "base/core/atomic_file.h"

#include <unistd.h>

#include <cstdio>

namespace crisp {

AtomicFile::AtomicFile(UniqueFd dir, std::string name, std::string temporary, UniqueFd fd,
                       bool durable)
    : dir_(std::move(dir)),
      name_(std::move(name)),
      temporary_(std::move(temporary)),
      fd_(std::move(fd)),
      durable_(durable) {}

AtomicFile::~AtomicFile() {
  if (fd_) ::unlinkat(dir_.get(), temporary_.c_str(), 0);
}

Result<AtomicFile> AtomicFile::Create(const std::string& path, mode_t mode, bool durable) {
  const size_t slash = path.find_last_of('/');
  const std::string dir_path = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty()) return InvalidArgument("write ", path, ": not a file name");
  UniqueFd dir = CRISP_TRY(OpenFile(dir_path, O_RDONLY | O_DIRECTORY));
  std::string temporary = Cat(name, ".tmp.", ::getpid(), '.', ::gettid());
  ::unlinkat(dir.get(), temporary.c_str(), 0);
  UniqueFd fd = CRISP_TRY(
      OpenAt(dir.get(), temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode).Wrap(path));
  return AtomicFile(std::move(dir), std::move(name), std::move(temporary), std::move(fd), durable);
}

Status AtomicFile::Write(std::string_view data) { return WriteAll(fd_.get(), data).Wrap(name_); }

Status AtomicFile::Commit() {
  if (durable_ && ::fsync(fd_.get()) != 0) return Errno("fsync ", name_);
  if (::renameat(dir_.get(), temporary_.c_str(), dir_.get(), name_.c_str()) != 0) {
    return Errno("rename ", temporary_, " to ", name_);
  }
  CRISP_RETURN_IF_ERROR(fd_.Close().Wrap(name_));
  if (durable_ && ::fsync(dir_.get()) != 0) return Errno("fsync directory of ", name_);
  return OkStatus();
}

Status WriteFileAtomically(const std::string& path, std::string_view data, mode_t mode,
                           bool durable) {
  AtomicFile file = CRISP_TRY(AtomicFile::Create(path, mode, durable));
  CRISP_RETURN_IF_ERROR(file.Write(data));
  return file.Commit();
}

}  // namespace crisp
