#include "image/pull/jwe.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "base/base64.h"
#include "image/json_text.h"
#include "image/pull/layer_path.h"

namespace crisp::image {
namespace {

constexpr size_t kSha256Bytes = 32;

// RFC 7515 section 2, "Base64url Encoding".
Result<std::string> DecodeBase64Url(std::string_view text, const char* member) {
  std::string plain(text);
  const bool other = plain.find_first_of("+/=\n") != std::string::npos;
  std::replace(plain.begin(), plain.end(), '-', '+');
  std::replace(plain.begin(), plain.end(), '_', '/');
  std::optional<std::string> bytes = DecodeBase64(plain);
  if (other || !bytes) return InvalidArgument("member \"", member, "\": not base64url");
  return *std::move(bytes);
}

Result<std::string> BytesMember(const Json& object, const char* member) {
  return DecodeBase64Url(CRISP_TRY(StringMember(object, member)), member);
}

// The parts of a JOSE header: a name may stand in one of them (RFC 7516 section 4).
class Header {
 public:
  void Add(const Json* part) {
    if (part != nullptr) parts_.push_back(part);
  }
  Result<const Json*> Find(const char* name) const {
    const Json* found = nullptr;
    for (const Json* part : parts_) {
      const Json* here = FindMember(*part, name);
      if (here == nullptr) continue;
      if (found != nullptr) return InvalidArgument("header \"", name, "\" stands there twice");
      found = here;
    }
    return found;
  }
  Result<std::string> Text(const char* name) const {
    const Json* found = CRISP_TRY(Find(name));
    if (found == nullptr) return std::string();
    if (!found->is_string()) return InvalidArgument("header \"", name, "\": must be a string");
    return found->get<std::string>();
  }

 private:
  std::vector<const Json*> parts_;
};

constexpr std::array<std::pair<std::string_view, size_t>, 3> kCiphers = {
    {{"A128GCM", 16}, {"A192GCM", 24}, {"A256GCM", 32}}};
constexpr std::array<std::pair<std::string_view, size_t>, 3> kAgreements = {
    {{"ECDH-ES+A128KW", 16}, {"ECDH-ES+A192KW", 24}, {"ECDH-ES+A256KW", 32}}};

// 0: not one of them.
template <typename Table>
size_t KeyBytesOf(const Table& table, std::string_view name) {
  for (const auto& [known, bytes] : table) {
    if (known == name) return bytes;
  }
  return 0;
}

Result<size_t> ParseCipher(const Header& header) {
  for (const char* refused : {"zip", "crit"}) {
    if (CRISP_TRY(header.Find(refused)) != nullptr) {
      return InvalidArgument("header \"", refused, "\" is not supported");
    }
  }
  const std::string name = CRISP_TRY(header.Text("enc"));
  const size_t bytes = KeyBytesOf(kCiphers, name);
  if (bytes == 0) {
    return InvalidArgument("header \"enc\": \"", PrintablePath(name),
                           "\"; allowed: A128GCM, A192GCM or A256GCM");
  }
  return bytes;
}

Result<EcPoint> ParsePeer(const Header& header) {
  const Json* key = CRISP_TRY(header.Find("epk"));
  if (key == nullptr) return InvalidArgument("header \"epk\" is missing");
  if (CRISP_TRY(StringMember(*key, "kty").Wrap("epk")) != "EC") {
    return InvalidArgument("epk: member \"kty\": allowed: EC");
  }
  EcPoint out;
  out.curve = CRISP_TRY(StringMember(*key, "crv").Wrap("epk"));
  out.x = CRISP_TRY(BytesMember(*key, "x").Wrap("epk"));
  out.y = CRISP_TRY(BytesMember(*key, "y").Wrap("epk"));
  return out;
}

Result<Jwe::Recipient> ParseRecipient(const Header& header, const Json& holder) {
  Jwe::Recipient out;
  out.algorithm = CRISP_TRY(header.Text("alg"));
  out.key_id = CRISP_TRY(header.Text("kid"));
  out.wrapped_key = CRISP_TRY(BytesMember(holder, "encrypted_key"));
  if (!out.algorithm.starts_with("ECDH-ES")) return out;
  out.peer = CRISP_TRY(ParsePeer(header));
  out.party_u = CRISP_TRY(DecodeBase64Url(CRISP_TRY(header.Text("apu")), "apu"));
  out.party_v = CRISP_TRY(DecodeBase64Url(CRISP_TRY(header.Text("apv")), "apv"));
  return out;
}

std::string Sized(std::string_view text) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(text.size() >> shift);
  return out.append(text);
}

// RFC 7518 section 4.6.2: one round of the Concat KDF, which gives up to 32 bytes.
Result<Secret> DeriveKey(const Secret& agreed, const Jwe::Recipient& recipient, size_t bytes) {
  const auto bits = static_cast<char>(bytes * 8 >> 8);
  const std::string info =
      Cat(Sized(recipient.algorithm), Sized(recipient.party_u), Sized(recipient.party_v),
          std::string_view("\0\0", 2), bits, static_cast<char>(bytes * 8));
  static constexpr unsigned char kRound[] = {0, 0, 0, 1};
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(::EVP_MD_CTX_new(),
                                                                   ::EVP_MD_CTX_free);
  Secret out(kSha256Bytes);
  if (!context || ::EVP_DigestInit_ex(context.get(), ::EVP_sha256(), nullptr) != 1 ||
      ::EVP_DigestUpdate(context.get(), kRound, sizeof(kRound)) != 1 ||
      ::EVP_DigestUpdate(context.get(), agreed.data(), agreed.size()) != 1 ||
      ::EVP_DigestUpdate(context.get(), info.data(), info.size()) != 1 ||
      ::EVP_DigestFinal_ex(context.get(), out.data(), nullptr) != 1) {
    return Internal("the crypto library refuses to derive a key");
  }
  out.Shrink(bytes);
  return out;
}

// RFC 3394.
Result<Secret> UnwrapAesKey(const Secret& key, std::string_view wrapped) {
  const EVP_CIPHER* cipher = key.size() == 32   ? ::EVP_aes_256_wrap()
                             : key.size() == 24 ? ::EVP_aes_192_wrap()
                                                : ::EVP_aes_128_wrap();
  const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(::EVP_CIPHER_CTX_new(),
                                                                           ::EVP_CIPHER_CTX_free);
  Status failed(Code::kPermissionDenied, "the key does not open it");
  if (!context || wrapped.size() < 24 || wrapped.size() > 64 || wrapped.size() % 8 != 0) {
    return failed;
  }
  ::EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  Secret out(wrapped.size() + 8);
  int size = 0;
  const bool good =
      ::EVP_DecryptInit_ex(context.get(), cipher, nullptr, key.data(), nullptr) == 1 &&
      ::EVP_DecryptUpdate(context.get(), out.data(), &size,
                          reinterpret_cast<const unsigned char*>(wrapped.data()),
                          static_cast<int>(wrapped.size())) == 1;
  ::ERR_clear_error();
  if (!good || size <= 0) return failed;
  out.Shrink(static_cast<size_t>(size));
  return out;
}

bool MayOpen(const Jwe::Recipient& recipient, const PrivateKey& key) {
  if (!recipient.unusable.empty()) return false;
  return recipient.algorithm.starts_with("ECDH-ES") ? key.CanAgree(recipient.peer)
                                                    : key.CanDecrypt(recipient.wrapped_key);
}

Result<Secret> UnwrapFor(const Jwe::Recipient& recipient, const PrivateKey& key) {
  if (recipient.algorithm == "RSA-OAEP") {
    return key.Decrypt(RsaPadding::kOaepSha1, recipient.wrapped_key);
  }
  if (recipient.algorithm == "RSA-OAEP-256") {
    return key.Decrypt(RsaPadding::kOaepSha256, recipient.wrapped_key);
  }
  const size_t bytes = KeyBytesOf(kAgreements, recipient.algorithm);
  if (bytes == 0) return Status(Code::kPermissionDenied, "an algorithm that is not supported");
  const Secret agreed = CRISP_TRY(key.Agree(recipient.peer));
  return UnwrapAesKey(CRISP_TRY(DeriveKey(agreed, recipient, bytes)), recipient.wrapped_key);
}

}  // namespace

// What one writer does for one recipient must not lock the others out.
void Jwe::AddRecipient(Result<Recipient> recipient, Status* first_failure) {
  if (recipient.ok()) {
    recipients_.push_back(*std::move(recipient));
    return;
  }
  Recipient unusable;
  unusable.unusable = recipient.status().message();
  recipients_.push_back(std::move(unusable));
  if (first_failure->ok()) *first_failure = std::move(recipient).status();
}

Result<Jwe> Jwe::Parse(std::string_view text) {
  const Json json = CRISP_TRY(ParseJson(text, "JWE", kMaxJweBytes));
  if (!json.is_object()) return InvalidArgument("JWE: must be a JSON object");
  Jwe out;
  out.authenticated_ = CRISP_TRY(StringMember(json, "protected").Wrap("JWE"));
  Json protected_header;
  if (!out.authenticated_.empty()) {
    const std::string bytes =
        CRISP_TRY(DecodeBase64Url(out.authenticated_, "protected").Wrap("JWE"));
    protected_header = CRISP_TRY(ParseJson(bytes, "JWE: protected header", kMaxJweBytes));
  }
  Header shared;
  shared.Add(&protected_header);
  shared.Add(FindMember(json, "unprotected"));
  out.key_bytes_ = CRISP_TRY(ParseCipher(shared).Wrap("JWE"));
  Status unusable;
  if (const Json* many = FindMember(json, "recipients")) {
    if (!many->is_array() || many->size() > kMaxKeyRecipients) {
      return InvalidArgument("JWE: recipients: must be an array of at most ", kMaxKeyRecipients);
    }
    for (const Json& one : *many) {
      Header header = shared;
      header.Add(FindMember(one, "header"));
      out.AddRecipient(
          ParseRecipient(header, one).Wrap("JWE: recipient ", out.recipients_.size() + 1),
          &unusable);
    }
  } else {
    Header header = shared;
    header.Add(FindMember(json, "header"));
    out.AddRecipient(ParseRecipient(header, json).Wrap("JWE"), &unusable);
  }
  const auto usable = [](const Recipient& one) { return one.unusable.empty(); };
  if (std::none_of(out.recipients_.begin(), out.recipients_.end(), usable) && !unusable.ok()) {
    return unusable;
  }
  out.iv_ = CRISP_TRY(BytesMember(json, "iv").Wrap("JWE"));
  out.ciphertext_ = CRISP_TRY(BytesMember(json, "ciphertext").Wrap("JWE"));
  out.tag_ = CRISP_TRY(BytesMember(json, "tag").Wrap("JWE"));
  const std::string more = CRISP_TRY(StringMember(json, "aad").Wrap("JWE"));
  if (!more.empty()) out.authenticated_ += Cat('.', more);
  return out;
}

Result<Secret> Jwe::Open(const PrivateKey& key, size_t* operations) const {
  for (const Recipient& recipient : recipients_) {
    if (!MayOpen(recipient, key)) continue;
    if (operations != nullptr) ++*operations;
    const Result<Secret> content_key = UnwrapFor(recipient, key);
    if (!content_key.ok() || content_key->size() != key_bytes_) continue;
    Result<Secret> plain = OpenAesGcm(*content_key, iv_, authenticated_, ciphertext_, tag_);
    if (plain.ok()) return plain;
  }
  return Status(Code::kPermissionDenied, "the key opens it for no recipient");
}

}  // namespace crisp::image
