// TarWriter: pax archives, entry by entry, into a sink.
//
// Contract: POSIX.1-2017 pax "ustar Interchange Format" and extended headers; attributes as
//           SCHILY.xattr.*, as every tool that builds images writes them. What fits into the ustar
//           header gets no extended one. The same entries give the same bytes.
// Threads:  one owner.
// Errors:   the sink's.
#ifndef CRISP_IMAGE_PULL_TAR_WRITER_H_
#define CRISP_IMAGE_PULL_TAR_WRITER_H_

#include <cstdint>
#include <map>
#include <string>

#include "base/core/result.h"
#include "image/pull/byte_stream.h"

namespace crisp::image {

struct TarMember {
  std::string path;  // directories end in '/'
  char type = '0';
  int64_t mode = 0;
  int64_t uid = 0;
  int64_t gid = 0;
  int64_t size = 0;
  int64_t mtime_s = 0;
  int64_t mtime_ns = 0;
  std::string link;
  int64_t device_major = 0;
  int64_t device_minor = 0;
  std::map<std::string, std::string> xattrs;
};

class TarWriter {
 public:
  explicit TarWriter(ByteSink sink) : sink_(std::move(sink)) {}

  // Followed by exactly `size` bytes through Data.
  Status Begin(const TarMember& member);
  Status Data(Bytes bytes);
  // The two zero blocks.
  Status Finish();

 private:
  Status Write(const std::string& bytes);
  Status Pad();

  ByteSink sink_;
  uint64_t in_block_ = 0;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_TAR_WRITER_H_
