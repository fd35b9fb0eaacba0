// SignedClaim: what a signature says: this name stands for this manifest.
//
// Contract: containers-signature(5), "JSON Data Format"; sigstore's "simple signing" payload is the
//           same with another type (cosign SIGNATURE_SPEC.md, "Payloads"). Unknown members are
//           refused but for those of "optional".
// Threads:  values.
// Errors:   kInvalidArgument.
#ifndef CRISP_IMAGE_POLICY_SIGNED_CLAIM_H_
#define CRISP_IMAGE_POLICY_SIGNED_CLAIM_H_

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "image/digest.h"

namespace crisp::image {

inline constexpr size_t kMaxClaimBytes = 1u << 20;

struct SignedClaim {
  enum class Kind { kSimpleSigning, kSigstore };
  Digest manifest;
  std::string name;

  static Result<SignedClaim> Parse(std::string_view text, Kind kind);
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_POLICY_SIGNED_CLAIM_H_
