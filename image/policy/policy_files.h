// DemandFor: from the signature policy's files to what one pull must find.
//
// What:    <namespace_policy_dir>/<namespace>.json decides where it is there, the general policy
//          otherwise. Read at every pull, with the keys that they name: rotation needs no signal.
// Contract: containers-policy.json(5), containers-registries.d(5).
// Threads:  any.
// Errors:   a refusal (SignatureRefused) names file and scope. A policy that cannot be read or is
//           malformed is kFailedPrecondition: nothing is pulled past it.
#ifndef CRISP_IMAGE_POLICY_POLICY_FILES_H_
#define CRISP_IMAGE_POLICY_POLICY_FILES_H_

#include <string>

#include "base/core/result.h"
#include "image/image_service.h"
#include "image/policy/signature_demand.h"
#include "image/reference.h"

namespace crisp::image {

// Empty: the image may come in without a signature.
Result<SignatureDemand> DemandFor(const SignatureOptions& options, const Reference& image,
                                  const std::string& pod_namespace);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_POLICY_POLICY_FILES_H_
