// The result of ADD: which addresses the pod has.
//
// Contract: CNI spec section 5, "Success": `interfaces` and `ips` of versions 0.3.0 to 1.1.
// Errors:   kInternal (the plugin's fault) names the member that is wrong.
#ifndef CRISP_NETWORK_CNI_RESULT_H_
#define CRISP_NETWORK_CNI_RESULT_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "network/network.h"

namespace crisp::network {

// A plugin's stdout, checked and in one line, ready to be a prevResult.
Result<std::string> NormalizeResult(std::string_view text);

// The addresses (without prefix length) that belong to `interface` inside the sandbox, in the
// plugin's order, each once. An address without an interface index counts: plugins that report no
// interfaces mean the one that they were asked for.
Result<std::vector<std::string>> AddressesOf(std::string_view result, std::string_view interface);

// Picks the primary address; kInternal when there is none.
Result<PodAddresses> ChoosePrimary(std::vector<std::string> addresses, AddressPreference prefer);

}  // namespace crisp::network

#endif  // CRISP_NETWORK_CNI_RESULT_H_
