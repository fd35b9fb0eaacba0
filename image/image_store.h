// ImageStore: the catalog, its database and the directories of layers, kept in step.
//
// What:    layers are added one by one while a pull runs and belong to nobody but the pull until
//          PublishImages makes rows of them; whatever has no row is removed at the next Open.
//          Removing goes the other way: rows first (durably), then directories, moved to tmp/ at
//          once and deleted behind.
// Threads: any. Reading takes a short lock; writing takes the write lock first (write < state),
//          which is held across SQLite and renames.
// Errors:  name the image or layer. After a failed PublishImages nothing is visible; layers stay as
//          long as the caller holds them.
// Power cuts: a background syncfs marks layers durable. At Open, layers of an earlier boot that are
//          not durable are dropped with the images that need them. Images' own files are on disk
//          before they are published (pull/puller.cc).
// Losses:  at Open, a layer without its directory counts as quarantined, an image without its files
//          as damaged: what runs can still be acquired. Images that nobody acquired before
//          AllowDeletion() are dropped.
#ifndef CRISP_IMAGE_IMAGE_STORE_H_
#define CRISP_IMAGE_IMAGE_STORE_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/core/dir_fd.h"
#include "base/core/result.h"
#include "base/lane.h"
#include "image/catalog.h"
#include "image/image_database.h"
#include "image/image_service.h"
#include "image/puller_protocol.h"
#include "image/store_paths.h"

namespace crisp::image {

struct StoreOptions {
  std::string root;
  PinnedImages pinned;
  Telemetry* telemetry = nullptr;
  std::string boot_id;  // empty: the kernel's; set by tests
  std::function<Status(const std::string& directory)> prepare_layers;  // image_service.h
};

// An image whose layers are all in the store.
struct NewImage {
  ImageReport report;
  std::string source_dir;        // absolute: config.json, manifest.json, synced; moved away
  std::vector<NameRow> names;    // image_id is the report's
  std::vector<LayerPtr> layers;  // bottom first
  std::string chain_id;
};

class ImageStore {
 public:
  static Result<std::unique_ptr<ImageStore>> Open(StoreOptions options);
  ~ImageStore();

  const StorePaths& paths() const { return paths_; }

  std::vector<ImagePtr> List() const;
  // `hidden_too`: those that are quarantined.
  Result<ImagePtr> Find(const std::string& reference, bool hidden_too = false) const;
  FsInfo GetFsInfo() const;
  // Keeps entry and layers as long as it lives.
  Result<LeasePtr> Acquire(const std::string& image_id);
  void SetPinned(PinnedImages pinned);

  // The layer under its diff id or, tied, under its chain id; nullptr when there is none, or only
  // one that is quarantined.
  LayerPtr FindLayer(const std::string& diff_id, const std::string& chain_id) const;
  // Moves `directory` to its place, and the file "record" beside it (tree_record.h). When the layer
  // is there already, that one is returned and `directory` stays, unless it is quarantined: then it
  // is replaced. What containers still run on stays on disk until the node has been booted anew.
  Result<LayerPtr> AddLayer(const Layer& layer, const std::string& directory);
  // An image that is there already keeps its layers while a container may run on it; otherwise it
  // gets these: they differ where an image was encrypted anew, or a damaged layer replaced.
  Status PublishImages(const std::vector<NewImage>& images);

  // Hidden ones too.
  Status Remove(const std::string& reference);
  std::vector<LayerPtr> Layers() const;
  struct LayerUser {
    std::string image_id;
    std::vector<std::string> tags;
    std::vector<std::string> digests;
  };
  std::vector<LayerUser> UsersOf(const std::string& layer_key) const;
  // What a check looks at: a layer that has a row, or a listed image, hidden ones too. Held, it
  // stays where it is; its generation tells whether it is still the one that was looked at.
  struct Checkable {
    LayerPtr layer;  // or
    ImagePtr image;
    uint64_t generation = 0;
  };
  // By the layer's key or the image's id.
  std::map<std::string, Checkable> Checkables() const;
  // Hides the images that have it. False: the layer has gone or was replaced since then.
  Result<bool> Quarantine(const std::string& layer_key, uint64_t generation);
  bool IsQuarantined(const std::string& layer_key) const;
  // The same for an image whose own files are damaged: they are moved aside.
  Result<bool> QuarantineImage(const std::string& image_id, uint64_t generation);
  LayerUser NamesOf(const std::string& image_id) const;
  bool IsDamaged(const std::string& image_id) const;
  // Directories of layers and images that nothing knows, as paths below the root. Pulls that run
  // are not disturbed.
  Result<std::vector<Stranger>> FindStrangers(bool remove);
  // Deletes what nothing holds, if deletion is allowed.
  void Collect();
  void AllowDeletion();
  // Returns when everything queued (deleting, syncing) is done. For tests and for the end.
  void FinishBackgroundWork();

  class LeaseTrigger;
  class StoreLease;

 private:
  ImageStore(StoreOptions options, DirFd layers, DirFd images, ImageDatabase database);
  Status LoadCatalog();
  Status RemoveStrangers();
  void UnlistIncomplete();
  bool KeepsLayersLocked(const CatalogEntryPtr& entry) const;
  // `lock`, of mutex_, is let go for a while.
  void KeepLayersOfNewLeases(const std::map<std::string, CatalogEntryPtr>& known,
                             std::vector<ImageRow>* rows, std::unique_lock<std::mutex>* lock);
  void CollectWriteLocked();
  void DropLayerDirectory(const std::string& key);
  // What has no row: out of the way at once, deleted behind.
  Status DiscardLayerDirectory(const std::string& key);
  Status DiscardImageDirectory(const std::string& name);
  Status ReplaceQuarantined(const LayerPtr& known, const std::string& directory);
  // `directory` and its record to their places.
  Status MoveIn(const std::string& key, const std::string& directory);
  void QueueSync();
  void SyncAndMark();
  void QueueRemoval(const std::string& name_in_tmp);

  const StorePaths paths_;
  Telemetry* const telemetry_;
  const DirFd layers_dir_;
  const DirFd images_dir_;

  std::mutex write_mutex_;  // before mutex_
  ImageDatabase database_;
  std::atomic<bool> deletion_allowed_{false};

  mutable std::mutex mutex_;  // guards what follows; never held across I/O
  Catalog catalog_;
  std::vector<std::string> incomplete_;  // images, found by Open; empty after AllowDeletion()
  bool sync_queued_ = false;
  bool images_unsynced_ = false;  // some were published since the last sync began

  std::shared_ptr<LeaseTrigger> trigger_;
  std::unique_ptr<Lane> janitor_;  // deletes and syncs, one job at a time
};

// Layers of a lease that this store made, bottom first.
const std::vector<LayerPtr>& LayersOf(const Lease& lease);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_IMAGE_STORE_H_
