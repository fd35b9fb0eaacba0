// SignatureSource: the signatures that there are for a manifest.
//
// What:    simple signing: <lookaside>/<repository>@<algorithm>=<hex>/signature-<n>, n from 1 until
//          there is none; over http(s) or from a directory (file:). sigstore: the registry's own
//          manifest of the tag <algorithm>-<hex>.sig, whose layers are payloads with the signature
//          in an annotation.
// Contract: containers-registries.d(5), containers/image docs/signature-protocols.md ("Lookaside");
//           cosign SIGNATURE_SPEC.md ("Storage").
// Threads:  one owner.
// Errors:   an empty list when there are none; otherwise the address' own. Lookaside servers get no
//           credentials.
#ifndef CRISP_IMAGE_PULL_SIGNATURE_SOURCE_H_
#define CRISP_IMAGE_PULL_SIGNATURE_SOURCE_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/digest.h"
#include "image/policy/signature_demand.h"
#include "image/pull/registry.h"
#include "image/reference.h"

namespace crisp::image {

inline constexpr size_t kMaxSignatureBytes = 1u << 20;
inline constexpr size_t kMaxSignatures = 128;  // of one manifest; what is above is not looked at

struct SigstoreSignature {
  std::string payload;
  std::string signature;
};

class SignatureSource {
 public:
  SignatureSource(const SignatureDemand& demand, const Reference& image, Registry& registry,
                  int stall_seconds)
      : demand_(demand), image_(image), registry_(registry), client_(stall_seconds) {}

  Result<std::vector<std::string>> SimpleSignatures(const Digest& manifest);
  Result<std::vector<SigstoreSignature>> SigstoreSignatures(const Digest& manifest);

 private:
  // kNotFound: not there.
  Result<std::string> FetchLookaside(const std::string& path);

  const SignatureDemand& demand_;
  const Reference& image_;
  Registry& registry_;
  HttpClient client_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_SIGNATURE_SOURCE_H_
