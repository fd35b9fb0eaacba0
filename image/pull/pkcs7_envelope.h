// Pkcs7Envelope: a small secret, wrapped for the keys of certificates.
//
// Contract: RFC 2315 section 10 (EnvelopedData) with RSA key transport; the content is AES-GCM with
//           the parameters of RFC 5084 section 3.2 and the tag behind the ciphertext, as image
//           encryption writes it. (RFC 5083's AuthEnvelopedData is not used there.)
// Threads:  const methods from any thread.
// Errors:   kInvalidArgument (not such a message, or no recipient of this kind), kPermissionDenied
//           (the key opens it for no recipient). Certificates are not needed: each recipient is
//           tried.
#ifndef CRISP_IMAGE_PULL_PKCS7_ENVELOPE_H_
#define CRISP_IMAGE_PULL_PKCS7_ENVELOPE_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "image/pull/private_key.h"
#include "image/pull/secret.h"

namespace crisp::image {

class Pkcs7Envelope {
 public:
  struct Recipient {
    std::string certificate;  // "serial 1F, issuer /CN=x", for messages
    std::string wrapped_key;
    // Why it is never tried, for messages; empty: it is.
    std::string unusable;
  };

  static Result<Pkcs7Envelope> Parse(std::string_view der);

  const std::vector<Recipient>& recipients() const { return recipients_; }
  // `operations`, unless nullptr: grows with each private-key operation.
  Result<Secret> Open(const PrivateKey& key, size_t* operations = nullptr) const;

 private:
  size_t key_bytes_ = 0;
  std::vector<Recipient> recipients_;
  std::string iv_;
  std::string ciphertext_;
  std::string tag_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_PKCS7_ENVELOPE_H_
