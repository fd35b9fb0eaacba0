// Tree records: what a layer's directory looked like when it was unpacked, and whether it still
// does.
//
// What:    for each entry its path, type, mode, owner, size, time of change of content, device
// number
//          and link target; in the order of a walk with sorted names. Contents and extended
//          attributes are not in it: hashing them again would double the work of a pull. So files
//          that are missing, added, cut, chmod'ed or written to are found; bits that rot are not.
// Format:  zstd of <path> NUL <attributes> NUL ..., paths relative to the layer.
// Memory:  does not grow with the number of entries.
// Threads: free functions.
// Errors:  of reading the tree; kDataLoss for a record that cannot be read.
#ifndef CRISP_IMAGE_PULL_TREE_RECORD_H_
#define CRISP_IMAGE_PULL_TREE_RECORD_H_

#include <string>
#include <vector>

#include "base/core/result.h"

namespace crisp::image {

struct TreeDifferences {
  size_t count = 0;
  std::vector<std::string> first;  // at most kMaxShownDifferences, printable
};
inline constexpr size_t kMaxShownDifferences = 20;

Status WriteTreeRecord(const std::string& tree, const std::string& file);
// kNotFound: there is no record.
Result<TreeDifferences> CompareWithRecord(const std::string& tree, const std::string& file);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_TREE_RECORD_H_
