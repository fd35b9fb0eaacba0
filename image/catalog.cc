#include "image/catalog.h"

#include <algorithm>

#include "base/ids.h"
#include "image/reference.h"

namespace crisp::image {
namespace {

constexpr std::string_view kIdPrefix = "sha256:";
constexpr uint64_t kDiskBlock = 4096;

}  // namespace

void Catalog::SetPinned(PinnedImages pinned) {
  pinned_ = std::move(pinned);
  for (auto& [id, entry] : images_) Show(*entry);
}

void Catalog::PutLayer(LayerPtr layer) {
  const std::string key = layer->key;
  layers_[key] = std::move(layer);
}

LayerPtr Catalog::FindLayer(const std::string& key) const {
  const auto it = layers_.find(key);
  return it == layers_.end() ? nullptr : it->second;
}

void Catalog::PutImage(ImageRow row) {
  CatalogEntryPtr& entry = images_[row.id];
  if (entry == nullptr) {
    entry = std::make_shared<CatalogEntry>();
    entry->generation = ++last_generation_;
    for (const std::string& key : row.layer_keys) entry->layers.push_back(layers_.at(key));
    *entry->listed = row.listed;
    entry->row = std::move(row);
  } else {
    *entry->listed = row.listed;
    if (row.layer_keys != entry->row.layer_keys) {  // replaced, or encrypted anew
      entry->layers.clear();
      for (const std::string& key : row.layer_keys) entry->layers.push_back(layers_.at(key));
      entry->row.layer_keys = row.layer_keys;
      entry->row.chain_id = row.chain_id;
    }
  }
  Show(*entry);
}

void Catalog::RenewFiles(const std::string& image_id) {
  CatalogEntry& entry = *images_.at(image_id);
  entry.damaged = false;
  entry.generation = ++last_generation_;
}

void Catalog::PutName(const NameRow& name) {
  const auto owner = names_.find(name.reference);
  if (owner != names_.end() && owner->second != name.image_id) {
    CatalogEntry& old = *images_.at(owner->second);
    old.tags.erase(name.reference);
    old.digests.erase(name.reference);
    Show(old);
  }
  names_[name.reference] = name.image_id;
  CatalogEntry& entry = *images_.at(name.image_id);
  (name.is_digest ? entry.digests : entry.tags).insert(name.reference);
  Show(entry);
}

void Catalog::Unlist(const std::string& image_id) {
  const auto it = images_.find(image_id);
  if (it == images_.end()) return;
  CatalogEntry& entry = *it->second;
  for (const auto* names : {&entry.tags, &entry.digests}) {
    for (const std::string& name : *names) names_.erase(name);
  }
  entry.tags.clear();
  entry.digests.clear();
  *entry.listed = false;
  Show(entry);
}

void Catalog::DropImage(const std::string& image_id) { images_.erase(image_id); }

void Catalog::PutBack(CatalogEntry entry) {
  entry.layers.clear();
  for (const std::string& key : entry.row.layer_keys) entry.layers.push_back(layers_.at(key));
  const std::string id = entry.row.id;
  images_[id] = std::make_shared<CatalogEntry>(std::move(entry));
}

void Catalog::Show(CatalogEntry& entry) {
  auto image = std::make_shared<Image>();
  image->id = entry.row.id;
  image->repo_tags.assign(entry.tags.begin(), entry.tags.end());
  image->repo_digests.assign(entry.digests.begin(), entry.digests.end());
  image->chain_id = entry.row.chain_id;
  image->config = entry.row.config;
  image->size_bytes = entry.row.content_bytes;
  std::set<std::string> counted;
  for (const LayerPtr& layer : entry.layers) {
    image->diff_ids.push_back(layer->diff_id);
    if (counted.insert(layer->key).second) image->size_bytes += layer->size_bytes;
  }
  const auto is_pinned = [this](const std::string& name) { return pinned_.Matches(name); };
  image->pinned = std::any_of(entry.tags.begin(), entry.tags.end(), is_pinned) ||
                  std::any_of(entry.digests.begin(), entry.digests.end(), is_pinned);
  entry.image = std::move(image);
}

std::vector<ImagePtr> Catalog::List() const {
  std::vector<ImagePtr> out;
  out.reserve(images_.size());
  for (const auto& [id, entry] : images_) {
    if (IsShown(*entry)) out.push_back(entry->image);
  }
  return out;
}

std::vector<ImagePtr> Catalog::All() const {
  std::vector<ImagePtr> out;
  for (const auto& [id, entry] : images_) out.push_back(entry->image);
  return out;
}

Result<ImagePtr> Catalog::FindByPrefix(const std::string& hex, bool hidden_too) const {
  const std::string prefix = Cat(kIdPrefix, hex);
  ImagePtr found;
  for (auto it = images_.lower_bound(prefix); it != images_.end() && it->first.starts_with(prefix);
       ++it) {
    if (!(hidden_too ? it->second->listed->load() : IsShown(*it->second))) continue;
    if (found != nullptr) {
      return FailedPrecondition("image id prefix ", hex, " is ambiguous; use more digits");
    }
    found = it->second->image;
  }
  return found;
}

Result<ImagePtr> Catalog::Find(const std::string& reference, bool hidden_too) const {
  if (reference.starts_with(kIdPrefix)) {
    const std::string hex = reference.substr(kIdPrefix.size());
    if (hex.empty() || hex.size() > 64 || !IsLowerHex(hex)) {
      return InvalidArgument("image id \"", reference.substr(0, 100),
                             "\" must be sha256: and at most 64 lower-case hexadecimal digits");
    }
    return FindByPrefix(hex, hidden_too);
  }
  const bool is_hex = !reference.empty() && reference.size() <= 64 && IsLowerHex(reference);
  if (is_hex && reference.size() == 64) return FindByPrefix(reference, hidden_too);
  const auto parsed = Reference::Parse(reference);
  if (!parsed.ok()) return parsed.status();
  if (const auto name = names_.find(parsed->ToString()); name != names_.end()) {
    const CatalogEntry& entry = *images_.at(name->second);
    return hidden_too || IsShown(entry) ? entry.image : ImagePtr();  // names are of listed ones
  }
  if (is_hex) return FindByPrefix(reference, hidden_too);
  return ImagePtr();
}

bool Catalog::IsShown(const CatalogEntry& entry) {
  return *entry.listed && !entry.damaged &&
         std::none_of(entry.layers.begin(), entry.layers.end(),
                      [](const LayerPtr& layer) { return layer->quarantined; });
}

std::vector<CatalogEntryPtr> Catalog::EntriesWith(const std::string& layer_key) const {
  std::vector<CatalogEntryPtr> out;
  for (const auto& [id, entry] : images_) {
    const auto has = [&](const LayerPtr& layer) { return layer->key == layer_key; };
    if (std::any_of(entry->layers.begin(), entry->layers.end(), has)) out.push_back(entry);
  }
  return out;
}

CatalogEntryPtr Catalog::FindEntry(const std::string& image_id) const {
  const auto it = images_.find(image_id);
  return it == images_.end() ? nullptr : it->second;
}

std::vector<std::string> Catalog::UnheldImages() const {
  std::vector<std::string> out;
  for (const auto& [id, entry] : images_) {
    if (!*entry->listed && entry.use_count() == 1) out.push_back(id);
  }
  return out;
}

std::vector<std::string> Catalog::UnheldLayers() const {
  std::vector<std::string> out;
  for (const auto& [key, layer] : layers_) {
    if (layer.use_count() == 1) out.push_back(key);
  }
  return out;
}

uint64_t Catalog::used_bytes() const {
  uint64_t sum = 0;
  for (const auto& [key, layer] : layers_) sum += static_cast<uint64_t>(layer->size_bytes);
  for (const auto& [id, entry] : images_) {
    sum += static_cast<uint64_t>(entry->row.content_bytes) + kDiskBlock;
  }
  return sum;
}

uint64_t Catalog::inodes_used() const {
  uint64_t sum = 0;
  // A layer's own directory; an image's directory, config and manifest.
  for (const auto& [key, layer] : layers_) sum += static_cast<uint64_t>(layer->inodes) + 1;
  return sum + 3 * images_.size();
}

}  // namespace crisp::image
