// SignaturePolicy: which images may be pulled, and who must have signed them.
//
// Contract: containers-policy.json(5). Requirements of the transport "docker" are used: those of
// the
//           scope that fits a name best, in this order: the name with tag or digest, the
//           repository, the namespaces above it, the host, "*.domain" (longest first), "", and the
//           global default. Names are compared as they are written: "QUAY.io/a" is not in the
//           scope "quay.io", and falls to the default. Other transports are checked and not used.
//           signedBy: keyType GPGKeys. sigstoreSigned: public keys; "fulcio", "pki" and Rekor's
//           keys are known and refuse the images that they are for, because nobody here can check
//           them.
// Threads:  plain values.
// Errors:   kInvalidArgument with file, the way to the member, and what is allowed.
#ifndef CRISP_IMAGE_POLICY_SIGNATURE_POLICY_H_
#define CRISP_IMAGE_POLICY_SIGNATURE_POLICY_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "image/policy/signed_identity.h"
#include "image/reference.h"

namespace crisp::image {

inline constexpr size_t kMaxPolicyBytes = 4u << 20;

struct PolicyRequirement {
  enum class Type { kAccept, kReject, kGpg, kSigstore };
  Type type = Type::kReject;
  std::vector<std::string> key_files;
  std::vector<std::string> keys;  // contents: OpenPGP keyrings, or PEM
  SignedIdentity identity;
  std::string unsupported;  // the member that crisp cannot check; empty: none
};
using PolicyRequirements = std::vector<PolicyRequirement>;

class SignaturePolicy {
 public:
  struct Match {
    std::string scope;  // for messages
    const PolicyRequirements* requirements = nullptr;
  };

  static Result<SignaturePolicy> Parse(std::string_view text, const std::string& file);

  Match Find(const Reference& image) const;

 private:
  PolicyRequirements default_;
  std::map<std::string, PolicyRequirements> scopes_;  // of "docker"
};

// The scopes that may speak for `image`, best first, without "".
std::vector<std::string> PolicyScopes(const Reference& image);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_POLICY_SIGNATURE_POLICY_H_
