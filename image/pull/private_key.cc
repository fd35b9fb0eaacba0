#include "image/pull/private_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace crisp::image {
namespace {

constexpr int kMinRsaBits = 2048;
constexpr size_t kGcmTagBytes = 16;

struct Curve {
  std::string_view name;  // RFC 7518 section 6.2.1.1
  const char* group;      // OpenSSL's
  size_t field_bytes;
};
constexpr std::array<Curve, 3> kCurves = {{
    {"P-256", "prime256v1", 32},
    {"P-384", "secp384r1", 48},
    {"P-521", "secp521r1", 66},
}};

// nullptr: none of them.
const Curve* FindCurve(std::string_view name) {
  const auto* const found = std::find_if(kCurves.begin(), kCurves.end(),
                                         [&](const Curve& one) { return one.name == name; });
  return found == kCurves.end() ? nullptr : found;
}

using Context = std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)>;
Context MakeContext(EVP_PKEY* key) {
  return {::EVP_PKEY_CTX_new(key, nullptr), ::EVP_PKEY_CTX_free};
}

// One answer for every reason, so that nobody can ask a key what it thinks of a padding.
Status NotOpened() {
  ::ERR_clear_error();
  return Status(Code::kPermissionDenied, "the key does not open it");
}

const unsigned char* Raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

int GivePassword(char* buffer, int size, int, void* password) {
  const auto* secret = static_cast<const Secret*>(password);
  if (secret == nullptr || secret->size() > static_cast<size_t>(size)) return -1;
  std::memcpy(buffer, secret->data(), secret->size());
  return static_cast<int>(secret->size());
}

bool SetPadding(EVP_PKEY_CTX* context, RsaPadding padding) {
  if (padding == RsaPadding::kPkcs1) {
    return ::EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0;
  }
  const EVP_MD* md = padding == RsaPadding::kOaepSha1 ? ::EVP_sha1() : ::EVP_sha256();
  return ::EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) > 0 &&
         ::EVP_PKEY_CTX_set_rsa_oaep_md(context, md) > 0 &&
         ::EVP_PKEY_CTX_set_rsa_mgf1_md(context, md) > 0;
}

// nullptr: no point of that curve.
EVP_PKEY* MakePeer(const Curve& curve, const EcPoint& point) {
  const std::string octets = Cat('\x04', point.x, point.y);  // SEC 1 section 2.3.3, uncompressed
  const std::unique_ptr<OSSL_PARAM_BLD, void (*)(OSSL_PARAM_BLD*)> builder(::OSSL_PARAM_BLD_new(),
                                                                           ::OSSL_PARAM_BLD_free);
  if (!builder ||
      ::OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group,
                                        0) != 1 ||
      ::OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, octets.data(),
                                         octets.size()) != 1) {
    return nullptr;
  }
  const std::unique_ptr<OSSL_PARAM, void (*)(OSSL_PARAM*)> params(
      ::OSSL_PARAM_BLD_to_param(builder.get()), ::OSSL_PARAM_free);
  const Context context(::EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr), ::EVP_PKEY_CTX_free);
  EVP_PKEY* peer = nullptr;
  if (!params || !context || ::EVP_PKEY_fromdata_init(context.get()) <= 0 ||
      ::EVP_PKEY_fromdata(context.get(), &peer, EVP_PKEY_PUBLIC_KEY, params.get()) <= 0) {
    return nullptr;
  }
  return peer;
}

}  // namespace

Result<PrivateKey> PrivateKey::Parse(const Secret& pem, const Secret* password) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(
      ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), ::BIO_free);
  Pointer key(bio ? ::PEM_read_bio_PrivateKey(bio.get(), nullptr, GivePassword,
                                              const_cast<Secret*>(password))
                  : nullptr,
              ::EVP_PKEY_free);
  ::ERR_clear_error();
  if (!key) {
    if (pem.text().find("ENCRYPTED") == std::string_view::npos) {
      return InvalidArgument("not a private key; allowed: PEM (-----BEGIN PRIVATE KEY-----)");
    }
    return InvalidArgument(password == nullptr ? "the key has a password, and there is none for it"
                                               : "the password does not open the key");
  }
  PrivateKey out(std::move(key));
  if (!out.is_rsa() && !out.is_ec()) {
    return InvalidArgument("a private key of another kind; allowed: RSA or EC");
  }
  if (out.is_rsa() && ::EVP_PKEY_get_bits(out.key_.get()) < kMinRsaBits) {
    return InvalidArgument("an RSA key of ", ::EVP_PKEY_get_bits(out.key_.get()),
                           " bits; allowed: ", kMinRsaBits, " and more");
  }
  return out;
}

bool PrivateKey::is_rsa() const { return ::EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA; }
bool PrivateKey::is_ec() const { return ::EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_EC; }

// RFC 8017: the ciphertext has the modulus' length.
bool PrivateKey::CanDecrypt(std::string_view wrapped) const {
  return is_rsa() && wrapped.size() == static_cast<size_t>(::EVP_PKEY_get_size(key_.get()));
}

bool PrivateKey::CanAgree(const EcPoint& peer) const {
  const Curve* const curve = FindCurve(peer.curve);
  char group[64] = "";
  size_t length = 0;
  return curve != nullptr && is_ec() && peer.x.size() == curve->field_bytes &&
         peer.y.size() == curve->field_bytes &&
         ::EVP_PKEY_get_group_name(key_.get(), group, sizeof(group), &length) == 1 &&
         std::string_view(group) == curve->group;
}

Result<Secret> PrivateKey::Decrypt(RsaPadding padding, std::string_view wrapped) const {
  if (!CanDecrypt(wrapped)) return NotOpened();
  const Context context = MakeContext(key_.get());
  if (!context || ::EVP_PKEY_decrypt_init(context.get()) <= 0 ||
      !SetPadding(context.get(), padding)) {
    ::ERR_clear_error();
    return Internal("the crypto library refuses to decrypt");
  }
  Secret out(static_cast<size_t>(::EVP_PKEY_get_size(key_.get())));
  size_t size = out.size();
  if (::EVP_PKEY_decrypt(context.get(), out.data(), &size, Raw(wrapped), wrapped.size()) <= 0) {
    return NotOpened();
  }
  out.Shrink(size);
  return out;
}

Result<Secret> PrivateKey::Agree(const EcPoint& point) const {
  if (!CanAgree(point)) return NotOpened();
  const Curve* const curve = FindCurve(point.curve);
  const Pointer peer(MakePeer(*curve, point), ::EVP_PKEY_free);
  const Context context = MakeContext(key_.get());
  Secret out(curve->field_bytes);
  size_t size = out.size();
  if (!peer || !context || ::EVP_PKEY_derive_init(context.get()) <= 0 ||
      ::EVP_PKEY_derive_set_peer(context.get(), peer.get()) <= 0 ||
      ::EVP_PKEY_derive(context.get(), out.data(), &size) <= 0 || size != out.size()) {
    return NotOpened();
  }
  return out;
}

Result<Secret> OpenAesGcm(const Secret& key, std::string_view iv, std::string_view authenticated,
                          std::string_view ciphertext, std::string_view tag) {
  const EVP_CIPHER* cipher = key.size() == 32   ? ::EVP_aes_256_gcm()
                             : key.size() == 24 ? ::EVP_aes_192_gcm()
                             : key.size() == 16 ? ::EVP_aes_128_gcm()
                                                : nullptr;
  if (cipher == nullptr || iv.size() != 12 || tag.size() != kGcmTagBytes) return NotOpened();
  const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(::EVP_CIPHER_CTX_new(),
                                                                           ::EVP_CIPHER_CTX_free);
  Secret out(ciphertext.size());
  int length = 0;
  unsigned char end[16];
  const bool good =
      context && ::EVP_DecryptInit_ex(context.get(), cipher, nullptr, key.data(), Raw(iv)) == 1 &&
      ::EVP_DecryptUpdate(context.get(), nullptr, &length, Raw(authenticated),
                          static_cast<int>(authenticated.size())) == 1 &&
      ::EVP_DecryptUpdate(context.get(), out.data(), &length, Raw(ciphertext),
                          static_cast<int>(ciphertext.size())) == 1 &&
      ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTagBytes,
                            const_cast<char*>(tag.data())) == 1 &&
      ::EVP_DecryptFinal_ex(context.get(), end, &length) == 1;
  if (!good) return NotOpened();
  return out;
}

}  // namespace crisp::image
