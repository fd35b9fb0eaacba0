#include "image/image_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <set>

#include "base/core/file.h"
#include "base/failpoint.h"
#include "base/ids.h"
#include "base/log.h"
#include "image/lease.h"

namespace crisp::image {
namespace {

constexpr size_t kMaxJanitorJobs = 100'000;

// Failures of this are repaired by the next Open.
Status MoveAway(const DirFd& from, const std::string& name, const DirFd& layers,
                const std::string& name_in_tmp) {
  const std::string target = Cat(kTmpName, '/', name_in_tmp);
  if (::renameat(from.get(), name.c_str(), layers.get(), target.c_str()) != 0 && errno != ENOENT) {
    return Errno("move ", name, " to ", target);
  }
  return OkStatus();
}

void UseLayersOf(const CatalogEntry& entry, ImageRow* row) {
  row->layer_keys = entry.row.layer_keys;
  row->chain_id = entry.row.chain_id;
}

}  // namespace

ImageStore::ImageStore(StoreOptions options, DirFd layers, DirFd images, ImageDatabase database)
    : paths_(options.root),
      telemetry_(options.telemetry),
      layers_dir_(std::move(layers)),
      images_dir_(std::move(images)),
      database_(std::move(database)),
      trigger_(std::make_shared<LeaseTrigger>([this] {
        (void)janitor_->Submit([this] { Collect(); });  // a full queue collects soon anyway
      })),
      janitor_(std::make_unique<Lane>("image-janitor", 1, kMaxJanitorJobs, telemetry_)) {
  catalog_.SetPinned(std::move(options.pinned));
}

ImageStore::~ImageStore() {
  trigger_->Disarm();
  janitor_->Shutdown();
}

std::vector<ImagePtr> ImageStore::List() const {
  std::lock_guard lock(mutex_);
  return catalog_.List();
}

Result<ImagePtr> ImageStore::Find(const std::string& reference, bool hidden_too) const {
  std::lock_guard lock(mutex_);
  return catalog_.Find(reference, hidden_too);
}

FsInfo ImageStore::GetFsInfo() const {
  std::lock_guard lock(mutex_);
  return {paths_.layers(), catalog_.used_bytes(), catalog_.inodes_used(), WallNowNs()};
}

void ImageStore::SetPinned(PinnedImages pinned) {
  std::lock_guard lock(mutex_);
  catalog_.SetPinned(std::move(pinned));
}

Result<LeasePtr> ImageStore::Acquire(const std::string& image_id) {
  std::lock_guard lock(mutex_);
  CatalogEntryPtr entry = catalog_.FindEntry(image_id);
  // Unlisted ones only while recovery runs: their containers were there before.
  if (entry == nullptr || (!*entry->listed && deletion_allowed_)) {
    return NotFound("image ", image_id, " is not in the store");
  }
  if (entry->damaged && deletion_allowed_) {
    return FailedPrecondition("image ", image_id, " has damaged files; pull it again");
  }
  for (const LayerPtr& layer : entry->layers) {
    // Containers that ran before are adopted all the same.
    if (!layer->quarantined || !deletion_allowed_) continue;
    return FailedPrecondition("image ", image_id, " has a damaged layer, ", layer->diff_id,
                              "; pull it again");
  }
  return LeasePtr(std::make_shared<StoreLease>(std::move(entry), trigger_));
}

LayerPtr ImageStore::FindLayer(const std::string& diff_id, const std::string& chain_id) const {
  std::lock_guard lock(mutex_);
  LayerPtr layer = catalog_.FindLayer(FreeLayerKey(diff_id));
  if (layer == nullptr || layer->quarantined) layer = catalog_.FindLayer(TiedLayerKey(chain_id));
  return layer != nullptr && layer->quarantined ? nullptr : layer;
}

Result<LayerPtr> ImageStore::AddLayer(const Layer& layer, const std::string& directory) {
  std::lock_guard write_lock(write_mutex_);
  const LayerPtr known = [&] {
    std::lock_guard lock(mutex_);
    return catalog_.FindLayer(layer.key);
  }();
  // Only this lock's holders change the flag.
  if (known != nullptr && known->quarantined) {
    CRISP_RETURN_IF_ERROR(ReplaceQuarantined(known, directory));
  }
  if (known != nullptr) return known;
  CRISP_FAILPOINT("image.layer.publish.before");
  // Without a row and without a holder it is what an interrupted removal left.
  CRISP_RETURN_IF_ERROR(layers_dir_.RemoveTree(layer.key));
  CRISP_RETURN_IF_ERROR(MoveIn(layer.key, directory));
  auto added = std::make_shared<Layer>(layer);
  std::lock_guard lock(mutex_);
  catalog_.PutLayer(added);
  return added;
}

Status ImageStore::MoveIn(const std::string& key, const std::string& directory) {
  const std::string record = directory.substr(0, directory.rfind('/')) + "/record";
  if (::rename(record.c_str(), paths_.record(key).c_str()) != 0 && errno != ENOENT) {
    return Errno("publish the record of layer ", key);
  }
  if (::renameat(AT_FDCWD, directory.c_str(), layers_dir_.get(), key.c_str()) != 0) {
    return Errno("publish layer ", key);
  }
  return OkStatus();
}

// After a crash in between, the layer is missing: Open hides its images, as before.
Status ImageStore::ReplaceQuarantined(const LayerPtr& known, const std::string& directory) {
  const std::string old =
      Cat(kQuarantinePrefix, database_.boot_id().substr(0, 8), '-', RandomHex(8));
  // Of one that was missing the row does not know, and might call the new one durable.
  CRISP_RETURN_IF_ERROR(database_.SetQuarantined(known->key, true));
  if (::renameat(layers_dir_.get(), known->key.c_str(), layers_dir_.get(), old.c_str()) != 0 &&
      errno != ENOENT) {
    return Errno("move damaged layer ", known->key, " away");
  }
  CRISP_RETURN_IF_ERROR(MoveIn(known->key, directory));
  CRISP_RETURN_IF_ERROR(database_.SetQuarantined(known->key, false));
  std::lock_guard lock(mutex_);
  known->quarantined = false;
  known->durable = false;
  ++known->generation;
  QueueSync();
  return OkStatus();
}

Result<bool> ImageStore::Quarantine(const std::string& layer_key, uint64_t generation) {
  std::lock_guard write_lock(write_mutex_);
  const LayerPtr layer = [&] {
    std::lock_guard lock(mutex_);
    return catalog_.FindLayer(layer_key);
  }();
  // Only the write lock's holders change these.
  if (layer == nullptr || layer->generation != generation) return false;
  if (layer->quarantined) return true;
  if (layer->has_row) CRISP_RETURN_IF_ERROR(database_.SetQuarantined(layer_key, true));
  std::lock_guard lock(mutex_);
  layer->quarantined = true;
  return true;
}

// The directory's name is the mark that a restart finds: no row changes, so nothing can be half
// done.
Result<bool> ImageStore::QuarantineImage(const std::string& image_id, uint64_t generation) {
  std::lock_guard write_lock(write_mutex_);
  const CatalogEntryPtr entry = [&] {
    std::lock_guard lock(mutex_);
    return catalog_.FindEntry(image_id);
  }();
  if (entry == nullptr || entry->generation != generation) return false;
  if (entry->damaged) return true;
  const std::string good = StorePaths::ImageDirName(image_id);
  const std::string damaged = StorePaths::DamagedDirName(image_id);
  CRISP_RETURN_IF_ERROR(images_dir_.RemoveTree(damaged));
  if (::renameat(images_dir_.get(), good.c_str(), images_dir_.get(), damaged.c_str()) != 0 &&
      (errno != ENOENT || ::mkdirat(images_dir_.get(), damaged.c_str(), 0700) != 0)) {
    return Errno("move the damaged files of image ", image_id, " aside");
  }
  std::lock_guard lock(mutex_);
  entry->damaged = true;
  return true;
}

ImageStore::LayerUser ImageStore::NamesOf(const std::string& image_id) const {
  std::lock_guard lock(mutex_);
  const CatalogEntryPtr entry = catalog_.FindEntry(image_id);
  if (entry == nullptr) return {image_id, {}, {}};
  return {image_id,
          {entry->tags.begin(), entry->tags.end()},
          {entry->digests.begin(), entry->digests.end()}};
}

bool ImageStore::IsDamaged(const std::string& image_id) const {
  std::lock_guard lock(mutex_);
  const CatalogEntryPtr entry = catalog_.FindEntry(image_id);
  return entry != nullptr && entry->damaged;
}

std::map<std::string, ImageStore::Checkable> ImageStore::Checkables() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, Checkable> out;
  for (const auto& [key, layer] : catalog_.layers()) {
    if (layer->has_row) out[key] = {layer, nullptr, layer->generation};  // others are a pull's
  }
  for (ImagePtr& image : catalog_.All()) {
    const CatalogEntryPtr entry = catalog_.FindEntry(image->id);
    const std::string id = image->id;
    if (*entry->listed) out[id] = {nullptr, std::move(image), entry->generation};
  }
  return out;
}

Result<std::vector<Stranger>> ImageStore::FindStrangers(bool remove) {
  std::lock_guard write_lock(write_mutex_);  // what a pull moves in is known before this is free
  std::vector<std::string> layers = CRISP_TRY(layers_dir_.List());
  std::vector<std::string> images = CRISP_TRY(images_dir_.List());
  {
    std::lock_guard lock(mutex_);
    std::erase_if(layers, [this](const std::string& name) {
      return name == kTmpName || name == kEmptyLayer || name == kLostAndFound ||
             name.starts_with(kQuarantinePrefix) || catalog_.FindLayer(name) != nullptr;
    });
    std::set<std::string> known;
    for (const ImagePtr& image : catalog_.All()) {
      known.insert(catalog_.FindEntry(image->id)->damaged ? StorePaths::DamagedDirName(image->id)
                                                          : StorePaths::ImageDirName(image->id));
    }
    known.insert(kLostAndFound);
    std::erase_if(images, [&](const std::string& name) { return known.contains(name); });
  }
  std::vector<Stranger> out;
  const auto report = [&out, remove](std::string path, const Status& removal) {
    out.push_back({std::move(path), remove && removal.ok(), removal.message()});
  };
  for (const std::string& name : layers) {
    report("layers/" + name, remove ? DiscardLayerDirectory(name) : OkStatus());
  }
  for (const std::string& name : images) {
    report("images/" + name, remove ? DiscardImageDirectory(name) : OkStatus());
  }
  return out;
}

bool ImageStore::IsQuarantined(const std::string& layer_key) const {
  std::lock_guard lock(mutex_);
  const LayerPtr layer = catalog_.FindLayer(layer_key);
  return layer != nullptr && layer->quarantined;
}

std::vector<LayerPtr> ImageStore::Layers() const {
  std::lock_guard lock(mutex_);
  std::vector<LayerPtr> out;
  for (const auto& [key, layer] : catalog_.layers()) out.push_back(layer);
  return out;
}

std::vector<ImageStore::LayerUser> ImageStore::UsersOf(const std::string& layer_key) const {
  std::lock_guard lock(mutex_);
  std::vector<LayerUser> out;
  for (const CatalogEntryPtr& entry : catalog_.EntriesWith(layer_key)) {
    if (!*entry->listed) continue;
    out.push_back({entry->row.id,
                   {entry->tags.begin(), entry->tags.end()},
                   {entry->digests.begin(), entry->digests.end()}});
  }
  return out;
}

// Layers of the row and of a container must be the same: after a restart the row alone says what
// the container stands on. Before recovery has said who runs, everything may be in use. A damaged
// layer is never kept: a good one may be there under its other key.
bool ImageStore::KeepsLayersLocked(const CatalogEntryPtr& entry) const {
  constexpr int kCatalogAndCaller = 2;  // others are leases
  const auto damaged = [](const LayerPtr& layer) { return layer->quarantined; };
  return std::none_of(entry->layers.begin(), entry->layers.end(), damaged) &&
         (!deletion_allowed_ || entry.use_count() > kCatalogAndCaller);
}

// Leases that began while the rows were written have the layers of before.
void ImageStore::KeepLayersOfNewLeases(const std::map<std::string, CatalogEntryPtr>& known,
                                       std::vector<ImageRow>* rows,
                                       std::unique_lock<std::mutex>* lock) {
  for (;;) {
    std::vector<ImageRow> back;
    for (ImageRow& row : *rows) {
      const auto there = known.find(row.id);
      if (there == known.end() || row.layer_keys == there->second->row.layer_keys ||
          !KeepsLayersLocked(there->second)) {
        continue;
      }
      UseLayersOf(*there->second, &row);
      back.push_back(row);
    }
    if (back.empty()) return;
    lock->unlock();
    const Status status = database_.Publish(back, {}, {});
    if (!status.ok()) log::Error("a restart may lose layers in use", {{"error", status}});
    lock->lock();
  }
}

Status ImageStore::PublishImages(const std::vector<NewImage>& images) {
  std::lock_guard write_lock(write_mutex_);
  CRISP_FAILPOINT("image.publish.before");
  std::vector<ImageRow> rows;
  std::vector<NameRow> names;
  std::vector<const Layer*> new_layers;
  std::vector<std::string> moved;
  std::map<std::string, CatalogEntryPtr> known;  // those that are there already; counted below
  for (const NewImage& image : images) {
    const std::string name = StorePaths::ImageDirName(image.report.id);
    if (::renameat2(AT_FDCWD, image.source_dir.c_str(), images_dir_.get(), name.c_str(),
                    RENAME_NOREPLACE) == 0) {
      moved.push_back(name);
    } else if (errno != EEXIST) {
      return Errno("publish image ", image.report.id);
    }
    ImageRow row;
    row.id = image.report.id;
    row.content_bytes = image.report.content_bytes;
    row.created_ns = WallNowNs();
    row.config = image.report.config;
    row.chain_id = image.chain_id;
    for (const LayerPtr& layer : image.layers) row.layer_keys.push_back(layer->key);
    std::unique_lock lock(mutex_);
    if (CatalogEntryPtr entry = catalog_.FindEntry(row.id)) known[row.id] = std::move(entry);
    const auto there = known.find(row.id);
    if (there != known.end() && KeepsLayersLocked(there->second)) {
      UseLayersOf(*there->second, &row);
    } else {
      for (const LayerPtr& layer : image.layers) {
        if (!layer->has_row) new_layers.push_back(layer.get());
      }
    }
    lock.unlock();
    rows.push_back(std::move(row));
    names.insert(names.end(), image.names.begin(), image.names.end());
  }
  if (Status status = database_.Publish(rows, names, new_layers); !status.ok()) {
    for (const std::string& name : moved) (void)images_dir_.RemoveTree(name);  // Open would, too
    return status;
  }
  for (const NewImage& image : images) {  // if there is one, and it stays: the next Open removes it
    (void)images_dir_.RemoveTree(StorePaths::DamagedDirName(image.report.id));
  }
  std::unique_lock lock(mutex_);
  for (const Layer* layer : new_layers) catalog_.FindLayer(layer->key)->has_row = true;
  KeepLayersOfNewLeases(known, &rows, &lock);
  for (ImageRow& row : rows) catalog_.PutImage(std::move(row));
  for (const NewImage& image : images) {
    const std::string& id = image.report.id;
    const std::string name = StorePaths::ImageDirName(id);
    const bool is_new = std::find(moved.begin(), moved.end(), name) != moved.end();
    if (is_new || catalog_.FindEntry(id)->damaged) catalog_.RenewFiles(id);
  }
  for (const NameRow& name : names) catalog_.PutName(name);
  images_unsynced_ = true;
  QueueSync();
  return OkStatus();
}

Status ImageStore::Remove(const std::string& reference) {
  std::lock_guard write_lock(write_mutex_);
  ImagePtr image;
  {
    std::lock_guard lock(mutex_);
    image = CRISP_TRY(catalog_.Find(reference, /*hidden_too=*/true));
  }
  if (image == nullptr) return OkStatus();
  CRISP_FAILPOINT("image.remove.before");
  CRISP_RETURN_IF_ERROR(database_.Unlist(image->id).Wrap("remove image ", image->id));
  {
    std::lock_guard lock(mutex_);
    catalog_.Unlist(image->id);
  }
  log::Info("image removed", {{"image", image->id}});
  CollectWriteLocked();
  return OkStatus();
}

void ImageStore::AllowDeletion() {
  std::lock_guard write_lock(write_mutex_);
  deletion_allowed_ = true;
  UnlistIncomplete();
  CollectWriteLocked();
}

void ImageStore::Collect() {
  std::lock_guard write_lock(write_mutex_);
  CollectWriteLocked();
}

void ImageStore::CollectWriteLocked() {
  std::vector<std::string> images;
  std::vector<std::string> keys;
  std::vector<std::string> keys_with_rows;
  std::vector<CatalogEntry> entries;
  std::vector<LayerPtr> layers;
  {
    std::lock_guard lock(mutex_);
    // New holders come from the catalog (Acquire, FindLayer), under this lock: what is taken out of
    // it here stays unheld.
    if (deletion_allowed_) images = catalog_.UnheldImages();
    for (const std::string& id : images) {
      entries.push_back(*catalog_.FindEntry(id));
      entries.back().layers.clear();
      catalog_.DropImage(id);
    }
    for (std::string& key : catalog_.UnheldLayers()) {
      LayerPtr layer = catalog_.FindLayer(key);
      // A layer without a row is a failed pull's: no recovery can ask for it.
      if (!deletion_allowed_ && layer->has_row) continue;
      if (layer->has_row) keys_with_rows.push_back(key);
      catalog_.DropLayer(key);
      layers.push_back(std::move(layer));
      keys.push_back(std::move(key));
    }
  }
  if (!images.empty() || !keys_with_rows.empty()) {
    Status status = failpoint::Hit("image.collect.rows");
    if (status.ok()) status = database_.Delete(images, keys_with_rows);
    // The rows stay and so must the files, until the next collection.
    if (!status.ok()) {
      log::Error("unused layers cannot be removed", {{"error", status}});
      std::lock_guard lock(mutex_);
      for (LayerPtr& layer : layers) catalog_.PutLayer(std::move(layer));
      for (CatalogEntry& entry : entries) catalog_.PutBack(std::move(entry));
      return;
    }
  }
  for (const std::string& id : images) {
    const Status status = DiscardImageDirectory(StorePaths::ImageDirName(id));
    if (!status.ok()) log::Warning("image directory stays", {{"error", status}});
    (void)images_dir_.RemoveTree(StorePaths::DamagedDirName(id));  // the next Open would, too
  }
  for (const std::string& key : keys) DropLayerDirectory(key);
}

void ImageStore::DropLayerDirectory(const std::string& key) {
  const Status status = DiscardLayerDirectory(key);
  if (!status.ok()) log::Warning("layer directory stays", {{"error", status}});
}

Status ImageStore::DiscardLayerDirectory(const std::string& key) {
  const std::string trash = "trash-" + RandomHex(8);
  (void)::unlink(paths_.record(key).c_str());  // the next Open removes records without a layer
  CRISP_RETURN_IF_ERROR(MoveAway(layers_dir_, key, layers_dir_, trash));
  QueueRemoval(trash);
  return OkStatus();
}

Status ImageStore::DiscardImageDirectory(const std::string& name) {
  const std::string trash = "trash-" + RandomHex(8);
  CRISP_RETURN_IF_ERROR(MoveAway(images_dir_, name, layers_dir_, trash));
  QueueRemoval(trash);
  return OkStatus();
}

void ImageStore::QueueRemoval(const std::string& name_in_tmp) {
  const Status queued = janitor_->Submit([this, name_in_tmp] {
    const Status status = RemoveTreeAt(Cat(paths_.tmp(), '/', name_in_tmp));
    if (!status.ok()) log::Warning("temporary directory stays", {{"error", status}});
  });
  if (!queued.ok()) log::Warning("temporary directory stays", {{"error", queued}});
}

// mutex_ is held.
void ImageStore::QueueSync() {
  if (std::exchange(sync_queued_, true)) return;
  if (!janitor_->Submit([this] { SyncAndMark(); }).ok()) sync_queued_ = false;
}

void ImageStore::SyncAndMark() {
  // Weak: a sync takes its time and must not keep removed layers alive.
  std::vector<std::pair<std::weak_ptr<Layer>, uint64_t>> written;
  bool images = false;  // a repaired one may have no new layer
  {
    std::lock_guard lock(mutex_);
    sync_queued_ = false;  // what comes from now on needs another round
    images = std::exchange(images_unsynced_, false);
    for (const auto& [key, layer] : catalog_.layers()) {
      if (layer->has_row && !layer->durable) written.emplace_back(layer, layer->generation);
    }
  }
  if (written.empty() && !images) return;
  if (::syncfs(layers_dir_.get()) != 0) {
    log::Error("layers are not on disk yet", {{"error", Errno("syncfs ", paths_.root)}});
    std::lock_guard lock(mutex_);
    images_unsynced_ = images_unsynced_ || images;
    return;
  }
  if (written.empty()) return;
  std::lock_guard write_lock(write_mutex_);
  std::vector<LayerPtr> synced;
  std::vector<std::string> keys;
  for (const auto& [layer, generation] : written) {
    LayerPtr alive = layer.lock();
    if (alive == nullptr || alive->generation != generation) continue;  // replaced behind the sync
    keys.push_back(alive->key);
    synced.push_back(std::move(alive));
  }
  const Status status = database_.MarkDurable(keys);
  if (!status.ok()) {
    log::Error("layers cannot be marked durable", {{"error", status}});
    return;
  }
  std::lock_guard lock(mutex_);
  for (const LayerPtr& layer : synced) layer->durable = true;
}

void ImageStore::FinishBackgroundWork() {
  for (int round = 0; round < 2; ++round) {  // a collection queues removals
    auto done = std::make_shared<std::promise<void>>();
    std::future<void> finished = done->get_future();
    if (!janitor_->Submit([done] { done->set_value(); }).ok()) return;
    finished.wait();
  }
}

}  // namespace crisp::image
