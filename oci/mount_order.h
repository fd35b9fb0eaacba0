// The order of mounts: parents before what lies below them.
//
// Contract: cri-contract 8.2: by the number of path elements; equally deep ones keep their order.
#ifndef CRISP_OCI_MOUNT_ORDER_H_
#define CRISP_OCI_MOUNT_ORDER_H_

#include <algorithm>
#include <string>

namespace crisp::oci {

// `destination_of`: the path of a mount in the container, without "." and "//".
template <typename Mounts, typename DestinationOf>
void SortByDepth(Mounts* mounts, const DestinationOf& destination_of) {
  const auto depth = [&destination_of](const auto& mount) {
    const std::string& path = destination_of(mount);
    return std::count(path.begin(), path.end(), '/');
  };
  std::stable_sort(mounts->begin(), mounts->end(),
                   [&depth](const auto& a, const auto& b) { return depth(a) < depth(b); });
}

}  // namespace crisp::oci

#endif  // CRISP_OCI_MOUNT_ORDER_H_
