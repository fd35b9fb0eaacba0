// SealedLayer: layers encrypted by the tests' own hand, and every way to do it wrong.
//
// What:    the writing side of image/pull/layer_decryption.h, made from OpenSSL's parts; whether
// both
//          sides understand the format alike is shown by images that skopeo has encrypted.
#ifndef CRISP_TESTS_UNIT_IMAGE_SEALED_LAYER_H_
#define CRISP_TESTS_UNIT_IMAGE_SEALED_LAYER_H_

#include <map>
#include <string>
#include <vector>

#include "image/json_text.h"

namespace crisp::image {

struct KeyPair {
  std::string private_pem;
  std::string public_pem;
};
// RSA of so many bits, or an EC curve as OpenSSL calls it ("prime256v1").
KeyPair MakeRsaKey(int bits = 2048);
KeyPair MakeEcKey(const std::string& group);
// The same key in PKCS#8 under a password.
std::string WithPassword(const std::string& private_pem, const std::string& password);

struct JweRecipient {
  std::string public_pem;
  std::string algorithm = "RSA-OAEP";
  std::string party_u = {};  // ECDH-ES; so with the next
  std::string party_v = {};
};
std::string Base64Url(const std::string& bytes);
// General JSON for several recipients, flattened for one.
Json MakeJwe(const std::string& text, const std::vector<JweRecipient>& recipients,
             const std::string& cipher = "A256GCM");

struct SealedLayer {
  std::string blob;
  std::string key;  // 32 bytes; so with the next two 16 and 32
  std::string nonce;
  std::string hmac;
  std::string wrapped_text;                        // what the JWE holds
  std::map<std::string, std::string> annotations;  // jwe and pubopts
};
SealedLayer SealLayer(const std::string& plain, const std::vector<JweRecipient>& recipients);
std::string PublicOptions(const std::string& hmac,
                          const std::string& cipher = "AES_256_CTR_HMAC_SHA256");

inline constexpr char kJweAnnotation[] = "org.opencontainers.image.enc.keys.jwe";
inline constexpr char kPkcs7Annotation[] = "org.opencontainers.image.enc.keys.pkcs7";
inline constexpr char kPublicAnnotation[] = "org.opencontainers.image.enc.pubopts";

}  // namespace crisp::image

#endif  // CRISP_TESTS_UNIT_IMAGE_SEALED_LAYER_H_
