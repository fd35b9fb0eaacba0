#include "base/core/tree_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <vector>

namespace crisp {
namespace {

constexpr size_t kHeldLevels = 32;
// 32 MiB of frames, for which somebody has filled 4 GiB of disk with directories.
constexpr size_t kMaxDepth = 1 << 20;

class Walk {
 public:
  Walk(const TreeVisitor& visit, const TreeGate& enter) : visit_(visit), enter_(enter) {}

  Status Run(const DirFd& top) {
    CRISP_RETURN_IF_ERROR(Enter(top.get(), "."));
    while (!frames_.empty()) {
      if (!frames_.back().level && !ComeBack()) continue;
      const dirent64* const entry = CRISP_TRY(Next());
      if (entry == nullptr) {
        Leave();
        continue;
      }
      CRISP_RETURN_IF_ERROR(Visit(entry->d_name));
    }
    return OkStatus();
  }

 private:
  // An open directory and the piece of it that was read last.
  struct Level {
    UniqueFd fd;
    alignas(dirent64) std::array<char, 8192> buffer;
    size_t at = 0;
    size_t end = 0;
  };
  struct Frame {
    dev_t device = 0;
    ino_t inode = 0;
    off64_t next = 0;              // where reading goes on in the directory
    std::unique_ptr<Level> level;  // empty: closed, because too many are open
  };

  static bool IsGone(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

  Status Enter(int dir_fd, const std::string& name) {
    if (frames_.size() >= kMaxDepth) return OkStatus();
    auto opened = OpenAt(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!opened.ok()) {
      return IsGone(opened.status().sys_errno()) ? OkStatus() : std::move(opened).status();
    }
    struct stat st {};
    if (::fstat(opened->get(), &st) != 0) return Errno("stat ", name);
    if (!frames_.empty() && enter_ && !enter_(opened->get(), st)) return OkStatus();
    if (frames_.size() >= kHeldLevels) frames_.back().level.reset();
    Frame& frame = frames_.emplace_back();
    frame.device = st.st_dev;
    frame.inode = st.st_ino;
    frame.level = std::make_unique<Level>();
    frame.level->fd = std::move(*opened);
    return OkStatus();
  }

  // The next entry of the innermost directory; null at its end.
  Result<const dirent64*> Next() {
    Frame& frame = frames_.back();
    Level& level = *frame.level;
    if (level.at == level.end) {
      const ssize_t n = ::getdents64(level.fd.get(), level.buffer.data(), level.buffer.size());
      if (n < 0 && errno != ENOENT) return Errno("read directory");
      if (n <= 0) return nullptr;
      level.at = 0;
      level.end = static_cast<size_t>(n);
    }
    const auto* entry = reinterpret_cast<const dirent64*>(level.buffer.data() + level.at);
    level.at += entry->d_reclen;
    frame.next = entry->d_off;
    return entry;
  }

  Status Visit(const std::string& name) {
    if (name == "." || name == "..") return OkStatus();
    const int dir_fd = frames_.back().level->fd.get();
    struct stat st {};
    if (::fstatat(dir_fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      return IsGone(errno) ? OkStatus() : Errno("stat ", name);
    }
    CRISP_RETURN_IF_ERROR(visit_(dir_fd, name, st));
    return S_ISDIR(st.st_mode) ? Enter(dir_fd, name) : OkStatus();
  }

  void Leave() {
    left_ = std::move(frames_.back().level->fd);
    frames_.pop_back();
  }

  // Opens the innermost directory again, from the one below it that was just left. False when that
  // was moved away meanwhile: then the walk goes on in the deepest directory that is still open.
  bool ComeBack() {
    Frame& frame = frames_.back();
    UniqueFd up(::openat(left_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat st {};
    if (up && ::fstat(up.get(), &st) == 0 && st.st_dev == frame.device &&
        st.st_ino == frame.inode && ::lseek64(up.get(), frame.next, SEEK_SET) == frame.next) {
      frame.level = std::make_unique<Level>();
      frame.level->fd = std::move(up);
      return true;
    }
    while (!frames_.empty() && !frames_.back().level) frames_.pop_back();
    return false;
  }

  const TreeVisitor& visit_;
  const TreeGate& enter_;
  std::vector<Frame> frames_;
  UniqueFd left_;
};

}  // namespace

Status WalkTree(const DirFd& top, const TreeVisitor& visit, const TreeGate& enter) {
  return Walk(visit, enter).Run(top);
}

}  // namespace crisp
