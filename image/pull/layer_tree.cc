#include "image/pull/layer_tree.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/file.h"
#include "base/core/mount.h"
#include "image/pull/layer_path.h"

namespace crisp::image {
namespace {

constexpr size_t kMaxRemembered = 256;
constexpr int kMaxSymlinks = 40;  // as the kernel's own limit (path_resolution(7))

std::string ProcPath(int fd) { return Cat("/proc/self/fd/", fd); }

Result<std::string> ReadLink(int dir, const std::string& name) {
  char target[PATH_MAX];
  const ssize_t n = ::readlinkat(dir, name.c_str(), target, sizeof(target));
  if (n < 0) return Errno("read link ", name);
  return std::string(target, static_cast<size_t>(n));
}

// "a/b" + "../c" = "a/c"; ".." at the root stays there, as the kernel has it.
std::string Resolve(const std::string& directory, std::string_view target) {
  std::string out = target.starts_with('/') ? std::string() : directory;
  while (!target.empty()) {
    const size_t slash = target.find('/');
    const std::string_view part = target.substr(0, slash);
    target = slash == std::string_view::npos ? std::string_view() : target.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      const size_t last = out.rfind('/');
      out.resize(last == std::string::npos ? 0 : last);
    } else {
      if (!out.empty()) out += '/';
      out += part;
    }
  }
  return out;
}

}  // namespace

Result<LayerTree> LayerTree::Create(const std::string& directory, ParentsProvider parents) {
  LayerTree tree;
  tree.path_ = directory;
  tree.parents_ = std::move(parents);
  for (const char* name : {"/fs", "/work", "/view"}) {
    CRISP_RETURN_IF_ERROR(EnsureDirectory(directory + name));
  }
  tree.layer_ = CRISP_TRY(DirFd::Open(directory + "/fs"));
  tree.root_ = CRISP_TRY(DirFd::Open(directory + "/fs"));
  return tree;
}

Result<UniqueFd> LayerTree::Open(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  for (int attempt = 0; attempt < 64; ++attempt) {
    UniqueFd fd(static_cast<int>(
        ::syscall(SYS_openat2, root_.get(), path.empty() ? "." : path.c_str(), &how, sizeof(how))));
    if (fd) return fd;
    if (errno != EAGAIN && errno != EINTR) break;
  }
  const int error = errno;
  Status status = ErrnoStatus(error, PrintablePath(path));
  // Everything but "not there" is the archive's fault here.
  if (error == ENOTDIR || error == ELOOP || error == EXDEV) {
    return std::move(status).WithCode(Code::kInvalidArgument);
  }
  return status;
}

Result<int> LayerTree::Directory(const std::string& path) {
  if (path.empty()) return root_.get();
  if (const auto it = directories_.find(path); it != directories_.end()) return it->second.get();
  auto fd = Open(path, O_PATH | O_DIRECTORY);
  if (!fd.ok() && fd.status().code() == Code::kNotFound && !tied_) {
    CRISP_RETURN_IF_ERROR(BecomeTied());
    fd = Open(path, O_PATH | O_DIRECTORY);
  }
  if (!fd.ok() && fd.status().code() == Code::kNotFound) {
    CRISP_RETURN_IF_ERROR(MakeDirectories(path, 0));
    fd = Open(path, O_PATH | O_DIRECTORY);
  }
  UniqueFd opened = CRISP_TRY(std::move(fd));
  const int number = opened.get();
  Remember(path, std::move(opened));
  return number;
}

Result<UniqueFd> LayerTree::NodeHere(const std::string& path) const {
  return Open(path, O_PATH | O_NOFOLLOW);
}

Result<UniqueFd> LayerTree::Node(const std::string& path) {
  auto fd = NodeHere(path);
  if (!fd.ok() && fd.status().code() == Code::kNotFound && !tied_) {
    CRISP_RETURN_IF_ERROR(BecomeTied());
    fd = NodeHere(path);
  }
  return fd;
}

void LayerTree::Remember(const std::string& path, UniqueFd fd) {
  if (directories_.size() >= kMaxRemembered) directories_.clear();
  directories_[path] = std::move(fd);
}

Status LayerTree::BecomeTied() {
  Forget();  // before what may take minutes: descriptors, and soon of another mount
  const OverlayOptions parents = CRISP_TRY(parents_());
  tied_ = true;
  ++generation_;
  if (parents.lower.empty()) return OkStatus();
  CRISP_RETURN_IF_ERROR(MountView(parents).Wrap("unpack on top of the lower layers"));
  merged_ = true;
  return OkStatus();
}

Status LayerTree::MountView(const OverlayOptions& parents) {
  OverlayOptions options = parents;
  options.upper = path_ + "/fs";
  options.work = path_ + "/work";
  auto detached = MakeDetachedOverlay(options);
  if (detached.ok()) {
    root_ = DirFd(std::move(detached).value());
    return OkStatus();
  }
  if (detached.status().code() != Code::kUnimplemented) return std::move(detached).status();
  // Older kernels: a mount that has a place, in a mount namespace that ends with this thread.
  if (::unshare(CLONE_NEWNS) != 0) return Errno("make a mount namespace");
  // Slave: what the host unmounts meanwhile must not be held here.
  if (::mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return Errno("make / slave");
  const std::string view = path_ + "/view";
  CRISP_RETURN_IF_ERROR(MountOverlayByOptions(options, view));
  attached_ = true;
  root_ = CRISP_TRY(DirFd::Open(view));
  return OkStatus();
}

// Component by component, because a dangling symlink stands for the directory that it names.
Status LayerTree::MakeDirectories(const std::string& path, int depth) {
  if (depth > kMaxSymlinks) {
    return InvalidArgument(PrintablePath(path), ": too many symbolic links");
  }
  std::string done;
  size_t start = 0;
  while (start < path.size()) {
    const size_t slash = std::min(path.find('/', start), path.size());
    const std::string name = path.substr(start, slash - start);
    start = slash + 1;
    const UniqueFd parent = CRISP_TRY(Open(done, O_PATH | O_DIRECTORY));
    const std::string next = done.empty() ? name : Cat(done, '/', name);
    if (::mkdirat(parent.get(), name.c_str(), 0755) != 0) {
      if (errno != EEXIST) return Errno("make directory ", PrintablePath(next));
      struct stat info;
      if (::fstatat(parent.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return Errno(PrintablePath(next));
      }
      auto existing = Open(next, O_PATH | O_DIRECTORY);
      if (!existing.ok()) {
        if (existing.status().code() != Code::kNotFound || !S_ISLNK(info.st_mode)) {
          return std::move(existing).status();
        }
        const std::string target = Resolve(done, CRISP_TRY(ReadLink(parent.get(), name)));
        const std::string rest = start < path.size() ? "/" + path.substr(start) : std::string();
        return MakeDirectories(target + rest, depth + 1);
      }
    }
    done = next;
  }
  return OkStatus();
}

Result<std::string> LayerTree::PathInLayer(int directory) {
  struct stat info;
  if (::fstat(directory, &info) != 0) return Errno("stat a directory of the layer");
  // A change of attributes is what makes overlayfs copy a directory up.
  if (::chmod(ProcPath(directory).c_str(), info.st_mode & 07777) != 0) {
    return Errno("copy a directory up into the layer");
  }
  const std::string root = CRISP_TRY(ReadLink(AT_FDCWD, ProcPath(root_.get())));
  std::string path = CRISP_TRY(ReadLink(AT_FDCWD, ProcPath(directory)));
  if (!path.starts_with(root)) return Internal("directory of the layer is outside of its view");
  path.erase(0, root.size());
  if (path.starts_with('/')) path.erase(0, 1);
  return path;
}

Status LayerTree::Detach() {
  Forget();
  root_ = CRISP_TRY(DirFd::Open(path_ + "/fs"));
  if (attached_) CRISP_RETURN_IF_ERROR(EnsureUnmounted(path_ + "/view"));
  attached_ = false;
  merged_ = false;
  return OkStatus();
}

}  // namespace crisp::image
