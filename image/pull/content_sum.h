// Content sums: what tells later whether a file still holds what was unpacked into it.
//
// What:    CRC-64 (ECMA-182) of a file's bytes. It finds what rots or was written over; who forges
//          files as root can forge the record too. Ten bytes per nanosecond: a hundredth of what a
//          digest of the layer costs.
// Memory:  24 bytes per file, for kMaxSums files; of a layer with more all are read again.
// Threads: one owner.
#ifndef CRISP_IMAGE_PULL_CONTENT_SUM_H_
#define CRISP_IMAGE_PULL_CONTENT_SUM_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/pull/byte_stream.h"

namespace crisp::image {

// Three layers at a time, and room to grow: 27 MiB of the 64 that a pull may use.
inline constexpr size_t kMaxSums = 250'000;

// Goes on from `sum`, the first time 0.
uint64_t AddToSum(uint64_t sum, Bytes bytes);
// Of all that the descriptor's file holds.
Result<uint64_t> SumOfFile(int fd);
// 16 hex digits.
std::string SumText(uint64_t sum);

// The sums of a layer's files, made while their bytes pass by.
class ContentSums {
 public:
  // nullopt: it has none. A later one for the same inode wins: the number is given again once a
  // file was replaced.
  void Put(ino_t inode, std::optional<uint64_t> sum);
  // Nothing more is put.
  void Seal();
  void Clear() { files_ = {}; }
  std::optional<uint64_t> Find(ino_t inode) const;

 private:
  struct File {
    uint64_t inode;
    uint64_t sum;
    uint32_t order;  // of the calls
    bool has_sum;
  };
  std::vector<File> files_;
  bool full_ = false;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_CONTENT_SUM_H_
