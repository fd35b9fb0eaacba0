// Encrypted layers: from a descriptor's annotations to the cipher of its blob, and through it.
//
// What:    the blob is AES-256-CTR, authenticated by HMAC-SHA256 over the ciphertext with the same
//          key. The key is in the annotations org.opencontainers.image.enc.keys.<scheme>: base64
//          texts with commas between them, each wrapped for other people. Schemes here: jwe and
//          pkcs7. What is wrapped is JSON: {"symkey", "cipheroptions": {"nonce"}}; beside it the
//          annotation org.opencontainers.image.enc.pubopts: base64 of {"cipher", "hmac"}.
// Contract: the ocicrypt format, as skopeo, buildah and nerdctl write it. It has no specification.
//           The nonce is taken from the wrapped part only: nothing vouches for the other one.
// Threads:  LayerCipher is immutable; LayerDecryptor has one owner.
// Errors:   OpenLayer: kFailedPrecondition (no key opens it: says whose keys would, and where they
//           belong; or too much was to be tried), kInvalidArgument (malformed annotations; of
//           wrapped keys, when none can be read). Finish: kDataLoss, which IsForged knows.
#ifndef CRISP_IMAGE_PULL_LAYER_DECRYPTION_H_
#define CRISP_IMAGE_PULL_LAYER_DECRYPTION_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "image/digest.h"
#include "image/manifest.h"
#include "image/pull/byte_stream.h"
#include "image/pull/decryption_keys.h"
#include "image/pull/secret.h"

struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

namespace crisp::image {

// Of one annotation.
inline constexpr size_t kMaxKeyAnnotationBytes = 256u << 10;

// A media type with "+encrypted" behind it.
bool IsEncrypted(const Descriptor& layer);

struct LayerCipher {
  Secret key;
  std::string nonce;
  std::string hmac;

  // What the store calls the layer. Nobody who has not got its key can name it, so that an image
  // made by a stranger, with the diff ids that an encrypted image's config shows to everybody, does
  // not get at layers which are decrypted on this node.
  Result<Digest> StoreId(const Digest& diff_id) const;
};
using LayerCipherPtr = std::shared_ptr<const LayerCipher>;

// Private-key operations for one image; a layer has its 64 recipients, a node its 64 keys.
inline constexpr size_t kMaxKeyOperations = 4096;

// Opens the layers of one image, one after the other. `keys` must outlive it.
class LayerOpener {
 public:
  explicit LayerOpener(const DecryptionKeys& keys) : keys_(keys) {}
  Result<LayerCipherPtr> Open(const Descriptor& layer);
  size_t operations() const { return operations_; }

 private:
  const DecryptionKeys& keys_;
  size_t last_ = 0;  // the key that opened the last layer: tried first
  size_t operations_ = 0;
};
Result<LayerCipherPtr> OpenLayer(const Descriptor& layer, const DecryptionKeys& keys);
// Of each layer; nullptr: not encrypted. Keys are read when a layer needs them, and given up at the
// end.
Result<std::vector<LayerCipherPtr>> OpenLayers(const std::vector<Descriptor>& layers,
                                               const std::string& keys_path);

class LayerDecryptor {
 public:
  // `cipher` must outlive it.
  static Result<LayerDecryptor> Create(const LayerCipher& cipher);
  LayerDecryptor(LayerDecryptor&&) noexcept;
  ~LayerDecryptor();

  // Gives the plain bytes to `sink`. They are not authentic before Finish has said so.
  Status Feed(Bytes bytes, const ByteSink& sink);
  Status Finish();

 private:
  using Cipher = std::unique_ptr<evp_cipher_ctx_st, void (*)(evp_cipher_ctx_st*)>;
  using Mac = std::unique_ptr<evp_mac_ctx_st, void (*)(evp_mac_ctx_st*)>;
  LayerDecryptor(const LayerCipher& cipher, Cipher decrypt, Mac mac);

  const LayerCipher* cipher_;
  Cipher decrypt_;
  Mac mac_;
  std::vector<uint8_t> plain_;
};
// Finish has failed: what the manifest names was changed. No other source has it better.
bool IsForged(const Status& status);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_LAYER_DECRYPTION_H_
