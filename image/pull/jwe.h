// Jwe: a small secret, wrapped for one or several keys as JSON Web Encryption.
//
// Contract: RFC 7516 section 7.2 (JSON, general and flattened); of RFC 7518 the key wrappings of
//           sections 4.3 (RSA-OAEP, RSA-OAEP-256) and 4.6 (ECDH-ES+A128KW, +A192KW, +A256KW) and
//           the ciphers of section 5.3 (A128GCM, A192GCM, A256GCM). "zip" and "crit" are refused.
//           When "recipients" is there, an "encrypted_key" beside it says nothing: some writers
//           leave one.
// Threads:  const methods from any thread.
// Errors:   kInvalidArgument (malformed, or of another kind: names the member and what is allowed;
//           a recipient of another kind only when there is no better one), kPermissionDenied
//           (no recipient fits the key, or something was changed).
#ifndef CRISP_IMAGE_PULL_JWE_H_
#define CRISP_IMAGE_PULL_JWE_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "image/pull/private_key.h"
#include "image/pull/secret.h"

namespace crisp::image {

inline constexpr size_t kMaxJweBytes = 256u << 10;
inline constexpr size_t kMaxKeyRecipients = 64;

class Jwe {
 public:
  struct Recipient {
    std::string algorithm;  // "RSA-OAEP"
    std::string key_id;     // "kid": what the writer calls the key; may be empty
    std::string wrapped_key;
    EcPoint peer;         // ECDH-ES only; so with the next two
    std::string party_u;  // "apu"
    std::string party_v;  // "apv"
    // Why it is never tried, for messages; empty: it is.
    std::string unusable;
  };

  static Result<Jwe> Parse(std::string_view text);

  const std::vector<Recipient>& recipients() const { return recipients_; }
  // `operations`, unless nullptr: grows with each private-key operation.
  Result<Secret> Open(const PrivateKey& key, size_t* operations = nullptr) const;

 private:
  void AddRecipient(Result<Recipient> recipient, Status* first_failure);

  size_t key_bytes_ = 0;  // that "enc" wants
  std::vector<Recipient> recipients_;
  std::string authenticated_;
  std::string iv_;
  std::string ciphertext_;
  std::string tag_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_JWE_H_
