// Layer: one overlay lower directory of the store.
//
// What:    `key` names its directory in layers/: the hex digits of the diff id for a free layer;
//          "c-" and the hex digits of the chain id for one that is tied to its parents (DESIGN
//          section 4). One diff id may exist both ways.
// Threads: immutable after the making, except `has_row` and what follows it, which the store's lock
//          guards. Lifetime: whoever holds a LayerPtr (an image, a lease, a running pull) keeps it
//          on disk.
#ifndef CRISP_IMAGE_LAYER_H_
#define CRISP_IMAGE_LAYER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace crisp::image {

struct Layer {
  std::string key;
  std::string diff_id;  // "sha256:..."
  bool tied = false;
  bool opaque_root = false;  // hides all layers below it
  int64_t size_bytes = 0;
  int64_t inodes = 0;
  bool has_row = false;  // in images.db
  bool durable = false;  // survives a power cut: syncfs(2) came after it
  // Found damaged: not mounted for new containers, fetched anew by the next pull that needs it.
  bool quarantined = false;
  uint64_t generation = 0;  // grows when its directory is replaced
};
using LayerPtr = std::shared_ptr<Layer>;

std::string FreeLayerKey(const std::string& diff_id);
std::string TiedLayerKey(const std::string& chain_id);

// Names of lower directories, topmost first, as overlayfs wants them: each once (a diff id that
// occurs twice counts where it is topmost), and nothing below a layer with an opaque root.
std::vector<std::string> LowerNames(const std::vector<LayerPtr>& bottom_first);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_LAYER_H_
