#include "sealed_layer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <cstdlib>
#include <memory>

#include "base/base64.h"

namespace crisp::image {
namespace {

using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)>;

void Must(bool good) {
  if (!good) std::abort();  // the tests' own tool is broken
}
unsigned char* Raw(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* Raw(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string Random(size_t size) {
  std::string out(size, '\0');
  Must(::RAND_bytes(Raw(out), static_cast<int>(size)) == 1);
  return out;
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = ::BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<size_t>(size));
  ::BIO_free(bio);
  return out;
}

Key ReadPublic(const std::string& pem) {
  BIO* bio = ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  Key key(::PEM_read_bio_PUBKEY(bio, nullptr, nullptr, nullptr), ::EVP_PKEY_free);
  ::BIO_free(bio);
  Must(key != nullptr);
  return key;
}

KeyPair PairOf(const Key& key) {
  Must(key != nullptr);
  BIO* secret = ::BIO_new(::BIO_s_mem());
  BIO* open = ::BIO_new(::BIO_s_mem());
  Must(::PEM_write_bio_PrivateKey(secret, key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  Must(::PEM_write_bio_PUBKEY(open, key.get()) == 1);
  return {TextOf(secret), TextOf(open)};
}

std::string RsaEncrypt(const JweRecipient& to, const std::string& text) {
  const Key key = ReadPublic(to.public_pem);
  EVP_PKEY_CTX* context = ::EVP_PKEY_CTX_new(key.get(), nullptr);
  const EVP_MD* md = to.algorithm == "RSA-OAEP-256" ? ::EVP_sha256() : ::EVP_sha1();
  Must(::EVP_PKEY_encrypt_init(context) == 1 &&
       ::EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
       ::EVP_PKEY_CTX_set_rsa_oaep_md(context, md) == 1);
  std::string out(1024, '\0');
  size_t size = out.size();
  Must(::EVP_PKEY_encrypt(context, Raw(out), &size, Raw(text), text.size()) == 1);
  ::EVP_PKEY_CTX_free(context);
  out.resize(size);
  return out;
}

std::string Coordinate(const Key& key, const char* name, size_t size) {
  BIGNUM* number = nullptr;
  Must(::EVP_PKEY_get_bn_param(key.get(), name, &number) == 1);
  std::string out(size, '\0');
  Must(::BN_bn2binpad(number, Raw(out), static_cast<int>(size)) == static_cast<int>(size));
  ::BN_free(number);
  return out;
}

std::string Uint32(size_t value) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(value >> shift);
  return out;
}

// The key that both ends come to (RFC 7518 section 4.6.2), and the header of the recipient.
std::string AgreeOnKey(const JweRecipient& to, Json* header) {
  const Key theirs = ReadPublic(to.public_pem);
  char group[64];
  Must(::EVP_PKEY_get_group_name(theirs.get(), group, sizeof(group), nullptr) == 1);
  const Key ours(::EVP_EC_gen(group), ::EVP_PKEY_free);
  const std::string name = group;
  const size_t field = name == "prime256v1" ? 32 : name == "secp384r1" ? 48 : 66;
  const char* curve = field == 32 ? "P-256" : field == 48 ? "P-384" : "P-521";
  (*header)["epk"] = {{"kty", "EC"},
                      {"crv", curve},
                      {"x", Base64Url(Coordinate(ours, OSSL_PKEY_PARAM_EC_PUB_X, field))},
                      {"y", Base64Url(Coordinate(ours, OSSL_PKEY_PARAM_EC_PUB_Y, field))}};
  if (!to.party_u.empty()) (*header)["apu"] = Base64Url(to.party_u);
  if (!to.party_v.empty()) (*header)["apv"] = Base64Url(to.party_v);
  EVP_PKEY_CTX* context = ::EVP_PKEY_CTX_new(ours.get(), nullptr);
  std::string agreed(field, '\0');
  size_t size = agreed.size();
  Must(::EVP_PKEY_derive_init(context) == 1 &&
       ::EVP_PKEY_derive_set_peer(context, theirs.get()) == 1 &&
       ::EVP_PKEY_derive(context, Raw(agreed), &size) == 1 && size == field);
  ::EVP_PKEY_CTX_free(context);
  const size_t bytes = to.algorithm.find("A128") != std::string::npos   ? 16
                       : to.algorithm.find("A192") != std::string::npos ? 24
                                                                        : 32;
  const std::string input =
      Cat(Uint32(1), agreed, Uint32(to.algorithm.size()), to.algorithm, Uint32(to.party_u.size()),
          to.party_u, Uint32(to.party_v.size()), to.party_v, Uint32(bytes * 8));
  std::string out(32, '\0');
  Must(::EVP_Digest(input.data(), input.size(), Raw(out), nullptr, ::EVP_sha256(), nullptr) == 1);
  out.resize(bytes);
  return out;
}

std::string WrapAesKey(const std::string& key, const std::string& text) {
  const Cipher context(::EVP_CIPHER_CTX_new(), ::EVP_CIPHER_CTX_free);
  ::EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  const EVP_CIPHER* cipher = key.size() == 32   ? ::EVP_aes_256_wrap()
                             : key.size() == 24 ? ::EVP_aes_192_wrap()
                                                : ::EVP_aes_128_wrap();
  std::string out(text.size() + 16, '\0');
  int size = 0;
  Must(::EVP_EncryptInit_ex(context.get(), cipher, nullptr, Raw(key), nullptr) == 1 &&
       ::EVP_EncryptUpdate(context.get(), Raw(out), &size, Raw(text),
                           static_cast<int>(text.size())) == 1);
  out.resize(static_cast<size_t>(size));
  return out;
}

}  // namespace

KeyPair MakeRsaKey(int bits) {
  return PairOf(Key(::EVP_RSA_gen(static_cast<unsigned>(bits)), ::EVP_PKEY_free));
}
KeyPair MakeEcKey(const std::string& group) {
  return PairOf(Key(::EVP_EC_gen(group.c_str()), ::EVP_PKEY_free));
}

std::string WithPassword(const std::string& private_pem, const std::string& password) {
  BIO* in = ::BIO_new_mem_buf(private_pem.data(), static_cast<int>(private_pem.size()));
  const Key key(::PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr), ::EVP_PKEY_free);
  ::BIO_free(in);
  BIO* out = ::BIO_new(::BIO_s_mem());
  Must(key != nullptr &&
       ::PEM_write_bio_PKCS8PrivateKey(out, key.get(), ::EVP_aes_256_cbc(), password.data(),
                                       static_cast<int>(password.size()), nullptr, nullptr) == 1);
  return TextOf(out);
}

std::string Base64Url(const std::string& bytes) {
  std::string out = EncodeBase64(bytes);
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

Json MakeJwe(const std::string& text, const std::vector<JweRecipient>& recipients,
             const std::string& cipher) {
  const std::string key = Random(cipher == "A128GCM" ? 16 : cipher == "A192GCM" ? 24 : 32);
  const EVP_CIPHER* gcm = key.size() == 16   ? ::EVP_aes_128_gcm()
                          : key.size() == 24 ? ::EVP_aes_192_gcm()
                                             : ::EVP_aes_256_gcm();
  Json many = Json::array();
  for (const JweRecipient& to : recipients) {
    Json header = {{"alg", to.algorithm}};
    const std::string wrapped = to.algorithm.starts_with("ECDH-ES")
                                    ? WrapAesKey(AgreeOnKey(to, &header), key)
                                    : RsaEncrypt(to, key);
    many.push_back({{"header", header}, {"encrypted_key", Base64Url(wrapped)}});
  }
  Json out;
  Json shared = {{"enc", cipher}};
  if (many.size() == 1) {
    shared.update(many[0]["header"]);
    out["encrypted_key"] = many[0]["encrypted_key"];
  } else {
    out["recipients"] = many;
  }
  const std::string authenticated = Base64Url(shared.dump());
  const std::string iv = Random(12);
  std::string sealed(text.size(), '\0');
  std::string tag(16, '\0');
  int size = 0;
  const Cipher context(::EVP_CIPHER_CTX_new(), ::EVP_CIPHER_CTX_free);
  Must(::EVP_EncryptInit_ex(context.get(), gcm, nullptr, Raw(key), Raw(iv)) == 1 &&
       ::EVP_EncryptUpdate(context.get(), nullptr, &size, Raw(authenticated),
                           static_cast<int>(authenticated.size())) == 1 &&
       ::EVP_EncryptUpdate(context.get(), Raw(sealed), &size, Raw(text),
                           static_cast<int>(text.size())) == 1);
  unsigned char end[16];
  Must(::EVP_EncryptFinal_ex(context.get(), end, &size) == 1 &&
       ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, tag.data()) == 1);
  out["protected"] = authenticated;
  out["iv"] = Base64Url(iv);
  out["ciphertext"] = Base64Url(sealed);
  out["tag"] = Base64Url(tag);
  return out;
}

std::string PublicOptions(const std::string& hmac, const std::string& cipher) {
  return EncodeBase64(
      Json{{"cipher", cipher}, {"hmac", EncodeBase64(hmac)}, {"cipheroptions", Json::object()}}
          .dump());
}

SealedLayer SealLayer(const std::string& plain, const std::vector<JweRecipient>& recipients) {
  SealedLayer out;
  out.key = Random(32);
  out.nonce = Random(16);
  out.blob.resize(plain.size());
  int size = 0;
  const Cipher context(::EVP_CIPHER_CTX_new(), ::EVP_CIPHER_CTX_free);
  Must(::EVP_EncryptInit_ex(context.get(), ::EVP_aes_256_ctr(), nullptr, Raw(out.key),
                            Raw(out.nonce)) == 1 &&
       ::EVP_EncryptUpdate(context.get(), Raw(out.blob), &size, Raw(plain),
                           static_cast<int>(plain.size())) == 1);
  out.hmac.resize(32);
  Must(::HMAC(::EVP_sha256(), out.key.data(), 32, Raw(out.blob), out.blob.size(), Raw(out.hmac),
              nullptr) != nullptr);
  out.wrapped_text = Json{{"symkey", EncodeBase64(out.key)},
                          {"digest", "sha256:" + std::string(64, '0')},
                          {"cipheroptions", {{"nonce", EncodeBase64(out.nonce)}}}}
                         .dump();
  out.annotations = {{kJweAnnotation, EncodeBase64(MakeJwe(out.wrapped_text, recipients).dump())},
                     {kPublicAnnotation, PublicOptions(out.hmac)}};
  return out;
}

}  // namespace crisp::image
