#include "image/pull/layer_decryption.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <optional>

#include "base/base64.h"
#include "image/pull/jwe.h"
#include "image/pull/layer_path.h"
#include "image/pull/pkcs7_envelope.h"

namespace crisp::image {
namespace {

constexpr std::string_view kSuffix = "+encrypted";
constexpr std::string_view kKeysPrefix = "org.opencontainers.image.enc.keys.";
constexpr std::string_view kJwe = "jwe";
constexpr std::string_view kPkcs7 = "pkcs7";
constexpr const char* kPublicOptions = "org.opencontainers.image.enc.pubopts";
constexpr std::string_view kCipherName = "AES_256_CTR_HMAC_SHA256";
constexpr size_t kKeyBytes = 32;
constexpr size_t kNonceBytes = 16;
constexpr size_t kHmacBytes = 32;
constexpr size_t kChunkBytes = 64u << 10;
constexpr size_t kMaxShown = 5;

using MacContext = std::unique_ptr<EVP_MAC_CTX, void (*)(EVP_MAC_CTX*)>;

// nullptr: the crypto library refuses.
MacContext MakeHmac(const Secret& key) {
  const std::unique_ptr<EVP_MAC, void (*)(EVP_MAC*)> mac(::EVP_MAC_fetch(nullptr, "HMAC", nullptr),
                                                         ::EVP_MAC_free);
  MacContext context(mac ? ::EVP_MAC_CTX_new(mac.get()) : nullptr, ::EVP_MAC_CTX_free);
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {::OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               ::OSSL_PARAM_construct_end()};
  if (context && ::EVP_MAC_init(context.get(), key.data(), key.size(), params) != 1) {
    context.reset();
  }
  return context;
}

// Empty: the crypto library refuses.
std::string FinishHmac(EVP_MAC_CTX* context) {
  std::string out(kHmacBytes, '\0');
  size_t size = 0;
  if (::EVP_MAC_final(context, reinterpret_cast<unsigned char*>(out.data()), &size, out.size()) !=
          1 ||
      size != out.size()) {
    out.clear();
  }
  return out;
}

Status WrongBytes(const char* member, size_t size) {
  return InvalidArgument("member \"", member, "\": allowed: base64 of ", size, " bytes");
}

// Standard base64 of exactly `size` bytes.
Result<std::string> BytesMember(const Json& object, const char* member, size_t size) {
  const std::string text = CRISP_TRY(StringMember(object, member));
  std::optional<std::string> bytes = DecodeBase64(text);
  if (!bytes || bytes->size() != size) return WrongBytes(member, size);
  return *std::move(bytes);
}

// The same for a key, of which no copy is left: the member is wiped, too.
Result<Secret> TakeKey(Json* object, const char* member) {
  constexpr size_t kText = (kKeyBytes + 2) / 3 * 4;  // with one '='
  const auto it = object->is_object() ? object->find(member) : object->end();
  if (it == object->end() || !it->is_string()) return WrongBytes(member, kKeyBytes);
  auto& text = it->get_ref<std::string&>();
  Secret out(kKeyBytes + 1);  // the padding becomes a byte
  const bool good =
      text.size() == kText && text.find('=') == kText - 1 &&
      ::EVP_DecodeBlock(out.data(), reinterpret_cast<const unsigned char*>(text.data()),
                        static_cast<int>(text.size())) == static_cast<int>(out.size());
  ::OPENSSL_cleanse(text.data(), text.size());
  if (!good) return WrongBytes(member, kKeyBytes);
  out.Shrink(kKeyBytes);
  return out;
}

// Everybody may read and change these; the HMAC decides.
Status ReadPublicOptions(const Descriptor& layer, LayerCipher* out) {
  const auto it = layer.annotations.find(kPublicOptions);
  if (it == layer.annotations.end()) return InvalidArgument("it is missing");
  if (it->second.size() > kMaxKeyAnnotationBytes) {
    return InvalidArgument("is larger than ", kMaxKeyAnnotationBytes, " bytes");
  }
  const std::optional<std::string> text = DecodeBase64(it->second);
  if (!text) return InvalidArgument("is not base64");
  const Json json = CRISP_TRY(ParseJson(*text, "options"));
  const std::string cipher = CRISP_TRY(StringMember(json, "cipher"));
  if (cipher != kCipherName) {
    return InvalidArgument("member \"cipher\": \"", PrintablePath(cipher),
                           "\"; allowed: ", kCipherName);
  }
  out->hmac = CRISP_TRY(BytesMember(json, "hmac", kHmacBytes));
  return OkStatus();
}

// The names of the members are no secret; what they hold is.
Status ReadPrivateOptions(const Secret& text, LayerCipher* out) {
  Json json = CRISP_TRY(ParseJson(text.text(), "wrapped options"));
  out->key = CRISP_TRY(TakeKey(&json, "symkey").Wrap("wrapped options"));
  const Json* options = FindMember(json, "cipheroptions");
  if (options == nullptr) return InvalidArgument("wrapped options: no \"cipheroptions\"");
  out->nonce = CRISP_TRY(BytesMember(*options, "nonce", kNonceBytes).Wrap("wrapped options"));
  return OkStatus();
}

// The wrapped keys of one layer, whatever scheme they have. What cannot be read is for somebody
// else, as long as there is something that can.
class WrappedKeys {
 public:
  static Result<WrappedKeys> Parse(const Descriptor& layer) {
    WrappedKeys out;
    Status unreadable;  // the first reason
    for (const auto& [name, value] : layer.annotations) {
      if (!name.starts_with(kKeysPrefix) || value.empty()) continue;
      const std::string scheme = name.substr(kKeysPrefix.size());
      if (scheme != kJwe && scheme != kPkcs7) {
        out.wanted_.push_back(Cat(PrintablePath(scheme), " (allowed: jwe or pkcs7)"));
        continue;
      }
      if (value.size() > kMaxKeyAnnotationBytes) {
        out.Skip(scheme,
                 InvalidArgument("annotation ", name, " has ", value.size(), " bytes; at most ",
                                 kMaxKeyAnnotationBytes, " are allowed"),
                 &unreadable);
        continue;
      }
      CRISP_RETURN_IF_ERROR(out.Add(scheme, name, value, &unreadable));
    }
    if (out.jwes_.empty() && out.envelopes_.empty() && !unreadable.ok()) return unreadable;
    if (out.wanted_.empty()) {
      return InvalidArgument("no annotation ", kKeysPrefix, "jwe or ", kKeysPrefix, "pkcs7");
    }
    return out;
  }

  // What they are for, for messages.
  const std::vector<std::string>& wanted() const { return wanted_; }

  Result<Secret> Open(const PrivateKey& key, size_t* operations) const {
    for (const Jwe& one : jwes_) {
      Result<Secret> opened = one.Open(key, operations);
      if (opened.ok()) return opened;
    }
    for (const Pkcs7Envelope& one : envelopes_) {
      Result<Secret> opened = one.Open(key, operations);
      if (opened.ok()) return opened;
    }
    return Status(Code::kPermissionDenied, "the key opens none of them");
  }

 private:
  void Skip(const std::string& scheme, Status why, Status* first) {
    wanted_.push_back(Cat(scheme, ", which cannot be read: ", why.message()));
    if (first->ok()) *first = std::move(why);
  }
  Status Add(const std::string& scheme, const std::string& annotation, std::string_view list,
             Status* unreadable) {
    for (;;) {
      const size_t comma = list.find(',');
      const std::optional<std::string> bytes = DecodeBase64(list.substr(0, comma));
      Status added = !bytes           ? InvalidArgument("is not base64")
                     : scheme == kJwe ? AddJwe(*bytes)
                                      : AddEnvelope(*bytes);
      if (!added.ok()) Skip(scheme, std::move(added).Wrap("annotation ", annotation), unreadable);
      if (wanted_.size() > kMaxKeyRecipients) {
        return InvalidArgument("annotation ", annotation, ": more than ", kMaxKeyRecipients,
                               " recipients");
      }
      if (comma == std::string_view::npos) return OkStatus();
      list.remove_prefix(comma + 1);
    }
  }
  Status AddJwe(const std::string& bytes) {
    Jwe jwe = CRISP_TRY(Jwe::Parse(bytes));
    for (const Jwe::Recipient& one : jwe.recipients()) {
      if (!one.unusable.empty()) {
        wanted_.push_back(one.unusable);
        continue;
      }
      wanted_.push_back(Cat("jwe ", PrintablePath(one.algorithm)));
      if (!one.key_id.empty()) wanted_.back() += Cat(" key ", PrintablePath(one.key_id));
      if (!one.peer.curve.empty()) wanted_.back() += Cat(" on ", PrintablePath(one.peer.curve));
    }
    jwes_.push_back(std::move(jwe));
    return OkStatus();
  }
  Status AddEnvelope(const std::string& bytes) {
    Pkcs7Envelope envelope = CRISP_TRY(Pkcs7Envelope::Parse(bytes));
    for (const Pkcs7Envelope::Recipient& one : envelope.recipients()) {
      wanted_.push_back(one.unusable.empty() ? Cat("pkcs7 certificate of ", one.certificate)
                                             : one.unusable);
    }
    envelopes_.push_back(std::move(envelope));
    return OkStatus();
  }

  std::vector<std::string> wanted_;
  std::vector<Jwe> jwes_;
  std::vector<Pkcs7Envelope> envelopes_;
};

// "a; b; and 3 more"
std::string Listed(const std::vector<std::string>& all) {
  std::string out;
  for (size_t i = 0; i < all.size() && i < kMaxShown; ++i) {
    out += Cat(i == 0 ? "" : "; ", all[i]);
  }
  if (all.size() > kMaxShown) out += Cat("; and ", all.size() - kMaxShown, " more");
  return out;
}

Status NoKeyOpens(const WrappedKeys& wrapped, const DecryptionKeys& keys) {
  const std::string needs =
      Cat("it is encrypted, for the key of any of: ", Listed(wrapped.wanted()), "; ");
  if (keys.path().empty()) {
    return FailedPrecondition(needs,
                              "image.decryption_keys_path is not set: name a directory "
                              "there and put the private key (PEM, mode 0600) into it");
  }
  std::vector<std::string> tried;
  for (const DecryptionKeys::Named& one : keys.keys()) tried.push_back(PrintablePath(one.file));
  const std::string found =
      tried.empty() ? Cat("there is no private key in ", keys.path())
                    : Cat("none of the keys in ", keys.path(), " opens it (", Listed(tried), ")");
  const std::string left_out =
      keys.left_out().empty() ? "" : Cat("; not used: ", Listed(keys.left_out()));
  return FailedPrecondition(needs, found, ": put the private key (PEM, mode 0600) there", left_out);
}

}  // namespace

bool IsEncrypted(const Descriptor& layer) { return layer.media_type.ends_with(kSuffix); }

Result<Digest> LayerCipher::StoreId(const Digest& diff_id) const {
  const std::string text = Cat("crisp encrypted layer\n", diff_id.ToString());
  const MacContext context = MakeHmac(key);
  std::string raw;
  if (context &&
      ::EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(text.data()),
                       text.size()) == 1) {
    raw = FinishHmac(context.get());
  }
  if (raw.empty()) return Internal("the crypto library refuses to compute an HMAC");
  static constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (const char c : raw) {
    hex += kHex[static_cast<unsigned char>(c) >> 4];
    hex += kHex[static_cast<unsigned char>(c) & 15];
  }
  return Digest::Sha256(std::move(hex));
}

Result<LayerCipherPtr> LayerOpener::Open(const Descriptor& layer) {
  auto out = std::make_shared<LayerCipher>();
  CRISP_RETURN_IF_ERROR(ReadPublicOptions(layer, out.get()).Wrap("annotation ", kPublicOptions));
  const WrappedKeys wrapped = CRISP_TRY(WrappedKeys::Parse(layer));
  const size_t count = keys_.keys().size();
  for (size_t i = 0; i < count; ++i) {
    if (operations_ > kMaxKeyOperations) {
      return FailedPrecondition("more than ", kMaxKeyOperations,
                                " attempts with private keys for one image, with ", count,
                                " keys in ", keys_.path(),
                                ": keep fewer there, or encrypt it for fewer recipients");
    }
    // The last one first, then the others in their order.
    const size_t at = i == 0 ? last_ : i <= last_ ? i - 1 : i;
    const Result<Secret> opened = wrapped.Open(keys_.keys()[at].key, &operations_);
    if (opened.ok()) {
      last_ = at;
      CRISP_RETURN_IF_ERROR(ReadPrivateOptions(*opened, out.get()));
      return LayerCipherPtr(std::move(out));
    }
  }
  return NoKeyOpens(wrapped, keys_);
}

Result<LayerCipherPtr> OpenLayer(const Descriptor& layer, const DecryptionKeys& keys) {
  return LayerOpener(keys).Open(layer);
}

Result<std::vector<LayerCipherPtr>> OpenLayers(const std::vector<Descriptor>& layers,
                                               const std::string& keys_path) {
  std::vector<LayerCipherPtr> out(layers.size());
  if (std::none_of(layers.begin(), layers.end(), IsEncrypted)) return out;
  const DecryptionKeys keys = CRISP_TRY(DecryptionKeys::Read(keys_path));
  LayerOpener opener(keys);
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!IsEncrypted(layers[i])) continue;
    out[i] = CRISP_TRY(opener.Open(layers[i]).Wrap("layer ", i + 1, " of ", layers.size(), " (",
                                                   layers[i].digest.hex().substr(0, 12), ")"));
  }
  return out;
}

LayerDecryptor::LayerDecryptor(const LayerCipher& cipher, Cipher decrypt, Mac mac)
    : cipher_(&cipher), decrypt_(std::move(decrypt)), mac_(std::move(mac)), plain_(kChunkBytes) {}
LayerDecryptor::LayerDecryptor(LayerDecryptor&&) noexcept = default;
LayerDecryptor::~LayerDecryptor() = default;

Result<LayerDecryptor> LayerDecryptor::Create(const LayerCipher& cipher) {
  Cipher decrypt(::EVP_CIPHER_CTX_new(), ::EVP_CIPHER_CTX_free);
  Mac mac = MakeHmac(cipher.key);
  if (!decrypt || !mac || cipher.key.size() != kKeyBytes || cipher.nonce.size() != kNonceBytes ||
      ::EVP_DecryptInit_ex(decrypt.get(), ::EVP_aes_256_ctr(), nullptr, cipher.key.data(),
                           reinterpret_cast<const unsigned char*>(cipher.nonce.data())) != 1) {
    return Internal("the crypto library refuses to decrypt");
  }
  return LayerDecryptor(cipher, std::move(decrypt), std::move(mac));
}

Status LayerDecryptor::Feed(Bytes bytes, const ByteSink& sink) {
  while (!bytes.empty()) {
    const Bytes chunk = bytes.first(std::min(bytes.size(), kChunkBytes));
    int size = 0;
    if (::EVP_MAC_update(mac_.get(), chunk.data(), chunk.size()) != 1 ||
        ::EVP_DecryptUpdate(decrypt_.get(), plain_.data(), &size, chunk.data(),
                            static_cast<int>(chunk.size())) != 1) {
      return Internal("the crypto library fails to decrypt");
    }
    CRISP_RETURN_IF_ERROR(sink(Bytes(plain_.data(), static_cast<size_t>(size))));
    bytes = bytes.subspan(chunk.size());
  }
  return OkStatus();
}

Status LayerDecryptor::Finish() {
  const std::string actual = FinishHmac(mac_.get());
  if (actual.size() == cipher_->hmac.size() &&
      ::CRYPTO_memcmp(actual.data(), cipher_->hmac.data(), actual.size()) == 0) {
    return OkStatus();
  }
  return Status(Code::kDataLoss,
                "HMAC mismatch: the encrypted layer, or what its annotations say about it, was "
                "changed after it was encrypted",
                EBADMSG);
}

bool IsForged(const Status& status) {
  return status.code() == Code::kDataLoss && status.sys_errno() == EBADMSG;
}

}  // namespace crisp::image
