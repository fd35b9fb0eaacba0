// Leases: which image leases each container holds: its own image's, and those of its image volumes.
// They live from the create step (or recovery) until the container's removal. Threads: any.
#ifndef CRISP_POD_LEASES_H_
#define CRISP_POD_LEASES_H_

#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "image/image_service.h"

namespace crisp::pod {

class Leases {
 public:
  void Hold(const ContainerId& id, image::LeasePtr lease) {
    std::lock_guard lock(mutex_);
    held_[id].image = std::move(lease);
  }
  void HoldVolumes(const ContainerId& id, std::vector<image::LeasePtr> leases) {
    std::lock_guard lock(mutex_);
    held_[id].volumes = std::move(leases);
  }
  void Drop(const ContainerId& id) {
    Held dropped;  // released after the lock: it may delete layers
    std::lock_guard lock(mutex_);
    if (auto node = held_.extract(id)) dropped = std::move(node.mapped());
  }
  // The image's; nullptr: none.
  image::LeasePtr Find(const ContainerId& id) const {
    std::lock_guard lock(mutex_);
    const auto it = held_.find(id);
    return it == held_.end() ? nullptr : it->second.image;
  }
  std::vector<image::LeasePtr> FindVolumes(const ContainerId& id) const {
    std::lock_guard lock(mutex_);
    const auto it = held_.find(id);
    return it == held_.end() ? std::vector<image::LeasePtr>() : it->second.volumes;
  }

 private:
  struct Held {
    image::LeasePtr image;
    std::vector<image::LeasePtr> volumes;
  };
  mutable std::mutex mutex_;
  std::unordered_map<ContainerId, Held> held_;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_LEASES_H_
