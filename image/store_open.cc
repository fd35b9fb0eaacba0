// ImageStore::Open: what is on disk becomes the catalog; what is half made or broken goes.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/core/file.h"
#include "base/log.h"
#include "image/image_store.h"
#include "image/lease.h"

namespace crisp::image {
namespace {

Result<std::string> CurrentBootId() {
  return std::string(Trim(CRISP_TRY(ReadFile("/proc/sys/kernel/random/boot_id"))));
}

bool HasDirectory(const DirFd& parent, const std::string& name) {
  struct stat info;
  return ::fstatat(parent.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(info.st_mode);
}

}  // namespace

const std::vector<LayerPtr>& LayersOf(const Lease& lease) {
  return static_cast<const ImageStore::StoreLease&>(lease).layers();
}

Result<std::unique_ptr<ImageStore>> ImageStore::Open(StoreOptions options) {
  const StorePaths paths(options.root);
  CRISP_RETURN_IF_ERROR(EnsureDirectory(paths.root, 0711));
  // 0700: set-id programs of images must not be within reach of the host's users.
  DirFd layers = CRISP_TRY(DirFd::OpenOrCreate(paths.layers(), 0700));
  if (options.prepare_layers) CRISP_RETURN_IF_ERROR(options.prepare_layers(paths.layers()));
  DirFd images = CRISP_TRY(DirFd::OpenOrCreate(paths.images(), 0700));
  CRISP_RETURN_IF_ERROR(EnsureDirectory(paths.tmp(), 0700));
  CRISP_RETURN_IF_ERROR(EnsureDirectory(paths.records(), 0700));
  CRISP_RETURN_IF_ERROR(EnsureDirectory(Cat(paths.layers(), '/', kEmptyLayer), 0755));
  if (options.boot_id.empty()) options.boot_id = CRISP_TRY(CurrentBootId());
  ImageDatabase database = CRISP_TRY(ImageDatabase::Open(paths.database(), options.boot_id));
  std::unique_ptr<ImageStore> store(new ImageStore(std::move(options), std::move(layers),
                                                   std::move(images), std::move(database)));
  CRISP_RETURN_IF_ERROR(store->LoadCatalog());
  CRISP_RETURN_IF_ERROR(store->RemoveStrangers());
  return store;
}

Status ImageStore::LoadCatalog() {
  ImageDatabase::Contents contents = CRISP_TRY(database_.Load());
  std::vector<std::string> lost_layers;
  std::vector<std::string> lost_images;
  std::set<std::string> missing_layers;
  bool need_sync = false;
  for (const LayerRow& row : contents.layers) {
    if (!row.layer.durable && row.boot_id != database_.boot_id()) {
      lost_layers.push_back(row.layer.key);
      continue;
    }
    need_sync = need_sync || !row.layer.durable;
    auto layer = std::make_shared<Layer>(row.layer);
    if (!HasDirectory(layers_dir_, layer->key)) {
      layer->quarantined = true;
      missing_layers.insert(layer->key);
    }
    catalog_.PutLayer(std::move(layer));
  }
  for (ImageRow& row : contents.images) {
    const std::vector<std::string>& keys = row.layer_keys;
    const auto lost = [this](const std::string& key) { return catalog_.FindLayer(key) == nullptr; };
    const auto missing = [&](const std::string& key) { return missing_layers.contains(key); };
    if (std::any_of(keys.begin(), keys.end(), lost)) {
      log::Warning("image is incomplete and was dropped; pull it again", {{"image", row.id}});
      lost_images.push_back(row.id);
      continue;
    }
    const std::string id = row.id;
    const bool damaged = !HasDirectory(images_dir_, StorePaths::ImageDirName(id));
    const bool incomplete = std::any_of(keys.begin(), keys.end(), missing) ||
                            (damaged && !HasDirectory(images_dir_, StorePaths::DamagedDirName(id)));
    if (incomplete && row.listed) incomplete_.push_back(id);
    catalog_.PutImage(std::move(row));
    catalog_.FindEntry(id)->damaged = damaged;
  }
  for (const NameRow& name : contents.names) {
    if (catalog_.FindEntry(name.image_id) != nullptr) catalog_.PutName(name);
  }
  if (!lost_layers.empty() || !lost_images.empty()) {
    CRISP_RETURN_IF_ERROR(database_.Delete(lost_images, lost_layers));
  }
  if (need_sync) QueueSync();
  return OkStatus();
}

// What runs has its leases by now, and with them the layers that are left.
void ImageStore::UnlistIncomplete() {
  constexpr int kCatalogAndHere = 2;  // others are leases
  std::lock_guard lock(mutex_);
  for (const std::string& id : std::exchange(incomplete_, {})) {
    const CatalogEntryPtr entry = catalog_.FindEntry(id);
    if (entry == nullptr || Catalog::IsShown(*entry)) continue;  // removed, pulled again
    const bool held = entry.use_count() > kCatalogAndHere;
    log::Warning(held ? "image is incomplete; pull it again"
                      : "image is incomplete and was dropped; pull it again",
                 {{"image", id}});
    if (!held) catalog_.Unlist(id);
  }
}

// Directories without a row: unfinished pulls, interrupted removals, dropped images.
Status ImageStore::RemoveStrangers() {
  // Containers of this boot may still have them mounted.
  const std::string quarantined = Cat(kQuarantinePrefix, database_.boot_id().substr(0, 8), '-');
  for (const std::string& name : CRISP_TRY(layers_dir_.List())) {
    if (name.starts_with(quarantined)) continue;
    if (name == kTmpName || name == kEmptyLayer || name == kLostAndFound ||
        catalog_.FindLayer(name) != nullptr) {
      continue;
    }
    DropLayerDirectory(name);
  }
  const DirFd records = CRISP_TRY(DirFd::Open(paths_.records()));
  for (const std::string& name : CRISP_TRY(records.List())) {
    if (name == kLostAndFound || catalog_.FindLayer(name) != nullptr) continue;
    CRISP_RETURN_IF_ERROR(records.RemoveFile(name));
  }
  std::set<std::string> known = {kLostAndFound};
  for (const ImagePtr& image : catalog_.All()) {
    known.insert(catalog_.FindEntry(image->id)->damaged ? StorePaths::DamagedDirName(image->id)
                                                        : StorePaths::ImageDirName(image->id));
  }
  for (const std::string& name : CRISP_TRY(images_dir_.List())) {
    if (known.contains(name)) continue;
    const Status status = DiscardImageDirectory(name);
    if (!status.ok()) log::Warning("image directory stays", {{"error", status}});
  }
  const DirFd tmp = CRISP_TRY(DirFd::Open(paths_.tmp()));
  for (const std::string& name : CRISP_TRY(tmp.List())) {
    if (name != kLostAndFound) QueueRemoval(name);
  }
  return OkStatus();
}

}  // namespace crisp::image
