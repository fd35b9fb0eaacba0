// The CNI specification versions that crisp speaks.
//
// Contract: CNI spec 0.3.0 to 1.1.0; 0.1 and 0.2 have another result format and are refused.
#ifndef CRISP_NETWORK_CNI_VERSION_H_
#define CRISP_NETWORK_CNI_VERSION_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp::network {

bool IsSupportedVersion(std::string_view version);
// True when `version` is `minimum` or newer; both must be supported ones.
bool IsAtLeast(std::string_view version, std::string_view minimum);
// The newest of `offered` that crisp speaks (spec 1.1 section 1, "cniVersions"), or
// kInvalidArgument that lists what would be right.
Result<std::string> ChooseVersion(const std::vector<std::string>& offered);

}  // namespace crisp::network

#endif  // CRISP_NETWORK_CNI_VERSION_H_
