// PublicKey: a sigstore key, and whether it made a signature.
//
// Contract: cosign SIGNATURE_SPEC.md: SHA-256 of the payload signed by ECDSA (ASN.1) or RSA (PKCS#1
//           v1.5), or the payload itself by Ed25519. The key is a PEM SubjectPublicKeyInfo.
// Threads:  const methods from any thread.
// Errors:   kInvalidArgument (not such a key), kPermissionDenied (another key, or changed bytes).
#ifndef CRISP_IMAGE_PULL_PUBLIC_KEY_H_
#define CRISP_IMAGE_PULL_PUBLIC_KEY_H_

#include <memory>
#include <string_view>

#include "base/core/result.h"

struct evp_pkey_st;

namespace crisp::image {

class PublicKey {
 public:
  static Result<PublicKey> Parse(std::string_view pem);
  Status Verify(std::string_view payload, std::string_view signature) const;

 private:
  using Pointer = std::unique_ptr<evp_pkey_st, void (*)(evp_pkey_st*)>;
  explicit PublicKey(Pointer key) : key_(std::move(key)) {}
  Pointer key_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_PUBLIC_KEY_H_
