// Hasher: computes a Digest over a stream (OpenSSL's EVP, which uses the processor's SHA
// instructions).
//
// Threads: one owner.
// Errors:  kInternal when the crypto library refuses; Update after that is ignored and Finish
// fails.
#ifndef CRISP_IMAGE_PULL_HASHER_H_
#define CRISP_IMAGE_PULL_HASHER_H_

#include <memory>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "image/digest.h"
#include "image/pull/byte_stream.h"

struct evp_md_ctx_st;

namespace crisp::image {

class Hasher {
 public:
  // "sha256" or "sha512".
  explicit Hasher(const std::string& algorithm = "sha256");
  Hasher(Hasher&&) noexcept;
  ~Hasher();

  void Update(Bytes bytes);
  Result<Digest> Finish();

 private:
  std::string algorithm_;
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
  bool ok_ = false;
};

Result<Digest> DigestOf(std::string_view text, const std::string& algorithm = "sha256");
// kDataLoss naming both when `text` is not what `expected` names.
Status VerifyDigest(std::string_view text, const Digest& expected);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_HASHER_H_
