// TarEntry: one member of an archive, with every extension already applied.
#ifndef CRISP_IMAGE_PULL_TAR_ENTRY_H_
#define CRISP_IMAGE_PULL_TAR_ENTRY_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace crisp::image {

enum class TarType { kFile, kHardLink, kSymlink, kCharDevice, kBlockDevice, kDirectory, kFifo };

struct TarSegment {  // of a sparse file
  int64_t offset = 0;
  int64_t length = 0;
};

struct TarEntry {
  TarType type = TarType::kFile;
  std::string path;  // as in the archive; may be hostile
  std::string link;  // target of kHardLink and kSymlink
  mode_t mode = 0;   // permission and set-id bits only
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t mtime_s = 0;
  int64_t mtime_ns = 0;  // 0..999999999
  int64_t size = 0;      // of the file when it is extracted
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  std::map<std::string, std::string> xattrs;
  bool sparse = false;
  std::vector<TarSegment> segments;  // only when sparse; in order, without overlap
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_TAR_ENTRY_H_
