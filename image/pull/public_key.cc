#include "image/pull/public_key.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace crisp::image {
namespace {

constexpr int kMinRsaBits = 2048;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Result<PublicKey> PublicKey::Parse(std::string_view pem) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(
      ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), ::BIO_free);
  Pointer key(bio ? ::PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr,
              ::EVP_PKEY_free);
  ::ERR_clear_error();
  if (!key) return InvalidArgument("not a public key; allowed: PEM (-----BEGIN PUBLIC KEY-----)");
  const int kind = ::EVP_PKEY_get_base_id(key.get());
  if (kind != EVP_PKEY_EC && kind != EVP_PKEY_RSA && kind != EVP_PKEY_ED25519) {
    return InvalidArgument("a public key of another kind; allowed: ECDSA, RSA or Ed25519");
  }
  if (kind == EVP_PKEY_RSA && ::EVP_PKEY_get_bits(key.get()) < kMinRsaBits) {
    return InvalidArgument("an RSA key of ", ::EVP_PKEY_get_bits(key.get()),
                           " bits; allowed: ", kMinRsaBits, " and more");
  }
  return PublicKey(std::move(key));
}

Status PublicKey::Verify(std::string_view payload, std::string_view signature) const {
  const bool hashes_itself = ::EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_ED25519;
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(::EVP_MD_CTX_new(),
                                                                   ::EVP_MD_CTX_free);
  if (!context ||
      ::EVP_DigestVerifyInit(context.get(), nullptr, hashes_itself ? nullptr : ::EVP_sha256(),
                             nullptr, key_.get()) != 1) {
    ::ERR_clear_error();
    return Internal("the crypto library refuses to verify a signature");
  }
  const int good = ::EVP_DigestVerify(context.get(), Bytes(signature), signature.size(),
                                      Bytes(payload), payload.size());
  ::ERR_clear_error();
  if (good == 1) return OkStatus();
  return Status(Code::kPermissionDenied,
                "the signature is not by a key of the policy, or the signed text was changed");
}

}  // namespace crisp::image
