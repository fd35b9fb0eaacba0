// PrivateKey: one RSA or EC key, and what it can do with a wrapped key.
//
// Contract: RFC 8017 sections 7.1 (RSAES-OAEP) and 7.2 (RSAES-PKCS1-v1_5); NIST SP 800-56A (ECDH).
//           PEM as OpenSSL reads it: PKCS#8, PKCS#1 and SEC1, with a password or without.
// Threads:  const methods from any thread.
// Errors:   kInvalidArgument (no such key), kPermissionDenied (the key does not open this). The
//           latter never says how far it came.
#ifndef CRISP_IMAGE_PULL_PRIVATE_KEY_H_
#define CRISP_IMAGE_PULL_PRIVATE_KEY_H_

#include <memory>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "image/pull/secret.h"

struct evp_pkey_st;

namespace crisp::image {

enum class RsaPadding { kPkcs1, kOaepSha1, kOaepSha256 };

// A point as JSON Web Keys have it: coordinates, big endian, as long as the field.
struct EcPoint {
  std::string curve;  // "P-256", "P-384" or "P-521"
  std::string x;
  std::string y;
};

class PrivateKey {
 public:
  // `password`: nullptr when there is none.
  static Result<PrivateKey> Parse(const Secret& pem, const Secret* password);

  bool is_rsa() const;
  bool is_ec() const;
  // Without any private-key operation: whether trying makes sense at all.
  bool CanDecrypt(std::string_view wrapped) const;
  bool CanAgree(const EcPoint& peer) const;
  Result<Secret> Decrypt(RsaPadding padding, std::string_view wrapped) const;
  // The secret that the owner of `peer`'s private key would come to as well.
  Result<Secret> Agree(const EcPoint& peer) const;

 private:
  using Pointer = std::unique_ptr<evp_pkey_st, void (*)(evp_pkey_st*)>;
  explicit PrivateKey(Pointer key) : key_(std::move(key)) {}
  Pointer key_;
};

// The text behind AES-GCM (NIST SP 800-38D); the tag is 16 bytes, the key's length chooses the
// cipher. kPermissionDenied when the tag does not fit.
Result<Secret> OpenAesGcm(const Secret& key, std::string_view iv, std::string_view authenticated,
                          std::string_view ciphertext, std::string_view tag);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_PRIVATE_KEY_H_
