// LayerTree: the directory that a layer is unpacked into, and how names in it are resolved.
//
// What:    a layer starts "free": names are resolved inside its own directory (openat2 with
//          RESOLVE_IN_ROOT: a symlink in it never leads outside). When an entry needs what only a
//          lower layer knows (its parent directory is not in the archive, a hard link's target is
//          below), the layer becomes "tied": the tree waits for the parents, mounts an overlay of
//          them with its own directory on top, and goes on inside that view. The kernel then does
//          what the entries mean: copies directories up with their attributes, follows the parents'
//          symlinks (merged /usr), copies link targets up.
//
//            free ──BecomeTied()──> tied, merged (parents exist)
//               └────────────────> tied (bottom layer: nothing below, directories are made 0755)
//
// Contract: DESIGN section 4; image-spec layer.md, "Applying Changesets".
// Threads:  one owner.
// Errors:   kInvalidArgument when a name leads through something that is not a directory.
#ifndef CRISP_IMAGE_PULL_LAYER_TREE_H_
#define CRISP_IMAGE_PULL_LAYER_TREE_H_

#include <functional>
#include <string>
#include <unordered_map>

#include "base/core/dir_fd.h"
#include "base/core/result.h"
#include "image/overlay.h"

namespace crisp::image {

class LayerTree {
 public:
  // Blocks until all lower layers are there and says where; `lower` is empty for a bottom layer.
  using ParentsProvider = std::function<Result<OverlayOptions>()>;

  // Makes `directory` with fs (the layer), work and view below it.
  static Result<LayerTree> Create(const std::string& directory, ParentsProvider parents);

  // The directory `path` (clean, "" is the root), made when nobody has it. O_PATH or better; valid
  // until the next call on this object.
  Result<int> Directory(const std::string& path);
  // `path` itself, final symlinks not followed (O_PATH). kNotFound when no layer has it.
  Result<UniqueFd> Node(const std::string& path);
  // The same, but a missing one does not tie the layer.
  Result<UniqueFd> NodeHere(const std::string& path) const;
  // Remembers an open directory, so that its children need no walk.
  void Remember(const std::string& path, UniqueFd fd);
  // After something was removed or replaced through which other names may lead.
  void Forget() { directories_.clear(); }

  bool tied() const { return tied_; }
  bool merged() const { return merged_; }
  int root() const { return root_.get(); }
  // Changes when the root does: descriptors from before are of another mount.
  int generation() const { return generation_; }

  // For work that has to be done on the layer's own directory, behind the overlay: the path of a
  // directory of the view in it. The directory is copied up first. Merged only.
  Result<std::string> PathInLayer(int directory);
  // Ends the view; from then on root() is the layer's own directory. Times of directories that are
  // changed later stay the caller's.
  Status Detach();

 private:
  LayerTree() = default;
  Result<UniqueFd> Open(const std::string& path, int flags) const;
  Status BecomeTied();
  Status MountView(const OverlayOptions& options);
  Status MakeDirectories(const std::string& path, int depth);

  std::string path_;
  ParentsProvider parents_;
  DirFd layer_;  // fs
  DirFd root_;   // fs, or the merged view
  bool tied_ = false;
  bool merged_ = false;
  bool attached_ = false;  // the view is mounted at <directory>/view of a private namespace
  int generation_ = 0;
  std::unordered_map<std::string, UniqueFd> directories_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_LAYER_TREE_H_
