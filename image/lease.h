// The store's leases, and the signal that one has ended.
#ifndef CRISP_IMAGE_LEASE_H_
#define CRISP_IMAGE_LEASE_H_

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "image/catalog.h"
#include "image/image_store.h"

namespace crisp::image {

// Leases may outlive the store: then the signal goes nowhere.
class ImageStore::LeaseTrigger {
 public:
  explicit LeaseTrigger(std::function<void()> fire) : fire_(std::move(fire)) {}
  void Fire() {
    std::lock_guard lock(mutex_);
    if (fire_) fire_();
  }
  void Disarm() {
    std::lock_guard lock(mutex_);
    fire_ = nullptr;
  }

 private:
  std::mutex mutex_;
  std::function<void()> fire_;
};

class ImageStore::StoreLease : public Lease {
 public:
  StoreLease(CatalogEntryPtr entry, std::shared_ptr<LeaseTrigger> trigger)
      : entry_(std::move(entry)),
        image_(entry_->image),
        layers_(entry_->layers),
        listed_(entry_->listed),
        trigger_(std::move(trigger)) {}
  ~StoreLease() override {
    entry_.reset();
    layers_.clear();
    // In this order: either we see that the image was removed, or Remove sees that we are gone.
    if (!*listed_) trigger_->Fire();
  }
  const ImagePtr& image() const override { return image_; }
  const std::vector<LayerPtr>& layers() const { return layers_; }

 private:
  CatalogEntryPtr entry_;  // counted: an unlisted image goes when the last one ends
  ImagePtr image_;
  std::vector<LayerPtr> layers_;
  std::shared_ptr<std::atomic<bool>> listed_;
  std::shared_ptr<LeaseTrigger> trigger_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_LEASE_H_
