// Encrypted layers: what their annotations hold, in front of keys and behind them.
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/core/file.h"
#include "fuzz.h"
#include "image/pull/jwe.h"
#include "image/pull/layer_decryption.h"
#include "image/pull/pkcs7_envelope.h"
#include "sealed_layer.h"
#include "skopeo_layer.h"

namespace crisp::image {
namespace {

PrivateKey Key(const char* pem) {
  auto key = PrivateKey::Parse(Secret(std::string(pem)), nullptr);
  CRISP_REQUIRE(key.ok());
  return std::move(key).value();
}

// EC keys are the quick ones.
DecryptionKeys KeysWith(const std::string& pem) {
  const UniqueFd file(::memfd_create("key", MFD_CLOEXEC));
  CRISP_REQUIRE(file && WriteAll(file.get(), pem).ok() && ::fchmod(file.get(), 0600) == 0);
  auto read = DecryptionKeys::Read(Cat("/proc/self/fd/", file.get()));
  CRISP_REQUIRE(read.ok() && read->keys().size() == 1);
  return std::move(read).value();
}

Descriptor LayerWith(std::map<std::string, std::string> annotations) {
  Descriptor out;
  out.media_type = "application/vnd.oci.image.layer.v1.tar+encrypted";
  out.annotations = std::move(annotations);
  return out;
}

void CheckCipher(const Result<LayerCipherPtr>& cipher) {
  if (!cipher.ok()) {
    CRISP_REQUIRE(cipher.status().code() == Code::kInvalidArgument ||
                  cipher.status().code() == Code::kFailedPrecondition);
    for (const char c : cipher.status().message()) CRISP_REQUIRE(c >= ' ' || c == '\n');
    return;
  }
  CRISP_REQUIRE((*cipher)->key.size() == 32 && (*cipher)->nonce.size() == 16);
  CRISP_REQUIRE((*cipher)->hmac.size() == 32);
  auto decryptor = LayerDecryptor::Create(**cipher);
  CRISP_REQUIRE(decryptor.ok());
}

}  // namespace

CRISP_FUZZ(jwe) {
  static const PrivateKey key = Key(kSkopeoEcKey);
  const auto jwe = Jwe::Parse(input);
  if (!jwe.ok()) {
    CRISP_REQUIRE(jwe.status().code() == Code::kInvalidArgument);
    return;
  }
  CRISP_REQUIRE(jwe->recipients().size() <= kMaxKeyRecipients);
  (void)jwe->Open(key);
}

CRISP_FUZZ(pkcs7_envelope) {
  static const PrivateKey key = Key(kSkopeoPkcs7Key);
  const auto envelope = Pkcs7Envelope::Parse(input);
  if (!envelope.ok()) {
    CRISP_REQUIRE(envelope.status().code() == Code::kInvalidArgument);
    return;
  }
  CRISP_REQUIRE(!envelope->recipients().empty());
  CRISP_REQUIRE(envelope->recipients().size() <= kMaxKeyRecipients);
  for (const Pkcs7Envelope::Recipient& one : envelope->recipients()) {
    for (const char c : one.certificate) CRISP_REQUIRE(c >= ' ' && c < 0x7f);
  }
  if (envelope->recipients().size() < 3) (void)envelope->Open(key);  // it is slow
}

// Lines: jwe, pkcs7, and the public options.
CRISP_FUZZ(layer_annotations) {
  static const DecryptionKeys keys = KeysWith(kSkopeoEcKey);
  const fuzz::Parts first = fuzz::SplitLine(input);
  const fuzz::Parts second = fuzz::SplitLine(first.rest);
  const Descriptor layer = LayerWith({{kJweAnnotation, std::string(first.first)},
                                      {kPkcs7Annotation, std::string(second.first)},
                                      {kPublicAnnotation, std::string(second.rest)}});
  CheckCipher(OpenLayer(layer, keys));
}

// What the owner of our public key has wrapped for us: it need not be our friend.
CRISP_FUZZ(wrapped_options) {
  static const std::string hmac = PublicOptions(std::string(32, 'h'));
  static const KeyPair pair = MakeEcKey("prime256v1");
  static const DecryptionKeys keys = KeysWith(pair.private_pem);
  const std::string jwe =
      MakeJwe(std::string(input.substr(0, 4096)), {{pair.public_pem, "ECDH-ES+A256KW"}}).dump();
  CheckCipher(
      OpenLayer(LayerWith({{kJweAnnotation, EncodeBase64(jwe)}, {kPublicAnnotation, hmac}}), keys));
}

}  // namespace crisp::image
