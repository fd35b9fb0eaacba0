// Catalog: all images, names and layers in memory, without any I/O.
//
// What:    answers List and Find, and says what a change means (which image loses a tag, what
//          nobody needs any more). The store writes that to disk and calls back.
// States of an image:
//
//            Put ──> listed ──Unlist──> unlisted ──Drop──> gone
//                       ^                   │
//                       └────── Put ────────┘
//
//          Unlisted: removed by the user while containers hold leases. A listed image with a
//          quarantined layer, or with damaged files of its own, is not shown, by List and Find,
//          until they have been replaced.
// Threads: none of its own: the owner's lock.
#ifndef CRISP_IMAGE_CATALOG_H_
#define CRISP_IMAGE_CATALOG_H_

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/image_database.h"
#include "image/image_service.h"
#include "image/layer.h"
#include "image/pinned_images.h"

namespace crisp::image {

// One image's place in the catalog; a lease keeps a second pointer to it.
struct CatalogEntry {
  ImageRow row;  // `listed` is below
  // Shared with leases, which look at it without a lock when they end.
  std::shared_ptr<std::atomic<bool>> listed = std::make_shared<std::atomic<bool>>(true);
  std::vector<LayerPtr> layers;  // bottom first
  bool damaged = false;          // its own files are; hidden until they are pulled anew
  uint64_t generation = 0;       // another one when its own files are put there anew
  std::set<std::string> tags;
  std::set<std::string> digests;
  ImagePtr image;  // what is shown: made anew with every change of names
};
using CatalogEntryPtr = std::shared_ptr<CatalogEntry>;

class Catalog {
 public:
  void SetPinned(PinnedImages pinned);

  void PutLayer(LayerPtr layer);
  // nullptr: not there.
  LayerPtr FindLayer(const std::string& key) const;
  const std::map<std::string, LayerPtr>& layers() const { return layers_; }

  // Adds the image, or lists it again, with the row's layers, which must be present.
  void PutImage(ImageRow row);
  // Its own files are new and good.
  void RenewFiles(const std::string& image_id);
  // Moves the name here from whoever has it.
  void PutName(const NameRow& name);
  void Unlist(const std::string& image_id);
  // Forgets an unlisted image; its layers lose a holder.
  void DropImage(const std::string& image_id);
  // Undoes DropImage. Its layers, which need not be in `entry`, must be present.
  void PutBack(CatalogEntry entry);
  void DropLayer(const std::string& key) { layers_.erase(key); }

  std::vector<ImagePtr> List() const;
  // Unlisted ones too.
  std::vector<ImagePtr> All() const;
  // `hidden_too`: damaged ones.
  Result<ImagePtr> Find(const std::string& reference, bool hidden_too = false) const;
  // Entries that have the layer, hidden and unlisted ones too.
  std::vector<CatalogEntryPtr> EntriesWith(const std::string& layer_key) const;
  CatalogEntryPtr FindEntry(const std::string& image_id) const;
  // Whether List and Find show it.
  static bool IsShown(const CatalogEntry& entry);
  // Unlisted images that no lease holds, and layers that nothing but the catalog holds.
  std::vector<std::string> UnheldImages() const;
  std::vector<std::string> UnheldLayers() const;

  uint64_t used_bytes() const;
  uint64_t inodes_used() const;

 private:
  void Show(CatalogEntry& entry);
  Result<ImagePtr> FindByPrefix(const std::string& hex, bool hidden_too) const;

  std::map<std::string, CatalogEntryPtr> images_;  // by id
  std::map<std::string, std::string> names_;       // full reference to id; listed images only
  std::map<std::string, LayerPtr> layers_;         // by key
  PinnedImages pinned_;
  uint64_t last_generation_ = 0;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_CATALOG_H_
