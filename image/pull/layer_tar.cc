#include "image/pull/layer_tar.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <vector>

#include "base/core/dir_fd.h"
#include "image/pull/layer_path.h"
#include "image/pull/node_attributes.h"
#include "image/pull/tar_writer.h"

namespace crisp::image {
namespace {

constexpr char kOpaque[] = "trusted.overlay.opaque";
constexpr char kOpaqueMarker[] = ".wh..wh..opq";  // image-spec layer.md, "Opaque Whiteout"

class LayerTarWriter {
 public:
  LayerTarWriter(DirFd root, const ByteSink& sink)
      : root_(std::move(root)), tar_(sink), buffer_(256 << 10) {}

  Status Run(bool opaque_root) {
    if (opaque_root) CRISP_RETURN_IF_ERROR(Marker(kOpaqueMarker));
    CRISP_RETURN_IF_ERROR(Directory(""));
    return tar_.Finish();
  }

 private:
  Status Marker(const std::string& path) {
    TarMember member;
    member.path = path;
    return tar_.Begin(member);
  }

  // One directory is open at a time.
  Status Directory(const std::string& path) {
    std::vector<std::string> names;
    {
      const DirFd dir(CRISP_TRY(
          root_.OpenBeneath(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)));
      names = CRISP_TRY(dir.List());
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      const std::string at = path.empty() ? name : Cat(path, '/', name);
      CRISP_RETURN_IF_ERROR(One(at, path, name).Wrap("entry ", PrintablePath(at)));
    }
    return OkStatus();
  }

  Status One(const std::string& path, const std::string& parent, const std::string& name) {
    struct stat info;
    if (::fstatat(root_.get(), path.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return Errno("stat");
    if (S_ISCHR(info.st_mode) && info.st_rdev == 0) {  // overlayfs.rst, "whiteouts"
      return Marker(Cat(parent, parent.empty() ? "" : "/", ".wh.", name));
    }
    TarMember member;
    member.path = path;
    member.mode = info.st_mode & 07777;
    member.uid = info.st_uid;
    member.gid = info.st_gid;
    member.mtime_s = info.st_mtim.tv_sec;
    member.mtime_ns = info.st_mtim.tv_nsec;
    bool opaque = false;
    CRISP_RETURN_IF_ERROR(ReadAttributes(path, S_ISLNK(info.st_mode), &member, &opaque));
    if (!S_ISDIR(info.st_mode) && info.st_nlink > 1) {
      const auto [first, is_new] = links_.try_emplace({info.st_dev, info.st_ino}, path);
      if (!is_new) {
        member.type = '1';
        member.link = first->second;
        member.xattrs.clear();
        return tar_.Begin(member);
      }
    }
    switch (info.st_mode & S_IFMT) {
      case S_IFDIR:
        member.type = '5';
        member.path += '/';
        CRISP_RETURN_IF_ERROR(tar_.Begin(member));
        if (opaque) CRISP_RETURN_IF_ERROR(Marker(Cat(path, '/', kOpaqueMarker)));
        return Directory(path);
      case S_IFREG:
        member.size = info.st_size;
        return Content(path, member);
      case S_IFLNK:
        member.type = '2';
        member.link = CRISP_TRY(Target(path));
        return tar_.Begin(member);
      case S_IFCHR:
      case S_IFBLK:
        member.type = S_ISCHR(info.st_mode) ? '3' : '4';
        member.device_major = ::major(info.st_rdev);
        member.device_minor = ::minor(info.st_rdev);
        return tar_.Begin(member);
      case S_IFIFO:
        member.type = '6';
        return tar_.Begin(member);
      default:
        return OkStatus();  // archives have no sockets
    }
  }

  Result<std::string> Target(const std::string& path) const {
    std::string target(PATH_MAX, '\0');
    const ssize_t n = ::readlinkat(root_.get(), path.c_str(), target.data(), target.size());
    if (n < 0) return Errno("read link");
    target.resize(static_cast<size_t>(n));
    return target;
  }

  // By the path below /proc/self/fd: there is no getxattrat before Linux 6.13.
  Status ReadAttributes(const std::string& path, bool is_link, TarMember* member, bool* opaque) {
    const std::string full = Cat("/proc/self/fd/", root_.get(), '/', path);
    std::string names(XATTR_LIST_MAX, '\0');
    const ssize_t size = ::llistxattr(full.c_str(), names.data(), names.size());
    if (size < 0 && errno == ENOTSUP) return OkStatus();
    if (size < 0) return Errno("list attributes");
    for (size_t at = 0; at < static_cast<size_t>(size);) {
      const std::string name = names.c_str() + at;
      at += name.size() + 1;
      std::string value(XATTR_SIZE_MAX, '\0');
      const ssize_t n = ::lgetxattr(full.c_str(), name.c_str(), value.data(), value.size());
      if (n < 0) return Errno("read attribute ", name);
      value.resize(static_cast<size_t>(n));
      if (name == kOpaque) {
        *opaque = value == "y";
      } else if (name == "trusted.overlay.redirect") {
        return Unimplemented("a directory that overlayfs has moved");
      } else if (IsOfImage(name) && !is_link) {
        member->xattrs[name] = value;
      }
    }
    return OkStatus();
  }

  Status Content(const std::string& path, const TarMember& member) {
    const UniqueFd file = CRISP_TRY(root_.OpenBeneath(path, O_RDONLY | O_NOFOLLOW));
    CRISP_RETURN_IF_ERROR(tar_.Begin(member));
    int64_t left = member.size;
    while (left > 0) {
      const size_t want = std::min<size_t>(buffer_.size(), static_cast<size_t>(left));
      const ssize_t n = ::read(file.get(), buffer_.data(), want);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Errno("read");
      if (n == 0) return DataLoss("the file has become shorter");
      CRISP_RETURN_IF_ERROR(tar_.Data(Bytes(buffer_.data(), static_cast<size_t>(n))));
      left -= n;
    }
    return OkStatus();
  }

  const DirFd root_;
  TarWriter tar_;
  std::vector<uint8_t> buffer_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;  // first names of files with several
};

}  // namespace

Status WriteLayerTar(const std::string& tree, bool opaque_root, const ByteSink& sink) {
  LayerTarWriter writer(CRISP_TRY(DirFd::Open(tree)), sink);
  return writer.Run(opaque_root);
}

}  // namespace crisp::image
