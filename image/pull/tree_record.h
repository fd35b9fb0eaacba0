// Tree records: what a layer's directory looked like when it was unpacked, and whether it still
// does.
//
// What:    for each entry its path, type, mode, owner, size, time of change of content, device
//          number and link target, and of a file with content a sum of that (content_sum.h); in the
//          order of a walk with sorted names. Extended attributes are not in it, nor sums of files
//          with holes. So what is missing, added, cut, chmod'ed, written to or rotten is found.
// Format:  zstd of <path> NUL <attributes> NUL ..., paths relative to the layer; attributes are
//          "f 0755 0:0 1234 1700000000.0 #<sum>". Records without sums are older. There is no mark
//          of the version: a crisp from before the sums takes them for a part of the attributes, so
//          that after a rollback its `image check` finds every file of newer layers altered.
// Memory:  does not grow with the number of entries.
// Threads: free functions.
// Errors:  of reading the tree (MeansDamage tells which of them speak of the disk rather than of
// the
//          process); kDataLoss for a record that cannot be read.
#ifndef CRISP_IMAGE_PULL_TREE_RECORD_H_
#define CRISP_IMAGE_PULL_TREE_RECORD_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/pull/content_sum.h"

namespace crisp::image {

struct TreeDifferences {
  size_t count = 0;
  std::vector<std::string> first;  // at most kMaxShownDifferences, printable
};
inline constexpr size_t kMaxShownDifferences = 20;

// Whether a failure to read what was stored says that it is damaged: it is not there or not whole,
// or the device or file system gives errors. Others (EMFILE, ENOMEM...) say nothing about it.
bool MeansDamage(const Status& status);

// Files that are not in `sums` are read.
Status WriteTreeRecord(const std::string& tree, const std::string& file, const ContentSums& sums);
// Reads every file that the record has a sum of. kNotFound: there is no record.
Result<TreeDifferences> CompareWithRecord(const std::string& tree, const std::string& file);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_TREE_RECORD_H_
