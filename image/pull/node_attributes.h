// Owner, mode, times and extended attributes of the nodes that a layer makes.
//
// Threads: free functions.
// Errors:  kInvalidArgument for attributes that a layer must not set.
#ifndef CRISP_IMAGE_PULL_NODE_ATTRIBUTES_H_
#define CRISP_IMAGE_PULL_NODE_ATTRIBUTES_H_

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "image/pull/tar_entry.h"

namespace crisp::image {

// Of an open file or directory, in the one order that keeps everything: owner (clears set-id bits),
// mode, attributes. `times`: the modification time too.
Status SetAttributes(int fd, const TarEntry& entry, bool times);
// Of parent/name, never followed: symlinks and special files.
Status SetAttributesAt(int parent, const std::string& name, const TarEntry& entry);

// Whether an extended attribute is an image's: others are the host's (security.selinux, .ima...) or
// overlayfs's own.
bool IsOfImage(std::string_view attribute);

// trusted.overlay.opaque=y on a directory (O_PATH is enough).
Status SetOpaque(int directory);
// Makes parent/name a whiteout.
Status MakeWhiteout(int parent, const std::string& name);
struct NodeKind {
  bool exists = false;
  bool directory = false;
  bool symlink = false;
  bool whiteout = false;
};
Result<NodeKind> KindOf(int parent, const std::string& name);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_NODE_ATTRIBUTES_H_
