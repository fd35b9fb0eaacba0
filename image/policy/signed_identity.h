// SignedIdentity: which name a signature must give to the image that it is for.
//
// Contract: containers-policy.json(5), "signedIdentity". Names that are compared are in the
//           expanded form ("docker.io/library/busybox:latest").
// Threads:  values.
#ifndef CRISP_IMAGE_POLICY_SIGNED_IDENTITY_H_
#define CRISP_IMAGE_POLICY_SIGNED_IDENTITY_H_

#include <string>

#include "base/core/result.h"
#include "image/json_text.h"
#include "image/reference.h"

namespace crisp::image {

struct SignedIdentity {
  enum class Type {
    kExact,
    kRepoDigestOrExact,
    kRepository,
    kExactReference,
    kExactRepository,
    kRemap
  };
  Type type = Type::kRepoDigestOrExact;
  std::string name;  // kExactReference: with tag or digest; kExactRepository: without
  std::string prefix;
  std::string signed_prefix;

  // kInvalidArgument naming the member.
  static Result<SignedIdentity> Parse(const Json& json);
  Json ToJson() const;
  // May `image` be what a signature calls `signed_name`? OK, or kPermissionDenied saying what was
  // expected.
  Status Check(const Reference& image, const std::string& signed_name) const;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_POLICY_SIGNED_IDENTITY_H_
