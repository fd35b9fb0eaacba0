// SignatureDemand: what crisp-pull must find about an image before it fetches more than manifests.
//
// What:    made by the daemon from root's own files (policy_files.h), which crisp-pull never opens;
//          keys travel with it.
// Threads: values.
#ifndef CRISP_IMAGE_POLICY_SIGNATURE_DEMAND_H_
#define CRISP_IMAGE_POLICY_SIGNATURE_DEMAND_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/json_text.h"
#include "image/policy/signature_policy.h"

namespace crisp::image {

struct SignatureDemand {
  std::string origin;               // "policy.json: \"quay.io\"", for messages
  PolicyRequirements requirements;  // kGpg and kSigstore, with keys; all must be met
  std::string lookaside;    // URL under which <repository>@<digest>/signature-<n> are; or empty
  bool attachments = true;  // look for sigstore signatures in the registry

  bool empty() const { return requirements.empty(); }
};

Json ToJson(const SignatureDemand& demand);
Result<SignatureDemand> SignatureDemandFromJson(const Json& json);

// kPermissionDenied with errno EKEYREJECTED: the policy does not let the image in.
template <typename... Pieces>
Status SignatureRefused(const Pieces&... pieces) {
  return Status(Code::kPermissionDenied, Cat(pieces...), EKEYREJECTED);
}
inline bool IsSignatureRefusal(const Status& status) {
  return status.code() == Code::kPermissionDenied && status.sys_errno() == EKEYREJECTED;
}

}  // namespace crisp::image

#endif  // CRISP_IMAGE_POLICY_SIGNATURE_DEMAND_H_
