// The 512-byte header block of a tar archive, decoded and checked.
//
// Contract: POSIX.1-2017 pax "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"
// (base-256
//           numbers, old sparse headers).
// Threads:  values and free functions.
// Errors:   kDataLoss that says which field is wrong.
#ifndef CRISP_IMAGE_PULL_TAR_HEADER_H_
#define CRISP_IMAGE_PULL_TAR_HEADER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "image/pull/byte_stream.h"
#include "image/pull/tar_entry.h"

namespace crisp::image {

inline constexpr size_t kTarBlock = 512;

struct TarHeader {
  char type = '0';
  std::string path;  // with the ustar prefix
  std::string link;
  int64_t mode = 0;
  int64_t uid = 0;
  int64_t gid = 0;
  int64_t size = 0;  // bytes of data in the archive
  int64_t mtime = 0;
  int64_t device_major = 0;
  int64_t device_minor = 0;
  // Type 'S' only.
  std::vector<TarSegment> gnu_segments;
  int64_t gnu_real_size = 0;
  bool gnu_extended = false;  // a block with more segments follows
};

bool IsZeroBlock(Bytes block);
Result<TarHeader> ParseTarHeader(Bytes block);
// The extension block of an old GNU sparse header: appends to `header`.
Status ParseGnuSparseBlock(Bytes block, TarHeader* header);
// An octal or base-256 field.
Result<int64_t> ParseTarNumber(Bytes field, std::string_view name);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_TAR_HEADER_H_
