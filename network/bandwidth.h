// Traffic limits from a pod's annotations, for the capability "bandwidth".
//
// Contract: annotations kubernetes.io/ingress-bandwidth and kubernetes.io/egress-bandwidth, a
//           Kubernetes quantity in bits per second; CNI CONVENTIONS.md "bandwidth".
// Units:    bits per second; 0: no limit.
// Errors:   kInvalidArgument names annotation, value and what would be right.
#ifndef CRISP_NETWORK_BANDWIDTH_H_
#define CRISP_NETWORK_BANDWIDTH_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp::network {

struct Bandwidth {
  uint64_t ingress_bits_per_second = 0;
  uint64_t egress_bits_per_second = 0;
};

// A Kubernetes quantity ("10M", "1.5Gi", "2e6", "500k"), rounded up to a whole number.
Result<uint64_t> ParseQuantity(std::string_view text);
Result<Bandwidth> BandwidthFromAnnotations(const std::map<std::string, std::string>& annotations);

}  // namespace crisp::network

#endif  // CRISP_NETWORK_BANDWIDTH_H_
