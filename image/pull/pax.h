// Pax extended headers: "LEN KEY=VALUE\n" records.
//
// Contract: POSIX.1-2017 pax, "pax Extended Header"; GNU tar manual, "Storing Sparse Files"
//           (GNU.sparse.*); SCHILY.xattr.* and LIBARCHIVE.xattr.* as star and bsdtar write them.
// Errors:   kDataLoss for malformed records.
#ifndef CRISP_IMAGE_PULL_PAX_H_
#define CRISP_IMAGE_PULL_PAX_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "image/pull/tar_entry.h"

namespace crisp::image {

struct PaxRecords {
  std::optional<std::string> path;
  std::optional<std::string> link;
  std::optional<int64_t> size;
  std::optional<int64_t> uid;
  std::optional<int64_t> gid;
  std::optional<int64_t> mtime_s;
  int64_t mtime_ns = 0;
  std::map<std::string, std::string> xattrs;
  // GNU sparse formats 0.0, 0.1 (map in the header) and 1.0 (map in the data).
  bool sparse_map_in_data = false;
  std::optional<int64_t> sparse_real_size;
  std::optional<std::string> sparse_name;
  std::vector<TarSegment> sparse_segments;
  bool sparse = false;
};

Result<PaxRecords> ParsePax(std::string_view text);
// A whole decimal number, minus sign allowed.
Result<int64_t> ParseDecimal(std::string_view text, std::string_view what);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_PAX_H_
