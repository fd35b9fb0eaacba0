#include "image/pull/layer_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/dir_fd.h"
#include "image/pull/node_attributes.h"

namespace crisp::image {
namespace {

constexpr int64_t kDiskBlock = 4096;

Status WriteAllAt(int fd, Bytes bytes, int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("write");
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += n;
  }
  return OkStatus();
}

// A second descriptor for the directory, so that the tree may forget its own meanwhile.
Result<UniqueFd> Hold(int directory) {
  UniqueFd copy(::fcntl(directory, F_DUPFD_CLOEXEC, 0));
  if (!copy) return Errno("hold a directory");
  return copy;
}

}  // namespace

void LayerWriter::Count(int64_t bytes) {
  summary_.size_bytes += (bytes + kDiskBlock - 1) / kDiskBlock * kDiskBlock;
  ++summary_.inodes;
}

Status LayerWriter::Apply(const TarEntry& entry, TarReader& reader) {
  auto path = CleanLayerPath(entry.path);
  Status status = path.ok() ? ApplyAt(entry, *path, reader) : path.status();
  return std::move(status).Wrap("entry ", PrintablePath(entry.path));
}

Status LayerWriter::ApplyAt(const TarEntry& entry, const LayerPath& path, TarReader& reader) {
  if (path.name.empty()) {
    if (entry.type != TarType::kDirectory) return InvalidArgument("the root must be a directory");
    return WriteDirectory(entry, path);
  }
  const Whiteout whiteout = CRISP_TRY(ParseWhiteout(path.name));
  if (whiteout.kind == WhiteoutKind::kIgnored) return OkStatus();
  if (whiteout.kind != WhiteoutKind::kNone) return ApplyWhiteout(path, whiteout);
  switch (entry.type) {
    case TarType::kFile:
      return WriteRegular(entry, path, reader);
    case TarType::kDirectory:
      return WriteDirectory(entry, path);
    case TarType::kSymlink:
      return WriteSymlink(entry, path);
    case TarType::kHardLink:
      return WriteHardLink(entry, path);
    case TarType::kCharDevice:
    case TarType::kBlockDevice:
    case TarType::kFifo:
      return WriteSpecial(entry, path);
  }
  return Internal("unknown kind of entry");
}

Status LayerWriter::Displace(int parent, const std::string& name) {
  const NodeKind kind = CRISP_TRY(KindOf(parent, name));
  if (!kind.exists) return OkStatus();
  const UniqueFd held = CRISP_TRY(Hold(parent));
  if (kind.directory) {
    CRISP_RETURN_IF_ERROR(DirFd(CRISP_TRY(held.Duplicate())).RemoveTree(name));
  } else if (::unlinkat(parent, name.c_str(), 0) != 0) {
    return Errno("replace the earlier entry");
  }
  if (kind.directory || kind.symlink) tree_.Forget();
  return OkStatus();
}

Status LayerWriter::WriteRegular(const TarEntry& entry, const LayerPath& path, TarReader& reader) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  int parent = CRISP_TRY(tree_.Directory(path.parent));
  UniqueFd fd(::openat(parent, path.name.c_str(), kFlags, 0600));
  if (!fd && errno == EEXIST) {
    CRISP_RETURN_IF_ERROR(Displace(parent, path.name));
    parent = CRISP_TRY(tree_.Directory(path.parent));
    fd.Reset(::openat(parent, path.name.c_str(), kFlags, 0600));
  }
  if (!fd) return Errno("create file");
  CRISP_RETURN_IF_ERROR(WriteData(entry, fd.get(), reader));
  return SetAttributes(fd.get(), entry, /*times=*/true);
}

Status LayerWriter::WriteData(const TarEntry& entry, int fd, TarReader& reader) {
  int64_t data = 0;
  uint64_t sum = 0;
  size_t segment = 0;
  int64_t offset = 0;
  int64_t left = entry.size;
  if (entry.sparse) left = 0;
  for (Bytes bytes = CRISP_TRY(reader.ReadData()); !bytes.empty();
       bytes = CRISP_TRY(reader.ReadData())) {
    data += static_cast<int64_t>(bytes.size());
    if (!entry.sparse) sum = AddToSum(sum, bytes);
    while (!bytes.empty()) {
      while (entry.sparse && left == 0) {  // the reader has checked that the map fits the data
        if (segment >= entry.segments.size()) return DataLoss("the sparse map is too short");
        offset = entry.segments[segment].offset;
        left = entry.segments[segment].length;
        ++segment;
      }
      const size_t n =
          static_cast<size_t>(std::min<int64_t>(left, static_cast<int64_t>(bytes.size())));
      CRISP_RETURN_IF_ERROR(WriteAllAt(fd, bytes.first(n), offset));
      offset += static_cast<int64_t>(n);
      left -= static_cast<int64_t>(n);
      bytes = bytes.subspan(n);
    }
  }
  if (entry.sparse && ::ftruncate(fd, entry.size) != 0) return Errno("set size");
  struct stat info;
  if (::fstat(fd, &info) != 0) return Errno("stat");
  sums_.Put(info.st_ino, entry.sparse ? std::nullopt : std::optional(sum));
  Count(data);
  return OkStatus();
}

Status LayerWriter::MakeDirectory(int parent, const std::string& name) {
  if (::mkdirat(parent, name.c_str(), 0700) == 0) {
    Count(kDiskBlock);
    return OkStatus();
  }
  if (errno != EEXIST) return Errno("make directory");
  const NodeKind kind = CRISP_TRY(KindOf(parent, name));
  if (kind.directory) return OkStatus();  // a later entry for it only changes its attributes
  const UniqueFd held = CRISP_TRY(Hold(parent));
  CRISP_RETURN_IF_ERROR(Displace(held.get(), name));
  if (::mkdirat(held.get(), name.c_str(), 0700) != 0) return Errno("make directory");
  Count(kDiskBlock);
  if (!kind.whiteout) return OkStatus();
  // Whited out and made anew in the same layer: what lower layers have in it stays hidden.
  UniqueFd made(::openat(held.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made) return Errno("open directory");
  return SetOpaque(made.get());
}

Status LayerWriter::WriteDirectory(const TarEntry& entry, const LayerPath& path) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd;
  if (path.name.empty()) {
    fd.Reset(::openat(tree_.root(), ".", kFlags));
  } else {
    const UniqueFd parent = CRISP_TRY(Hold(CRISP_TRY(tree_.Directory(path.parent))));
    CRISP_RETURN_IF_ERROR(MakeDirectory(parent.get(), path.name));
    fd.Reset(::openat(parent.get(), path.name.c_str(), kFlags));
  }
  if (!fd) return Errno("open directory");
  CRISP_RETURN_IF_ERROR(SetAttributes(fd.get(), entry, /*times=*/false));
  const std::string full = path.full();
  times_.push_back({full, entry.mtime_s, entry.mtime_ns});
  if (!full.empty()) tree_.Remember(full, std::move(fd));
  return OkStatus();
}

Status LayerWriter::WriteSymlink(const TarEntry& entry, const LayerPath& path) {
  if (entry.link.empty() || entry.link.size() >= PATH_MAX ||
      entry.link.find('\0') != std::string::npos) {
    return InvalidArgument("the symbolic link's target is empty, too long or has a NUL byte");
  }
  int parent = CRISP_TRY(tree_.Directory(path.parent));
  if (::symlinkat(entry.link.c_str(), parent, path.name.c_str()) != 0) {
    if (errno != EEXIST) return Errno("make symbolic link");
    CRISP_RETURN_IF_ERROR(Displace(parent, path.name));
    parent = CRISP_TRY(tree_.Directory(path.parent));
    if (::symlinkat(entry.link.c_str(), parent, path.name.c_str()) != 0) {
      return Errno("make symbolic link");
    }
  }
  Count(0);
  return SetAttributesAt(parent, path.name, entry);
}

Status LayerWriter::WriteHardLink(const TarEntry& entry, const LayerPath& path) {
  const LayerPath target = CRISP_TRY(CleanLayerPath(entry.link).Wrap("hard link"));
  const std::string shown = PrintablePath(entry.link);
  UniqueFd parent = CRISP_TRY(Hold(CRISP_TRY(tree_.Directory(path.parent))));
  const int generation = tree_.generation();
  auto node = tree_.Node(target.full());
  if (!node.ok() && node.status().code() == Code::kNotFound) {
    return DataLoss("hard link to ", shown, ", which no layer has");
  }
  const UniqueFd opened = CRISP_TRY(std::move(node).Wrap("hard link"));
  if (tree_.generation() != generation) {
    parent = CRISP_TRY(Hold(CRISP_TRY(tree_.Directory(path.parent))));
  }
  struct stat info;
  if (::fstat(opened.get(), &info) != 0) return Errno("stat ", shown);
  if (S_ISDIR(info.st_mode)) return InvalidArgument("hard link to the directory ", shown);
  if (S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0)) {
    return DataLoss("hard link to ", shown, ", which the layer removes");
  }
  struct stat there;
  if (::fstatat(parent.get(), path.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
    if (there.st_ino == info.st_ino && there.st_dev == info.st_dev) return OkStatus();
    CRISP_RETURN_IF_ERROR(Displace(parent.get(), path.name));
  }
  if (::linkat(opened.get(), "", parent.get(), path.name.c_str(), AT_EMPTY_PATH) != 0) {
    return Errno("hard link to ", shown);
  }
  return OkStatus();
}

Status LayerWriter::WriteSpecial(const TarEntry& entry, const LayerPath& path) {
  mode_t type = S_IFIFO;
  if (entry.type == TarType::kCharDevice) type = S_IFCHR;
  if (entry.type == TarType::kBlockDevice) type = S_IFBLK;
  const dev_t device = type == S_IFIFO ? 0 : makedev(entry.device_major, entry.device_minor);
  if (type == S_IFCHR && device == makedev(0, 0)) {
    return InvalidArgument("character device 0:0 is not allowed: overlayfs would take it for a ",
                           "whiteout");
  }
  int parent = CRISP_TRY(tree_.Directory(path.parent));
  if (::mknodat(parent, path.name.c_str(), type | 0600, device) != 0) {
    if (errno != EEXIST) return Errno("make special file");
    CRISP_RETURN_IF_ERROR(Displace(parent, path.name));
    parent = CRISP_TRY(tree_.Directory(path.parent));
    if (::mknodat(parent, path.name.c_str(), type | 0600, device) != 0) {
      return Errno("make special file");
    }
  }
  Count(0);
  return SetAttributesAt(parent, path.name, entry);
}

Status LayerWriter::ApplyWhiteout(const LayerPath& path, const Whiteout& whiteout) {
  const int parent = CRISP_TRY(tree_.Directory(path.parent));
  const bool opaque = whiteout.kind == WhiteoutKind::kOpaque;
  if (opaque && path.parent.empty()) {
    summary_.opaque_root = true;
    return OkStatus();
  }
  if (tree_.merged()) {
    // Through the view this would remove the directory's new content too, or nothing.
    deferred_.push_back({CRISP_TRY(tree_.PathInLayer(parent)), whiteout.target});
    return OkStatus();
  }
  if (opaque) return SetOpaque(parent);
  const NodeKind kind = CRISP_TRY(KindOf(parent, whiteout.target));
  if (!kind.exists) {
    Count(0);
    return MakeWhiteout(parent, whiteout.target);
  }
  if (!kind.directory) return OkStatus();  // the layer's own file hides the lower one anyway
  UniqueFd directory(
      ::openat(parent, whiteout.target.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return Errno("open directory");
  return SetOpaque(directory.get());
}

// On the layer's own directory, after the view is gone. The directories' times are kept.
Status LayerWriter::ApplyDeferred() {
  const DirFd layer(CRISP_TRY(Hold(tree_.root())));
  for (const DeferredWhiteout& item : deferred_) {
    const UniqueFd directory = CRISP_TRY(layer.OpenBeneath(item.directory, O_RDONLY | O_DIRECTORY));
    struct stat before;
    if (::fstat(directory.get(), &before) != 0) return Errno("stat ", item.directory);
    if (item.target.empty()) {
      CRISP_RETURN_IF_ERROR(SetOpaque(directory.get()));
    } else {
      const NodeKind kind = CRISP_TRY(KindOf(directory.get(), item.target));
      if (kind.directory) {
        UniqueFd child(::openat(directory.get(), item.target.c_str(),
                                O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!child) return Errno("open directory");
        CRISP_RETURN_IF_ERROR(SetOpaque(child.get()));
      } else if (!kind.exists) {
        CRISP_RETURN_IF_ERROR(MakeWhiteout(directory.get(), item.target));
      }
    }
    const timespec times[2] = {before.st_atim, before.st_mtim};
    if (::futimens(directory.get(), times) != 0) return Errno("set time");
  }
  return OkStatus();
}

Result<LayerSummary> LayerWriter::Finish() {
  // Deepest last in the archive: backwards, so that no later change touches a time that is set.
  for (auto it = times_.rbegin(); it != times_.rend(); ++it) {
    auto node = tree_.NodeHere(it->path);
    if (!node.ok()) continue;  // replaced by a later entry
    struct stat info;
    if (::fstat(node->get(), &info) != 0 || !S_ISDIR(info.st_mode)) continue;
    const timespec times[2] = {{it->s, it->ns}, {it->s, it->ns}};
    if (::utimensat(AT_FDCWD, Cat("/proc/self/fd/", node->get()).c_str(), times, 0) != 0) {
      return Errno("set time of ", PrintablePath(it->path));
    }
  }
  sums_.Seal();
  if (tree_.merged()) {
    sums_.Clear();
    CRISP_RETURN_IF_ERROR(tree_.Detach());
    CRISP_RETURN_IF_ERROR(ApplyDeferred());
  }
  summary_.tied = tree_.tied();
  return summary_;
}

}  // namespace crisp::image
