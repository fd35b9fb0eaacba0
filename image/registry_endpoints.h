// Which addresses a reference is pulled from, and which of them may see the credentials.
//
// Contract: cri-contract 12.3 (server_address); DESIGN: mirrors in order, then the registry.
// Threads:  free functions.
#ifndef CRISP_IMAGE_REGISTRY_ENDPOINTS_H_
#define CRISP_IMAGE_REGISTRY_ENDPOINTS_H_

#include <map>
#include <string>
#include <vector>

#include "image/image_service.h"
#include "image/puller_protocol.h"

namespace crisp::image {

// Registries on this machine's loopback speak plain HTTP unless configured otherwise; all others
// HTTPS. Credentials go to the registry itself if `auth.server_address` is empty or names it, and
// to a mirror only if it names the mirror.
std::vector<PullerEndpoint> EndpointsFor(const std::string& domain,
                                         const std::map<std::string, RegistryOptions>& registries,
                                         const RegistryAuth& auth);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_REGISTRY_ENDPOINTS_H_
