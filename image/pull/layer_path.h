// Names inside a layer: made safe, and what they mean (whiteouts).
//
// Contract: image-spec layer.md, "Whiteouts" and "Opaque Whiteout".
// Errors:   kInvalidArgument for names that try to leave the layer or that no file can have.
#ifndef CRISP_IMAGE_PULL_LAYER_PATH_H_
#define CRISP_IMAGE_PULL_LAYER_PATH_H_

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp::image {

struct LayerPath {
  std::string parent;  // "a/b", or empty for the root
  std::string name;    // "c"; empty: the root itself
  std::string full() const { return parent.empty() ? name : Cat(parent, '/', name); }
};

// Leading "/" and "./" are dropped; ".." is refused wherever it stands, and so are NUL bytes and
// names and paths that are too long for Linux.
Result<LayerPath> CleanLayerPath(std::string_view path);

enum class WhiteoutKind { kNone, kFile, kOpaque, kIgnored };
struct Whiteout {
  WhiteoutKind kind = WhiteoutKind::kNone;
  std::string target;  // kFile: the name that disappears
};
// kIgnored: AUFS bookkeeping (".wh..wh.aufs", ".wh..wh.plnk"), which every peer skips.
Result<Whiteout> ParseWhiteout(const std::string& name);

// For messages: control characters and bytes that are not ASCII as \xNN, cut after 200 bytes.
std::string PrintablePath(std::string_view path);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_LAYER_PATH_H_
