// TarBuilder: archives for tests, honest and hostile, byte by byte.
#ifndef CRISP_TESTS_UNIT_IMAGE_TAR_BUILDER_H_
#define CRISP_TESTS_UNIT_IMAGE_TAR_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "image/pull/byte_stream.h"

namespace crisp::image {

struct TarItem {
  std::string path;
  char type = '0';
  std::string data;
  std::string link;
  int mode = 0644;
  int64_t uid = 0;
  int64_t gid = 0;
  int64_t mtime = 1700000000;
  int64_t major = 0;
  int64_t minor = 0;
  int64_t claimed_size = -1;  // instead of data.size()
};

class TarBuilder {
 public:
  TarBuilder& Add(const TarItem& item);
  TarBuilder& File(const std::string& path, const std::string& data, int mode = 0644);
  TarBuilder& Dir(const std::string& path, int mode = 0755);
  TarBuilder& Symlink(const std::string& path, const std::string& target);
  TarBuilder& HardLink(const std::string& path, const std::string& target);
  // A pax header for the next item: records "key=value".
  TarBuilder& Pax(const std::vector<std::pair<std::string, std::string>>& records);
  TarBuilder& Raw(const std::string& bytes);
  // With the two zero blocks at the end.
  std::string Build() const;
  std::string WithoutEnd() const { return out_; }

  static std::string Header(const TarItem& item);

 private:
  std::string out_;
};

// Gives `text` in pieces of `piece` bytes.
class TextStream : public ByteStream {
 public:
  explicit TextStream(std::string text, size_t piece = 1000)
      : text_(std::move(text)), piece_(piece) {}
  Result<Bytes> Next() override;

 private:
  std::string text_;
  size_t piece_;
  size_t at_ = 0;
};

std::string Gzip(const std::string& text);
std::string Zstd(const std::string& text);
std::string Sha256(const std::string& text);  // "sha256:..."

// mkdtemp below TMPDIR, removed at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace crisp::image

#endif  // CRISP_TESTS_UNIT_IMAGE_TAR_BUILDER_H_
