#include "image/pull/archive_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <thread>
#include <vector>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "image/pull/buffer_ring.h"
#include "image/pull/decompress.h"
#include "image/pull/layer_path.h"
#include "image/pull/tar_reader.h"

namespace crisp::image {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr int64_t kMaxArchiveEntries = 100'000;
constexpr int kMaxLinks = 10;

class FileStream : public ByteStream {
 public:
  FileStream(int fd, int64_t offset, int64_t size)
      : fd_(fd), offset_(offset), left_(size), buffer_(kReadBytes) {}
  Result<Bytes> Next() override {
    const size_t wanted = static_cast<size_t>(std::min<int64_t>(left_, kReadBytes));
    for (;;) {
      const ssize_t n = ::pread(fd_, buffer_.data(), wanted, offset_);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Errno("read the archive");
      offset_ += n;
      left_ -= n;
      return Bytes(buffer_.data(), static_cast<size_t>(n));
    }
  }

 private:
  const int fd_;
  int64_t offset_;
  int64_t left_;
  std::vector<uint8_t> buffer_;
};

Status Pump(ByteStream& from, const ByteSink& sink, const StopFlag& stop) {
  for (;;) {
    if (stop.IsSet()) return Cancelled("the import was stopped");
    const Bytes bytes = CRISP_TRY(from.Next());
    if (bytes.empty()) return OkStatus();
    CRISP_RETURN_IF_ERROR(sink(bytes));
  }
}

class DirectoryFiles : public ArchiveFiles {
 public:
  explicit DirectoryFiles(DirFd dir) : dir_(std::move(dir)) {}
  bool Has(const std::string& name) const override { return dir_.OpenBeneath(name, O_PATH).ok(); }
  Status Stream(const std::string& name, const ByteSink& sink,
                const StopFlag& stop) const override {
    const UniqueFd fd = CRISP_TRY(dir_.OpenBeneath(name, O_RDONLY | O_NONBLOCK));
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return Errno("stat ", name);
    if (!S_ISREG(info.st_mode)) return InvalidArgument(name, " is not a regular file");
    FileStream stream(fd.get(), 0, info.st_size);
    return Pump(stream, sink, stop).Wrap(name);
  }

 private:
  DirFd dir_;
};

class TarFiles : public ArchiveFiles {
 public:
  static Result<std::unique_ptr<ArchiveFiles>> Open(UniqueFd fd) {
    auto files = std::make_unique<TarFiles>();
    files->fd_ = std::move(fd);
    CRISP_RETURN_IF_ERROR(files->Index());
    return std::unique_ptr<ArchiveFiles>(std::move(files));
  }
  bool Has(const std::string& name) const override { return Find(name).ok(); }
  Status Stream(const std::string& name, const ByteSink& sink,
                const StopFlag& stop) const override {
    const Place place = CRISP_TRY(Find(name));
    FileStream stream(fd_.get(), place.offset, place.size);
    return Pump(stream, sink, stop).Wrap(name);
  }

 private:
  struct Place {
    int64_t offset = 0;
    int64_t size = 0;
  };

  Status Index() {
    FileStream stream(fd_.get(), 0, INT64_MAX);
    TarLimits limits;
    limits.max_entries = kMaxArchiveEntries;
    TarReader reader(stream, limits);
    for (;;) {
      const auto entry = CRISP_TRY(reader.Next());
      if (!entry) return OkStatus();
      const LayerPath path = CRISP_TRY(CleanLayerPath(entry->path));
      if (entry->type == TarType::kFile && !entry->sparse) {
        places_[path.full()] = {reader.data_offset(), reader.data_bytes()};
      } else if (entry->type == TarType::kSymlink || entry->type == TarType::kHardLink) {
        const bool relative = entry->type == TarType::kSymlink && !entry->link.starts_with('/');
        links_[path.full()] = relative ? Cat(path.parent, '/', entry->link) : entry->link;
      }
    }
  }

  // Old docker archives store a layer that occurs twice as a symbolic link ("../<id>/layer.tar").
  static std::string Normal(std::string_view path) {
    std::vector<std::string_view> parts;
    while (!path.empty()) {
      const size_t slash = path.find('/');
      const std::string_view part = path.substr(0, slash);
      path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
      if (part == "..") {
        if (!parts.empty()) parts.pop_back();
      } else if (!part.empty() && part != ".") {
        parts.push_back(part);
      }
    }
    std::string out;
    for (std::string_view part : parts) out += (out.empty() ? "" : "/") + std::string(part);
    return out;
  }

  Result<Place> Find(const std::string& name) const {
    std::string path = Normal(name);
    for (int i = 0; i < kMaxLinks; ++i) {
      if (const auto it = places_.find(path); it != places_.end()) return it->second;
      const auto link = links_.find(path);
      if (link == links_.end()) break;
      path = Normal(link->second);
    }
    return NotFound("the archive has no file ", PrintablePath(name));
  }

  UniqueFd fd_;
  std::map<std::string, Place> places_;
  std::map<std::string, std::string> links_;
};

// The plain archive, in a file of its own that has no name any more.
Result<UniqueFd> Expand(int compressed, const std::string& tmp_dir) {
  UniqueFd out = CRISP_TRY(OpenFile(tmp_dir, O_TMPFILE | O_RDWR, 0600));
  BufferRing ring(8, kReadBytes);
  std::thread decompressor([&] {
    FileStream in(compressed, 0, INT64_MAX);
    ring.Finish(Decompress(in, ring));
  });
  Status status;
  for (;;) {
    const auto bytes = ring.Next();
    if (!bytes.ok() || bytes->empty()) {
      status = bytes.status();
      break;
    }
    status = WriteAll(
        out.get(), std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()));
    if (!status.ok()) {
      ring.Abort();
      break;
    }
  }
  decompressor.join();
  if (!status.ok()) return status;
  return out;
}

}  // namespace

Result<std::unique_ptr<ArchiveFiles>> ArchiveFiles::Open(const std::string& path,
                                                         const std::string& tmp_dir) {
  UniqueFd fd = CRISP_TRY(OpenFile(path, O_RDONLY | O_NONBLOCK));
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return Errno("stat ", path);
  if (S_ISDIR(info.st_mode)) {
    return std::unique_ptr<ArchiveFiles>(std::make_unique<DirectoryFiles>(DirFd(std::move(fd))));
  }
  if (!S_ISREG(info.st_mode)) {
    return InvalidArgument(path, ": expected an OCI layout directory or an archive file");
  }
  uint8_t start[4] = {};
  const ssize_t n = ::pread(fd.get(), start, sizeof(start), 0);
  if (n == sizeof(start) && DetectCompression(start) != Compression::kNone) {
    fd = CRISP_TRY(Expand(fd.get(), tmp_dir).Wrap(path));
  }
  return TarFiles::Open(std::move(fd)).Wrap(path);
}

Result<std::string> ArchiveFiles::Read(const std::string& name, size_t limit_bytes) const {
  std::string out;
  const StopFlag never;
  CRISP_RETURN_IF_ERROR(Stream(
      name,
      [&](Bytes bytes) -> Status {
        if (out.size() + bytes.size() > limit_bytes) {
          return ResourceExhausted(name, " is larger than ", limit_bytes, " bytes");
        }
        out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return OkStatus();
      },
      never));
  return out;
}

}  // namespace crisp::image
