#include "image/pull/decryption_keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "image/pull/layer_path.h"

namespace crisp::image {
namespace {

constexpr std::string_view kPasswordSuffix = ".password";

// Straight into memory that is wiped: ReadAll's buffers are not.
Result<Secret> ReadStraight(int fd, off_t size) {
  if (size > static_cast<off_t>(kMaxKeyFileBytes)) {
    return ResourceExhausted("has more than ", kMaxKeyFileBytes, " bytes");
  }
  Secret out(static_cast<size_t>(size));
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::read(fd, out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("read");
    if (n == 0) break;  // it was cut meanwhile
    done += static_cast<size_t>(n);
  }
  out.Shrink(done);
  return out;
}

// Empty: there is no such file.
Result<std::optional<Secret>> ReadSecret(int dir, const std::string& name) {
  auto file = OpenAt(dir, name, O_RDONLY | O_NONBLOCK);
  if (!file.ok()) {
    if (file.status().sys_errno() == ENOENT) return std::optional<Secret>();
    return std::move(file).status();
  }
  struct stat info;
  if (::fstat(file->get(), &info) != 0) return Errno("stat");
  if (!S_ISREG(info.st_mode)) return InvalidArgument("not a regular file");
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
    return FailedPrecondition("it belongs to user ", info.st_uid, "; allowed: root");
  }
  if ((info.st_mode & S_IRWXO) != 0) {
    return FailedPrecondition("others than its owner and group may touch it (chmod o= it)");
  }
  return std::optional<Secret>(CRISP_TRY(ReadStraight(file->get(), info.st_size)));
}

Result<PrivateKey> ReadKey(int dir, const std::string& name) {
  const std::optional<Secret> pem = CRISP_TRY(ReadSecret(dir, name));
  if (!pem) return NotFound("no such file");
  const std::string password_file = Cat(name, kPasswordSuffix);
  std::optional<Secret> password = CRISP_TRY(ReadSecret(dir, password_file).Wrap(password_file));
  if (password) {
    size_t size = password->size();
    while (size > 0 && (password->text()[size - 1] == '\n' || password->text()[size - 1] == '\r')) {
      --size;
    }
    password->Shrink(size);
  }
  return PrivateKey::Parse(*pem, password ? &*password : nullptr);
}

struct KeyPlace {
  UniqueFd directory;
  std::vector<std::string> files;
};

Result<KeyPlace> FindFiles(const std::string& path) {
  KeyPlace out;
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return out;
    return Errno("decryption keys: ", path);
  }
  if (!S_ISDIR(info.st_mode)) {
    const size_t slash = path.rfind('/');
    out.directory = CRISP_TRY(OpenFile(path.substr(0, slash + 1), O_RDONLY | O_DIRECTORY));
    out.files.push_back(path.substr(slash + 1));
    return out;
  }
  const DirFd directory = CRISP_TRY(DirFd::Open(path).Wrap("decryption keys"));
  for (std::string& name : CRISP_TRY(directory.List().Wrap("decryption keys: ", path))) {
    if (!name.starts_with('.') && !name.ends_with(kPasswordSuffix)) {
      out.files.push_back(std::move(name));
    }
  }
  std::sort(out.files.begin(), out.files.end());
  out.directory = CRISP_TRY(OpenFile(path, O_RDONLY | O_DIRECTORY));
  return out;
}

}  // namespace

Result<DecryptionKeys> DecryptionKeys::Read(const std::string& path) {
  DecryptionKeys out;
  out.path_ = path;
  if (path.empty()) return out;
  const KeyPlace place = CRISP_TRY(FindFiles(path));
  for (const std::string& name : place.files) {
    if (out.keys_.size() == kMaxDecryptionKeys) {
      return ResourceExhausted("decryption keys: ", path, " has more than ", kMaxDecryptionKeys,
                               " keys");
    }
    Result<PrivateKey> key = ReadKey(place.directory.get(), name);
    if (key.ok()) {
      out.keys_.push_back({name, *std::move(key)});
    } else {
      out.left_out_.push_back(Cat(PrintablePath(name), ": ", key.status().message()));
    }
  }
  return out;
}

}  // namespace crisp::image
