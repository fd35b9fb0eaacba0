#include "image/image_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <future>

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

Result<ImagePtr> ImageStore::Find(const std::string& reference) const {
  std::lock_guard lock(mutex_);
  return catalog_.Find(reference);
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

// After a crash in between, the layer is missing and Open drops its images.
Status ImageStore::ReplaceQuarantined(const LayerPtr& known, const std::string& directory) {
  const std::string old =
      Cat(kQuarantinePrefix, database_.boot_id().substr(0, 8), '-', RandomHex(8));
  if (::renameat(layers_dir_.get(), known->key.c_str(), layers_dir_.get(), old.c_str()) != 0 &&
      errno != ENOENT) {
    return Errno("move damaged layer ", known->key, " away");
  }
  CRISP_RETURN_IF_ERROR(MoveIn(known->key, directory));
  CRISP_RETURN_IF_ERROR(database_.SetQuarantined(known->key, false));
  std::lock_guard lock(mutex_);
  known->quarantined = false;
  known->durable = false;
  QueueSync();
  return OkStatus();
}

Status ImageStore::Quarantine(const std::string& layer_key) {
  std::lock_guard write_lock(write_mutex_);
  const LayerPtr layer = [&] {
    std::lock_guard lock(mutex_);
    return catalog_.FindLayer(layer_key);
  }();
  if (layer == nullptr) return NotFound("layer ", layer_key, " is not in the store");
  if (layer->quarantined) return OkStatus();
  if (layer->has_row) CRISP_RETURN_IF_ERROR(database_.SetQuarantined(layer_key, true));
  std::lock_guard lock(mutex_);
  layer->quarantined = true;
  return OkStatus();
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

Status ImageStore::PublishImages(const std::vector<NewImage>& images) {
  std::lock_guard write_lock(write_mutex_);
  CRISP_FAILPOINT("image.publish.before");
  std::vector<ImageRow> rows;
  std::vector<NameRow> names;
  std::vector<const Layer*> new_layers;
  std::vector<std::string> moved;
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
    row.chain_id = image.chain_id;
    row.content_bytes = image.report.content_bytes;
    row.created_ns = WallNowNs();
    row.config = image.report.config;
    const CatalogEntryPtr known = [&] {
      std::lock_guard lock(mutex_);
      return catalog_.FindEntry(row.id);
    }();
    // An image that is there keeps the layers that it is made of, unless one of them is damaged: a
    // good one may be there under its other key.
    const bool keeps =
        known != nullptr && std::none_of(known->layers.begin(), known->layers.end(),
                                         [](const LayerPtr& layer) { return layer->quarantined; });
    for (const LayerPtr& layer : keeps ? known->layers : image.layers) {
      row.layer_keys.push_back(layer->key);
      if (!layer->has_row) new_layers.push_back(layer.get());
    }
    rows.push_back(std::move(row));
    names.insert(names.end(), image.names.begin(), image.names.end());
  }
  if (Status status = database_.Publish(rows, names, new_layers); !status.ok()) {
    for (const std::string& name : moved) (void)images_dir_.RemoveTree(name);  // Open would, too
    return status;
  }
  std::lock_guard lock(mutex_);
  for (const Layer* layer : new_layers) catalog_.FindLayer(layer->key)->has_row = true;
  for (ImageRow& row : rows) catalog_.PutImage(std::move(row));
  for (const NameRow& name : names) catalog_.PutName(name);
  QueueSync();
  return OkStatus();
}

Status ImageStore::Remove(const std::string& reference) {
  std::lock_guard write_lock(write_mutex_);
  ImagePtr image;
  {
    std::lock_guard lock(mutex_);
    image = CRISP_TRY(catalog_.Find(reference));
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
  std::vector<LayerPtr> dropped;
  {
    std::lock_guard lock(mutex_);
    // New holders come from the catalog (Acquire, FindLayer), under this lock: what is taken out of
    // it here stays unheld.
    if (deletion_allowed_) images = catalog_.UnheldImages();
    for (const std::string& id : images) catalog_.DropImage(id);
    for (std::string& key : catalog_.UnheldLayers()) {
      LayerPtr layer = catalog_.FindLayer(key);
      // A layer without a row is a failed pull's: no recovery can ask for it.
      if (!deletion_allowed_ && layer->has_row) continue;
      if (layer->has_row) keys_with_rows.push_back(key);
      catalog_.DropLayer(key);
      keys.push_back(std::move(key));
    }
  }
  if (!images.empty() || !keys_with_rows.empty()) {
    Status status = failpoint::Hit("image.collect.rows");
    if (status.ok()) status = database_.Delete(images, keys_with_rows);
    // The rows stay and so must the files; the next Open finds them unheld again.
    if (!status.ok()) {
      log::Error("unused layers cannot be removed", {{"error", status}});
      return;
    }
  }
  for (const std::string& id : images) {
    const std::string trash = "trash-" + RandomHex(8);
    const Status status = MoveAway(images_dir_, StorePaths::ImageDirName(id), layers_dir_, trash);
    if (!status.ok()) log::Warning("image directory stays", {{"error", status}});
    QueueRemoval(trash);
  }
  for (const std::string& key : keys) DropLayerDirectory(key);
}

void ImageStore::DropLayerDirectory(const std::string& key) {
  const std::string trash = "trash-" + RandomHex(8);
  const Status status = MoveAway(layers_dir_, key, layers_dir_, trash);
  if (!status.ok()) log::Warning("layer directory stays", {{"error", status}});
  (void)::unlink(paths_.record(key).c_str());  // the next Open removes records without a layer
  QueueRemoval(trash);
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
  std::vector<std::weak_ptr<Layer>> written;
  {
    std::lock_guard lock(mutex_);
    sync_queued_ = false;  // what comes from now on needs another round
    for (const auto& [key, layer] : catalog_.layers()) {
      if (layer->has_row && !layer->durable) written.push_back(layer);
    }
  }
  if (written.empty()) return;
  if (::syncfs(layers_dir_.get()) != 0) {
    log::Error("layers are not on disk yet", {{"error", Errno("syncfs ", paths_.root)}});
    return;
  }
  std::lock_guard write_lock(write_mutex_);
  std::vector<std::string> keys;
  for (const auto& layer : written) {
    if (const LayerPtr alive = layer.lock()) keys.push_back(alive->key);
  }
  const Status status = database_.MarkDurable(keys);
  if (!status.ok()) {
    log::Error("layers cannot be marked durable", {{"error", status}});
    return;
  }
  std::lock_guard lock(mutex_);
  for (const auto& layer : written) {
    if (const LayerPtr alive = layer.lock()) alive->durable = true;
  }
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
