#include "image/pull/pkcs7_envelope.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <memory>

#include "image/pull/jwe.h"
#include "image/pull/layer_path.h"

namespace crisp::image {
namespace {

constexpr size_t kTagBytes = 16;
constexpr std::string_view kEnvelopedData = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
constexpr std::string_view kRsaEncryption = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
// 2.16.840.1.101.3.4.1, NIST's AES; the last byte is the kind.
constexpr std::string_view kAes = "\x60\x86\x48\x01\x65\x03\x04\x01";

Result<Secret> RandomKey(size_t size) {
  Secret out(size);
  if (::RAND_bytes(out.data(), static_cast<int>(size)) != 1) return Internal("no random bytes");
  return out;
}

// One level of a DER text, element by element. OpenSSL's own readers of whole messages refuse what
// we are for: its writer wraps the cipher's parameters in another SEQUENCE, marked as primitive.
class DerCursor {
 public:
  struct Element {
    int tag = 0;
    int tag_class = 0;
    bool constructed = false;
    std::string_view content;
    std::string_view whole;
  };

  explicit DerCursor(std::string_view text) : rest_(text) {}
  bool at_end() const { return rest_.empty(); }

  Result<Element> Next() {
    const auto* const begin = reinterpret_cast<const unsigned char*>(rest_.data());
    const auto* at = begin;
    long length = 0;
    Element out;
    const int flags =
        ::ASN1_get_object(&at, &length, &out.tag, &out.tag_class, static_cast<long>(rest_.size()));
    ::ERR_clear_error();
    if (rest_.empty() || (flags & 0x81) != 0) {  // malformed, or of indefinite length
      return InvalidArgument("PKCS#7: malformed, or cut off");
    }
    const auto head = static_cast<size_t>(at - begin);
    out.constructed = (flags & V_ASN1_CONSTRUCTED) != 0;
    out.content = rest_.substr(head, static_cast<size_t>(length));
    out.whole = rest_.substr(0, head + out.content.size());
    rest_.remove_prefix(out.whole.size());
    return out;
  }
  // The content of an element that must be of this kind; `what` is for the message.
  Result<std::string_view> Expect(int tag, const char* what, int tag_class = V_ASN1_UNIVERSAL) {
    const Element next = CRISP_TRY(Next());
    if (next.tag == tag && next.tag_class == tag_class) return next.content;
    return InvalidArgument("PKCS#7: something else stands where the ", what, " should");
  }

 private:
  std::string_view rest_;
};

std::string IssuerText(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<X509_NAME, void (*)(X509_NAME*)> name(
      ::d2i_X509_NAME(nullptr, &at, static_cast<long>(der.size())), ::X509_NAME_free);
  ::ERR_clear_error();
  char text[256] = "?";
  if (name) ::X509_NAME_oneline(name.get(), text, sizeof(text));
  return PrintablePath(text);
}

std::string SerialText(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : bytes.substr(0, 32)) {
    out += kHex[static_cast<unsigned char>(c) >> 4];
    out += kHex[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

// RFC 2315 section 10.2.
Result<Pkcs7Envelope::Recipient> ParseRecipient(const DerCursor::Element& element) {
  if (element.tag != V_ASN1_SEQUENCE || element.tag_class != V_ASN1_UNIVERSAL) {
    return InvalidArgument("PKCS#7: a recipient of another kind; allowed: RSA key transport");
  }
  DerCursor info(element.content);
  (void)CRISP_TRY(info.Expect(V_ASN1_INTEGER, "recipient's version"));
  DerCursor certificate(CRISP_TRY(info.Expect(V_ASN1_SEQUENCE, "recipient's certificate")));
  const DerCursor::Element issuer = CRISP_TRY(certificate.Next());
  const std::string_view serial = CRISP_TRY(certificate.Expect(V_ASN1_INTEGER, "serial number"));
  DerCursor algorithm(CRISP_TRY(info.Expect(V_ASN1_SEQUENCE, "recipient's algorithm")));
  if (CRISP_TRY(algorithm.Expect(V_ASN1_OBJECT, "recipient's algorithm")) != kRsaEncryption) {
    return InvalidArgument("PKCS#7: a recipient with another algorithm; allowed: rsaEncryption");
  }
  Pkcs7Envelope::Recipient out;
  out.certificate = Cat("serial ", SerialText(serial), ", issuer ", IssuerText(issuer.whole));
  out.wrapped_key = CRISP_TRY(info.Expect(V_ASN1_OCTET_STRING, "wrapped key"));
  return out;
}

struct GcmCipher {
  size_t key_bytes = 0;
  std::string iv;
};

Result<GcmCipher> ParseCipher(std::string_view text) {
  DerCursor algorithm(text);
  const std::string_view id = CRISP_TRY(algorithm.Expect(V_ASN1_OBJECT, "cipher"));
  GcmCipher out;
  const char kind = id.size() == kAes.size() + 1 && id.starts_with(kAes) ? id.back() : '\0';
  out.key_bytes = kind == 6 ? 16 : kind == 26 ? 24 : kind == 46 ? 32 : 0;
  if (out.key_bytes == 0) return InvalidArgument("PKCS#7: another cipher; allowed: AES-GCM");
  std::string_view held = CRISP_TRY(algorithm.Expect(V_ASN1_SEQUENCE, "cipher's parameters"));
  if (held.starts_with('\x30')) {  // a SEQUENCE within it: see DerCursor
    held = CRISP_TRY(DerCursor(held).Expect(V_ASN1_SEQUENCE, "cipher's parameters"));
  }
  DerCursor parameters(held);
  const DerCursor::Element nonce = CRISP_TRY(parameters.Next());
  if (nonce.tag != V_ASN1_OCTET_STRING) {  // of any class: that writer has [4] here
    return InvalidArgument("PKCS#7: something else stands where the nonce should");
  }
  out.iv = nonce.content;
  const std::string_view tag_bytes = CRISP_TRY(parameters.Expect(V_ASN1_INTEGER, "tag's length"));
  if (tag_bytes != std::string_view("\x10", 1)) {
    return InvalidArgument("PKCS#7: the tag must have ", kTagBytes, " bytes");
  }
  return out;
}

// [0] IMPLICIT OCTET STRING, in one piece or in several.
Result<std::string> ParseContent(DerCursor* holder) {
  const DerCursor::Element content = CRISP_TRY(holder->Next());
  if (content.tag != 0 || content.tag_class != V_ASN1_CONTEXT_SPECIFIC) {
    return InvalidArgument("PKCS#7: there is no encrypted content");
  }
  if (!content.constructed) return std::string(content.content);
  std::string out;
  for (DerCursor pieces(content.content); !pieces.at_end();) {
    out += CRISP_TRY(pieces.Expect(V_ASN1_OCTET_STRING, "encrypted content"));
  }
  return out;
}

}  // namespace

Result<Pkcs7Envelope> Pkcs7Envelope::Parse(std::string_view der) {
  DerCursor file(der);
  DerCursor info(CRISP_TRY(file.Expect(V_ASN1_SEQUENCE, "message")));
  if (!file.at_end()) return InvalidArgument("PKCS#7: something stands behind the message");
  if (CRISP_TRY(info.Expect(V_ASN1_OBJECT, "message's type")) != kEnvelopedData) {
    return InvalidArgument("PKCS#7: not an EnvelopedData");
  }
  DerCursor wrapper(CRISP_TRY(info.Expect(0, "message's content", V_ASN1_CONTEXT_SPECIFIC)));
  DerCursor envelope(CRISP_TRY(wrapper.Expect(V_ASN1_SEQUENCE, "envelope")));
  (void)CRISP_TRY(envelope.Expect(V_ASN1_INTEGER, "version"));
  DerCursor recipients(CRISP_TRY(envelope.Expect(V_ASN1_SET, "recipients")));
  DerCursor content(CRISP_TRY(envelope.Expect(V_ASN1_SEQUENCE, "encrypted content")));

  Pkcs7Envelope out;
  Status unusable;
  bool any_usable = false;
  while (!recipients.at_end()) {
    if (out.recipients_.size() == kMaxKeyRecipients) {
      return InvalidArgument("PKCS#7: more than ", kMaxKeyRecipients, " recipients");
    }
    // One of another kind (CMS has four more) must not lock the others out.
    Result<Recipient> one = ParseRecipient(CRISP_TRY(recipients.Next()));
    if (one.ok()) {
      any_usable = true;
      out.recipients_.push_back(*std::move(one));
      continue;
    }
    out.recipients_.push_back({"", "", one.status().message()});
    if (unusable.ok()) unusable = std::move(one).status();
  }
  if (out.recipients_.empty()) return InvalidArgument("PKCS#7: there is no recipient");
  if (!any_usable) return unusable;
  (void)CRISP_TRY(content.Expect(V_ASN1_OBJECT, "type of the content"));
  const GcmCipher cipher =
      CRISP_TRY(ParseCipher(CRISP_TRY(content.Expect(V_ASN1_SEQUENCE, "cipher"))));
  out.key_bytes_ = cipher.key_bytes;
  out.iv_ = cipher.iv;
  out.ciphertext_ = CRISP_TRY(ParseContent(&content));
  if (out.ciphertext_.size() < kTagBytes) return InvalidArgument("PKCS#7: the content is cut off");
  out.tag_ = out.ciphertext_.substr(out.ciphertext_.size() - kTagBytes);
  out.ciphertext_.resize(out.ciphertext_.size() - kTagBytes);
  return out;
}

Result<Secret> Pkcs7Envelope::Open(const PrivateKey& key, size_t* operations) const {
  for (const Recipient& recipient : recipients_) {
    if (!recipient.unusable.empty() || !key.CanDecrypt(recipient.wrapped_key)) continue;
    if (operations != nullptr) ++*operations;
    // RFC 3218: how long this takes must not tell whether the padding was right, so a wrong key is
    // tried, too.
    Secret other = CRISP_TRY(RandomKey(key_bytes_));
    Result<Secret> content_key = key.Decrypt(RsaPadding::kPkcs1, recipient.wrapped_key);
    const bool usable = content_key.ok() && content_key->size() == key_bytes_;
    Result<Secret> plain = OpenAesGcm(usable ? *content_key : other, iv_, "", ciphertext_, tag_);
    if (plain.ok()) return plain;
  }
  return Status(Code::kPermissionDenied, "the key opens it for no recipient");
}

}  // namespace crisp::image
