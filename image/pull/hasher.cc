#include "image/pull/hasher.h"

#include <openssl/evp.h>

namespace crisp::image {

Hasher::Hasher(const std::string& algorithm)
    : algorithm_(algorithm), context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  const EVP_MD* md = algorithm == "sha512" ? EVP_sha512() : EVP_sha256();
  ok_ = context_ != nullptr && EVP_DigestInit_ex(context_.get(), md, nullptr) == 1;
}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::Update(Bytes bytes) {
  ok_ = ok_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
}

Result<Digest> Hasher::Finish() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  ok_ = ok_ && EVP_DigestFinal_ex(context_.get(), raw, &length) == 1;
  if (!ok_) return Internal("compute ", algorithm_, ": the crypto library failed");
  ok_ = false;
  static constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * length);
  for (unsigned i = 0; i < length; ++i) {
    hex += kHex[raw[i] >> 4];
    hex += kHex[raw[i] & 15];
  }
  return Digest(algorithm_, std::move(hex));
}

Result<Digest> DigestOf(std::string_view text, const std::string& algorithm) {
  Hasher hasher(algorithm);
  hasher.Update(Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  return hasher.Finish();
}

Status VerifyDigest(std::string_view text, const Digest& expected) {
  const Digest actual = CRISP_TRY(DigestOf(text, expected.algorithm()));
  if (actual == expected) return OkStatus();
  return DataLoss("digest mismatch: expected ", expected.ToString(), ", got ", actual.ToString());
}

}  // namespace crisp::image
