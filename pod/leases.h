// Leases: which image lease each container holds. A lease lives from the create step (or recovery)
// until the container's removal. Threads: any.
#ifndef CRISP_POD_LEASES_H_
#define CRISP_POD_LEASES_H_

#include <mutex>
#include <unordered_map>

#include "base/ids.h"
#include "image/image_service.h"

namespace crisp::pod {

class Leases {
 public:
  void Hold(const ContainerId& id, image::LeasePtr lease) {
    std::lock_guard lock(mutex_);
    held_[id] = std::move(lease);
  }
  void Drop(const ContainerId& id) {
    image::LeasePtr dropped;  // released after the lock: it may delete layers
    std::lock_guard lock(mutex_);
    if (auto node = held_.extract(id)) dropped = std::move(node.mapped());
  }
  image::LeasePtr Find(const ContainerId& id) const {
    std::lock_guard lock(mutex_);
    const auto it = held_.find(id);
    return it == held_.end() ? nullptr : it->second;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<ContainerId, image::LeasePtr> held_;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_LEASES_H_
