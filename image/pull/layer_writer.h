// LayerWriter: turns the entries of a layer's archive into files of an overlay lower directory.
//
// What:    files, directories, links, devices and fifos with owner, mode (set-id bits too), times
//          and attributes; whiteouts become overlay whiteouts (character device 0:0) and opaque
//          directories (trusted.overlay.opaque=y).
// Contract: image-spec layer.md; Linux overlayfs.rst, "whiteouts and opaque directories".
//           trusted.overlay.* attributes and 0:0 character devices in an archive are refused: the
//           kernel would take them for its own. security.capability is kept; labels and integrity
//           attributes (security.selinux, security.ima...) are dropped, they belong to a host.
// Threads:  one owner; umask must be 0.
// Errors:   outside-in with the entry's name; kInvalidArgument for what is refused.
#ifndef CRISP_IMAGE_PULL_LAYER_WRITER_H_
#define CRISP_IMAGE_PULL_LAYER_WRITER_H_

#include <string>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "image/pull/content_sum.h"
#include "image/pull/layer_path.h"
#include "image/pull/layer_tree.h"
#include "image/pull/tar_entry.h"
#include "image/pull/tar_reader.h"

namespace crisp::image {

struct LayerSummary {
  int64_t size_bytes = 0;  // disk blocks of 4 KiB, as bytes
  int64_t inodes = 0;
  bool tied = false;
  bool opaque_root = false;    // hides everything below the layer
  int64_t received_bytes = 0;  // of the blob; set by UnpackLayer
};

class LayerWriter {
 public:
  explicit LayerWriter(LayerTree& tree) : tree_(tree) {}

  // `reader` stands at the entry and gives its data.
  Status Apply(const TarEntry& entry, TarReader& reader);
  // Sets what must come last (times of directories, whiteouts of a tied layer).
  Result<LayerSummary> Finish();
  // Once, after Finish: sealed. Of a tied layer none: through its view inodes have other numbers.
  ContentSums TakeSums() { return std::move(sums_); }

 private:
  Status ApplyAt(const TarEntry& entry, const LayerPath& path, TarReader& reader);
  Status WriteRegular(const TarEntry& entry, const LayerPath& path, TarReader& reader);
  Status WriteData(const TarEntry& entry, int fd, TarReader& reader);
  Status WriteDirectory(const TarEntry& entry, const LayerPath& path);
  Status WriteSymlink(const TarEntry& entry, const LayerPath& path);
  Status WriteHardLink(const TarEntry& entry, const LayerPath& path);
  Status WriteSpecial(const TarEntry& entry, const LayerPath& path);
  // Removes what stands at parent/name, so that another kind of file can take its place.
  Status Displace(int parent, const std::string& name);
  Status MakeDirectory(int parent, const std::string& name);

  Status ApplyWhiteout(const LayerPath& path, const Whiteout& whiteout);
  Status ApplyDeferred();
  void Count(int64_t bytes);

  struct DirectoryTime {
    std::string path;
    int64_t s;
    int64_t ns;
  };
  struct DeferredWhiteout {
    std::string directory;  // in the layer itself
    std::string target;     // empty: the directory is opaque
  };
  LayerTree& tree_;
  LayerSummary summary_;
  ContentSums sums_;
  std::vector<DirectoryTime> times_;
  std::vector<DeferredWhiteout> deferred_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_LAYER_WRITER_H_
