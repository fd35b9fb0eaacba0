#include "image/pull/tree_record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <functional>
#include <memory>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "image/pull/layer_path.h"

namespace crisp::image {
namespace {

constexpr int kLevel = 1;
constexpr size_t kMaxField = 64 << 10;  // paths and link targets have 4 KiB

struct Entry {
  std::string path;
  std::string attributes;
};
using Visitor = std::function<Status(const Entry&, const struct stat&)>;

constexpr std::string_view kSumMark = " #";

// The order of a walk with sorted names: '/' comes before every other character.
int ComparePaths(const std::string& a, const std::string& b) {
  const size_t n = std::min(a.size(), b.size());
  for (size_t i = 0; i < n; ++i) {
    if (a[i] == b[i]) continue;
    const int left = a[i] == '/' ? 0 : static_cast<unsigned char>(a[i]);
    const int right = b[i] == '/' ? 0 : static_cast<unsigned char>(b[i]);
    return left < right ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

// "f 0755 0:0 1234 1700000000.0", then "-> target" or the device number.
Result<std::string> Attributes(int dir, const char* name, const struct stat& info) {
  const mode_t type = info.st_mode & S_IFMT;
  const char letter = type == S_IFREG    ? 'f'
                      : type == S_IFDIR  ? 'd'
                      : type == S_IFLNK  ? 'l'
                      : type == S_IFIFO  ? 'p'
                      : type == S_IFSOCK ? 's'
                      : type == S_IFCHR  ? 'c'
                                         : 'b';
  char mode[8];
  std::snprintf(mode, sizeof(mode), "%04o", info.st_mode & 07777u);
  std::string out = Cat(letter, ' ', mode, ' ', info.st_uid, ':', info.st_gid);
  // A directory's size is the file system's business.
  if (type == S_IFREG) out += Cat(" ", info.st_size);
  if (type != S_IFLNK) out += Cat(" ", info.st_mtim.tv_sec, '.', info.st_mtim.tv_nsec);
  if (type == S_IFCHR || type == S_IFBLK) {
    out += Cat(" ", ::major(info.st_rdev), ':', ::minor(info.st_rdev));
  }
  if (type != S_IFLNK) return out;
  std::string target(PATH_MAX, '\0');
  const ssize_t n = ::readlinkat(dir, name, target.data(), target.size());
  if (n < 0) return Errno("read link");
  return Cat(out, " -> ", target.substr(0, static_cast<size_t>(n)));
}

// One directory is open at a time, however deep the tree.
Status Walk(const DirFd& root, const std::string& path, const Visitor& visit) {
  struct Child {
    std::string name;
    std::string attributes;
    struct stat info;
  };
  std::vector<Child> children;
  {
    const DirFd dir(CRISP_TRY(
        root.OpenBeneath(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)));
    for (std::string& name : CRISP_TRY(dir.List())) {
      struct stat info;
      if (::fstatat(dir.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return Errno(path, '/', name);
      }
      std::string attributes =
          CRISP_TRY(Attributes(dir.get(), name.c_str(), info).Wrap(path, "/", name));
      children.push_back({std::move(name), std::move(attributes), info});
    }
  }
  std::sort(children.begin(), children.end(),
            [](const Child& a, const Child& b) { return ComparePaths(a.name, b.name) < 0; });
  for (Child& child : children) {
    const std::string at = path.empty() ? child.name : Cat(path, '/', child.name);
    CRISP_RETURN_IF_ERROR(visit({at, std::move(child.attributes)}, child.info));
    if (S_ISDIR(child.info.st_mode)) CRISP_RETURN_IF_ERROR(Walk(root, at, visit));
  }
  return OkStatus();
}

Result<uint64_t> SumBeneath(const DirFd& root, const std::string& path) {
  const UniqueFd fd = CRISP_TRY(root.OpenBeneath(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  return SumOfFile(fd.get());
}

// Reading them would read their holes, of which there may be terabytes.
bool HasHoles(const struct stat& info) { return info.st_blocks * 512 < info.st_size; }

class RecordWriter {
 public:
  explicit RecordWriter(UniqueFd fd)
      : fd_(std::move(fd)), stream_(ZSTD_createCCtx(), ZSTD_freeCCtx), out_(ZSTD_CStreamOutSize()) {
    ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_compressionLevel, kLevel);
    ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_checksumFlag, 1);
  }
  Status Add(const Entry& entry) {
    text_ += Cat(entry.path, '\0', entry.attributes, '\0');
    return text_.size() < (64u << 10) ? OkStatus() : Flush(ZSTD_e_continue);
  }
  Status Flush(ZSTD_EndDirective how) {
    ZSTD_inBuffer in = {text_.data(), text_.size(), 0};
    for (;;) {
      ZSTD_outBuffer out = {out_.data(), out_.size(), 0};
      const size_t left = ZSTD_compressStream2(stream_.get(), &out, &in, how);
      if (ZSTD_isError(left)) return Internal("zstd: ", ZSTD_getErrorName(left));
      CRISP_RETURN_IF_ERROR(WriteAll(fd_.get(), {out_.data(), out.pos}));
      if (how == ZSTD_e_end ? left == 0 : in.pos == in.size) break;
    }
    text_.clear();
    return OkStatus();
  }

 private:
  UniqueFd fd_;
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> stream_;
  std::vector<char> out_;
  std::string text_;
};

class RecordReader {
 public:
  explicit RecordReader(UniqueFd fd)
      : fd_(std::move(fd)),
        stream_(ZSTD_createDCtx(), ZSTD_freeDCtx),
        packed_(ZSTD_DStreamInSize()),
        plain_(ZSTD_DStreamOutSize()) {}

  // False at the end.
  Result<bool> Next(Entry* entry) {
    if (!CRISP_TRY(Field(&entry->path))) return false;
    if (!CRISP_TRY(Field(&entry->attributes))) return DataLoss("the record is cut");
    return true;
  }

 private:
  Result<bool> Field(std::string* out) {
    out->clear();
    for (;;) {
      if (at_ == end_ && !CRISP_TRY(Fill())) {
        if (!out->empty()) return DataLoss("the record is cut");
        return false;
      }
      const char* const begin = plain_.data() + at_;
      const char* const end = plain_.data() + end_;
      const char* const stop = std::find(begin, end, '\0');
      out->append(begin, stop);
      if (out->size() > kMaxField) return DataLoss("the record has an endless name");
      at_ = static_cast<size_t>(stop - plain_.data());
      if (at_ == end_) continue;
      ++at_;
      return true;
    }
  }
  Result<bool> Fill() {
    for (;;) {
      ZSTD_outBuffer out = {plain_.data(), plain_.size(), 0};
      const size_t begin = in_.pos;
      const size_t left = ZSTD_decompressStream(stream_.get(), &out, &in_);
      if (ZSTD_isError(left)) return DataLoss("the record: ", ZSTD_getErrorName(left));
      // Without input, a finished frame looks like the begin of another.
      if (in_.pos > begin || out.pos > 0) frame_open_ = left != 0;
      at_ = 0;
      end_ = out.pos;
      if (end_ > 0) return true;
      if (in_.pos < in_.size) continue;
      const ssize_t n = ::read(fd_.get(), packed_.data(), packed_.size());
      if (n < 0) return Errno("read the record");
      if (n == 0 && frame_open_ && begun_) return DataLoss("the record is cut");
      if (n == 0) return false;
      begun_ = true;
      in_ = {packed_.data(), static_cast<size_t>(n), 0};
    }
  }

  UniqueFd fd_;
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> stream_;
  std::vector<char> packed_;
  std::vector<char> plain_;
  ZSTD_inBuffer in_ = {nullptr, 0, 0};
  size_t at_ = 0;
  size_t end_ = 0;
  bool begun_ = false;
  bool frame_open_ = false;
};

}  // namespace

bool MeansDamage(const Status& status) {
  switch (status.sys_errno()) {
    case 0:
      return status.code() == Code::kDataLoss;
    case ENOENT:
    case ENOTDIR:
    case EIO:
    case EUCLEAN:  // ext4 and xfs: the structure is corrupt
    case EBADMSG:  // a checksum of theirs does not fit
      return true;
    default:
      return false;
  }
}

Status WriteTreeRecord(const std::string& tree, const std::string& file, const ContentSums& sums) {
  const DirFd root = CRISP_TRY(DirFd::Open(tree));
  RecordWriter writer(
      CRISP_TRY(OpenAt(AT_FDCWD, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)));
  const auto add = [&](const Entry& entry, const struct stat& info) -> Status {
    if (!S_ISREG(info.st_mode) || info.st_size == 0) return writer.Add(entry);
    std::optional<uint64_t> sum = sums.Find(info.st_ino);
    if (!sum && HasHoles(info)) return writer.Add(entry);
    if (!sum) sum = CRISP_TRY(SumBeneath(root, entry.path).Wrap(PrintablePath(entry.path)));
    return writer.Add({entry.path, Cat(entry.attributes, kSumMark, SumText(*sum))});
  };
  CRISP_RETURN_IF_ERROR(Walk(root, "", add));
  return writer.Flush(ZSTD_e_end);
}

Result<TreeDifferences> CompareWithRecord(const std::string& tree, const std::string& file) {
  RecordReader reader(CRISP_TRY(OpenAt(AT_FDCWD, file, O_RDONLY | O_CLOEXEC)));
  TreeDifferences out;
  const auto differs = [&out](const std::string& path, const std::string& how) {
    if (out.count++ < kMaxShownDifferences)
      out.first.push_back(Cat(PrintablePath(path), ": ", how));
  };
  Result<DirFd> root = DirFd::Open(tree);
  if (!root.ok()) {
    const int why = root.status().sys_errno();
    if (!MeansDamage(root.status())) return std::move(root).status();
    differs("/", why == ENOENT ? "the directory is missing" : root.status().message());
    return out;
  }
  Entry recorded;
  bool have = CRISP_TRY(reader.Next(&recorded));
  const auto compare = [&](const Entry& found, const struct stat& info) -> Status {
    while (have && ComparePaths(recorded.path, found.path) < 0) {
      differs(recorded.path, "missing");
      have = CRISP_TRY(reader.Next(&recorded));
    }
    if (!have || recorded.path != found.path) {
      differs(found.path, "added");
      return OkStatus();
    }
    // Only a file's attributes end with a sum; a link's target may look like one.
    const size_t mark =
        S_ISREG(info.st_mode) ? recorded.attributes.rfind(kSumMark) : std::string::npos;
    const std::string sum =
        mark == std::string::npos ? "" : recorded.attributes.substr(mark + kSumMark.size());
    if (!sum.empty()) recorded.attributes.resize(mark);
    if (recorded.attributes != found.attributes) {
      differs(found.path, Cat("was ", PrintablePath(recorded.attributes), ", is ",
                              PrintablePath(found.attributes)));
    } else if (!sum.empty()) {
      Result<uint64_t> now = SumBeneath(*root, found.path);
      if (!now.ok() && !MeansDamage(now.status())) {
        return std::move(now).status().Wrap(PrintablePath(found.path));
      }
      if (!now.ok()) {
        differs(found.path, Cat("cannot be read: ", now.status().message()));
      } else if (SumText(*now) != sum) {
        differs(found.path, "has another content, with the same size and time");
      }
    }
    have = CRISP_TRY(reader.Next(&recorded));
    return OkStatus();
  };
  if (Status status = Walk(*root, "", compare); !status.ok()) {
    // Not "there is no record": something went away under our eyes.
    if (status.code() == Code::kNotFound) return std::move(status).WithCode(Code::kDataLoss);
    return status;
  }
  while (have) {
    differs(recorded.path, "missing");
    have = CRISP_TRY(reader.Next(&recorded));
  }
  return out;
}

}  // namespace crisp::image
