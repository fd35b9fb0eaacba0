// CheckSignatures: is everything that the policy demands of an image there?
//
// What:    a requirement is met by one signature that a key of it made, for one of the manifests on
//          the way from the name to the image (an index says by digest what its images are, so that
//          its signature holds for them), with a name that the requirement allows.
// Contract: containers-policy.json(5): all requirements must be met.
// Threads:  one.
// Errors:   SignatureRefused naming the policy, and for each signature why it does not do.
#ifndef CRISP_IMAGE_PULL_SIGNATURE_CHECK_H_
#define CRISP_IMAGE_PULL_SIGNATURE_CHECK_H_

#include <vector>

#include "base/core/result.h"
#include "image/digest.h"
#include "image/pull/registry.h"
#include "image/puller_protocol.h"
#include "image/reference.h"

namespace crisp::image {

// `manifests`: verified; the image's own last.
Status CheckSignatures(const PullerRequest& request, const Reference& image,
                       const std::vector<Digest>& manifests, Registry& registry);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_SIGNATURE_CHECK_H_
