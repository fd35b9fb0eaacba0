// The dynamic part of an attachment: capability arguments, CNI_ARGS.
//
// Contract: CNI CONVENTIONS.md (portMappings, bandwidth, dns, cgroupPath), cri-contract 6.3.
// Errors:   kInvalidArgument for a malformed bandwidth annotation, port or name.
#ifndef CRISP_NETWORK_CAPABILITIES_H_
#define CRISP_NETWORK_CAPABILITIES_H_

#include <string>

#include "base/core/result.h"
#include "network/network.h"

namespace crisp::network {

// A JSON object with a value for each capability that the attachment has something for. What of it
// a plugin gets is up to the plugin's declaration (plugin_request.h).
Result<std::string> CapabilityArguments(const Attachment& attachment);

// "IgnoreUnknown=1;K8S_POD_NAMESPACE=...;..." A ';' in a name would smuggle in another argument and
// is refused.
Result<std::string> CniArgs(const Attachment& attachment);

}  // namespace crisp::network

#endif  // CRISP_NETWORK_CAPABILITIES_H_
