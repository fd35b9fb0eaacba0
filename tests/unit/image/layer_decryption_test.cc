// Encrypted layers: wrapped keys of every kind, keys on disk, the cipher, and what was changed.
#include "image/pull/layer_decryption.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/core/file.h"
#include "image/pull/hasher.h"
#include "image/pull/jwe.h"
#include "image/pull/layer_unpack.h"
#include "image/pull/pkcs7_envelope.h"
#include "sealed_layer.h"
#include "skopeo_layer.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kType[] = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";

Bytes AsBytes(const std::string& text) {
  return Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}
PrivateKey Key(const std::string& pem) {
  auto key = PrivateKey::Parse(Secret(std::string(pem)), nullptr);
  EXPECT_TRUE(key.ok()) << key.status().message();
  return std::move(key).value();
}
// RSA keys take their time.
const KeyPair& Rsa() {
  static const KeyPair key = MakeRsaKey();
  return key;
}
const KeyPair& OtherRsa() {
  static const KeyPair key = MakeRsaKey();
  return key;
}

std::string Decrypted(const LayerCipher& cipher, const std::string& blob, size_t piece,
                      Status* verdict) {
  auto decryptor = LayerDecryptor::Create(cipher);
  EXPECT_TRUE(decryptor.ok()) << decryptor.status().message();
  std::string out;
  const ByteSink sink = [&](Bytes bytes) {
    out.append(bytes.begin(), bytes.end());
    return OkStatus();
  };
  for (size_t at = 0; at < blob.size(); at += piece) {
    EXPECT_TRUE(decryptor->Feed(AsBytes(blob.substr(at, piece)), sink).ok());
  }
  *verdict = decryptor->Finish();
  return out;
}

class LayerDecryptionTest : public testing::Test {
 protected:
  void PutKey(const std::string& name, const std::string& text, mode_t mode = 0600) {
    ASSERT_TRUE(EnsureDirectory(dir_ / "keys", 0700).ok());
    ASSERT_TRUE(WriteFile(dir_ / ("keys/" + name), text, mode).ok());
    ASSERT_EQ(::chmod((dir_ / ("keys/" + name)).c_str(), mode), 0);
  }
  Result<LayerCipherPtr> Open(const Descriptor& layer) {
    return OpenLayer(layer, CRISP_TRY(DecryptionKeys::Read(dir_ / "keys")));
  }
  static Descriptor DescriptorFor(const SealedLayer& sealed) {
    Descriptor out;
    out.media_type = kType;
    out.digest = *Digest::Parse(Sha256(sealed.blob));
    out.size_bytes = static_cast<int64_t>(sealed.blob.size());
    out.annotations = sealed.annotations;
    return out;
  }
  TempDir dir_;
};

TEST_F(LayerDecryptionTest, WhatSkopeoHasEncryptedForThreeKeys) {
  Descriptor layer;
  layer.media_type = kType;
  layer.annotations = {{kJweAnnotation, kSkopeoJwe},
                       {kPkcs7Annotation, kSkopeoPkcs7},
                       {kPublicAnnotation, kSkopeoPublic}};
  const std::string blob = *DecodeBase64(kSkopeoBlob);
  std::string id;
  for (const char* pem : {kSkopeoRsaKey, kSkopeoEcKey, kSkopeoPkcs7Key}) {
    PutKey("key.pem", pem);
    const auto cipher = Open(layer);
    ASSERT_TRUE(cipher.ok()) << cipher.status().message();
    Status verdict;
    const std::string plain = Decrypted(**cipher, blob, 1000, &verdict);
    EXPECT_TRUE(verdict.ok()) << verdict.message();
    EXPECT_TRUE(plain.starts_with("\x1f\x8b"));
    // Whoever opens it comes to the same name.
    const std::string now = (*cipher)->StoreId(*Digest::Parse(kSkopeoDiffId))->ToString();
    EXPECT_TRUE(id.empty() || id == now);
    id = now;
  }
  EXPECT_NE(id, kSkopeoDiffId);
  PutKey("key.pem", Rsa().private_pem);
  EXPECT_THAT(Open(layer).status().message(),
              AllOf(HasSubstr("jwe RSA-OAEP; jwe ECDH-ES+A256KW on P-256; pkcs7 certificate of "
                              "serial 4371"),
                    HasSubstr("issuer /CN=me"), HasSubstr("none of the keys in " + dir_.path())));
}

TEST(JweTest, EveryAlgorithmAndCipher) {
  const std::string text = "a small secret";
  struct Case {
    KeyPair key;
    std::string algorithm;
    std::string cipher = "A256GCM";
    std::string party_u = {};
  };
  const std::vector<Case> cases = {
      {Rsa(), "RSA-OAEP"},
      {Rsa(), "RSA-OAEP-256", "A128GCM"},
      {MakeEcKey("prime256v1"), "ECDH-ES+A128KW", "A192GCM", "Alice"},
      {MakeEcKey("secp384r1"), "ECDH-ES+A192KW"},
      {MakeEcKey("secp521r1"), "ECDH-ES+A256KW", "A128GCM", "Alice"},
  };
  for (const Case& one : cases) {
    const Json json =
        MakeJwe(text, {{one.key.public_pem, one.algorithm, one.party_u, "Bob"}}, one.cipher);
    const auto jwe = Jwe::Parse(json.dump());
    ASSERT_TRUE(jwe.ok()) << one.algorithm << ": " << jwe.status().message();
    const auto opened = jwe->Open(Key(one.key.private_pem));
    ASSERT_TRUE(opened.ok()) << one.algorithm << ": " << opened.status().message();
    EXPECT_EQ(opened->text(), text);
    for (const Case& other : cases) {
      if (other.key.public_pem == one.key.public_pem) continue;
      EXPECT_EQ(jwe->Open(Key(other.key.private_pem)).status().code(), Code::kPermissionDenied);
    }
  }
}

TEST(JweTest, OneOfSeveralRecipients) {
  const KeyPair ec = MakeEcKey("prime256v1");
  Json json = MakeJwe("x", {{OtherRsa().public_pem, "RSA-OAEP"},
                            {ec.public_pem, "ECDH-ES+A256KW"},
                            {Rsa().public_pem, "RSA-OAEP"}});
  json["encrypted_key"] = "AAAA";  // as some writers leave it
  json["recipients"][1]["header"]["kid"] = "the key of 2026";
  const auto jwe = Jwe::Parse(json.dump());
  ASSERT_TRUE(jwe.ok()) << jwe.status().message();
  EXPECT_EQ(jwe->recipients().size(), 3u);
  EXPECT_EQ(jwe->recipients()[1].key_id, "the key of 2026");
  for (const KeyPair& key : {Rsa(), OtherRsa(), ec}) {
    EXPECT_TRUE(jwe->Open(Key(key.private_pem)).ok());
  }
  EXPECT_FALSE(jwe->Open(Key(MakeEcKey("prime256v1").private_pem)).ok());
}

TEST(JweTest, NothingMayBeChanged) {
  const PrivateKey key = Key(Rsa().private_pem);
  const Json good = MakeJwe("a small secret", {{Rsa().public_pem}});
  ASSERT_TRUE(Jwe::Parse(good.dump())->Open(key).ok());
  for (const char* member : {"iv", "ciphertext", "tag", "encrypted_key"}) {
    Json changed = good;
    auto& text = changed[member].get_ref<std::string&>();
    text[5] = text[5] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(Jwe::Parse(changed.dump())->Open(key).ok()) << member;
    changed = good;
    changed[member] = "";
    EXPECT_FALSE(Jwe::Parse(changed.dump())->Open(key).ok()) << member;
  }
  Json changed = good;
  changed["protected"] = Base64Url(R"({"enc":"A256GCM","alg":"RSA-OAEP","x":1})");
  EXPECT_FALSE(Jwe::Parse(changed.dump())->Open(key).ok());
  changed = good;
  changed["aad"] = "AAAA";
  EXPECT_FALSE(Jwe::Parse(changed.dump())->Open(key).ok());
}

TEST(JweTest, AKeyIsNotAskedForPointsThatAreNotOnItsCurve) {
  const KeyPair ec = MakeEcKey("prime256v1");
  Json json = MakeJwe("x", {{ec.public_pem, "ECDH-ES+A256KW"}, {Rsa().public_pem}});
  Json& point = json["recipients"][0]["header"]["epk"];
  const std::string y = point["y"];
  point["y"] = Base64Url(std::string(32, '\x01'));
  EXPECT_FALSE(Jwe::Parse(json.dump())->Open(Key(ec.private_pem)).ok());
  point["y"] = y.substr(0, 20);
  EXPECT_FALSE(Jwe::Parse(json.dump())->Open(Key(ec.private_pem)).ok());
  point["crv"] = "P-521";
  EXPECT_FALSE(Jwe::Parse(json.dump())->Open(Key(ec.private_pem)).ok());
  point["crv"] = "secp256k1";
  EXPECT_FALSE(Jwe::Parse(json.dump())->Open(Key(ec.private_pem)).ok());
  EXPECT_TRUE(Jwe::Parse(json.dump())->Open(Key(Rsa().private_pem)).ok());
}

TEST(JweTest, MalformedOnesAreNamed) {
  const auto expect = [](const Json& json, const std::string& what) {
    const auto jwe = Jwe::Parse(json.dump());
    EXPECT_EQ(jwe.status().code(), Code::kInvalidArgument) << json.dump();
    EXPECT_THAT(jwe.status().message(), HasSubstr(what));
  };
  const auto header = [](const std::string& text) { return Json{{"protected", Base64Url(text)}}; };
  expect(Json::array(), "must be a JSON object");
  expect(Json::object(), "header \"enc\": \"\"; allowed: A128GCM");
  expect({{"protected", "***"}}, "member \"protected\": not base64url");
  expect({{"protected", "YQ=="}}, "member \"protected\": not base64url");
  expect(header("no JSON"), "protected header");
  expect(header(R"({"enc":"A256CBC-HS512"})"), "\"enc\": \"A256CBC-HS512\"; allowed:");
  expect(header(R"({"enc":"A256GCM","zip":"DEF"})"), "header \"zip\" is not supported");
  expect(header(R"({"enc":"A256GCM","crit":["x"]})"), "header \"crit\" is not supported");
  expect(header(R"({"enc":7})"), "header \"enc\": must be a string");
  Json twice = header(R"({"enc":"A256GCM"})");
  twice["unprotected"] = {{"enc", "A128GCM"}};
  expect(twice, "header \"enc\" stands there twice");
  expect(header(R"({"enc":"A256GCM","alg":"ECDH-ES+A256KW"})"), "header \"epk\" is missing");
  expect(header(R"({"enc":"A256GCM","alg":"ECDH-ES","epk":{"kty":"OKP"}})"), "allowed: EC");
  Json many = header(R"({"enc":"A256GCM","alg":"RSA-OAEP"})");
  many["recipients"] = Json::array();
  for (size_t i = 0; i < kMaxKeyRecipients + 1; ++i) many["recipients"].push_back(Json::object());
  expect(many, "an array of at most 64");
  many["recipients"] = "x";
  expect(many, "an array of at most 64");
  EXPECT_FALSE(Jwe::Parse(std::string(kMaxJweBytes + 1, ' ')).ok());
}

TEST(Pkcs7EnvelopeTest, ChangedAndMalformedOnes) {
  const std::string good = *DecodeBase64(kSkopeoPkcs7);
  const PrivateKey key = Key(kSkopeoPkcs7Key);
  const auto envelope = Pkcs7Envelope::Parse(good);
  ASSERT_TRUE(envelope.ok()) << envelope.status().message();
  ASSERT_TRUE(envelope->Open(key).ok());
  EXPECT_FALSE(envelope->Open(Key(kSkopeoRsaKey)).ok());
  EXPECT_FALSE(envelope->Open(Key(kSkopeoEcKey)).ok());
  for (const size_t from_end : {1u, 20u, 100u}) {  // tag, ciphertext
    std::string changed = good;
    changed[changed.size() - from_end] ^= 1;
    const auto parsed = Pkcs7Envelope::Parse(changed);
    EXPECT_TRUE(!parsed.ok() || !parsed->Open(key).ok()) << from_end;
  }
  for (size_t size = 0; size < good.size(); size += 7) {
    EXPECT_FALSE(Pkcs7Envelope::Parse(good.substr(0, size)).ok()) << size;
  }
}

// kSkopeoPkcs7 with one more recipient, in front.
std::string WithRecipient(const std::string& recipient) {
  std::string der = *DecodeBase64(kSkopeoPkcs7);
  for (const size_t at : {2u, 17u, 21u, 28u}) {  // lengths of all that the recipients are in
    const size_t size = (static_cast<unsigned char>(der[at]) << 8) +
                        static_cast<unsigned char>(der[at + 1]) + recipient.size();
    der[at] = static_cast<char>(size >> 8);
    der[at + 1] = static_cast<char>(size);
  }
  return der.insert(30, recipient);
}

TEST(Pkcs7EnvelopeTest, RecipientsOfOtherKinds) {
  const std::string good = *DecodeBase64(kSkopeoPkcs7);
  std::string oaep = good.substr(30, 0x13f);
  const std::string rsa = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
  ASSERT_NE(oaep.find(rsa), std::string::npos);
  oaep[oaep.find(rsa) + rsa.size() - 1] = 7;
  for (const std::string& other : {oaep, std::string("\xa1\x00", 2)}) {
    const auto envelope = Pkcs7Envelope::Parse(WithRecipient(other));
    ASSERT_TRUE(envelope.ok()) << envelope.status().message();
    EXPECT_EQ(envelope->recipients().size(), 2u);
    EXPECT_THAT(envelope->recipients()[0].unusable, HasSubstr("allowed: "));
    EXPECT_TRUE(envelope->Open(Key(kSkopeoPkcs7Key)).ok());
  }
  std::string alone = good;
  alone.replace(30, oaep.size(), oaep);
  EXPECT_THAT(Pkcs7Envelope::Parse(alone).status().message(), HasSubstr("allowed: rsaEncryption"));
}

TEST_F(LayerDecryptionTest, RecipientsOfOtherKindsLockNobodyOut) {
  PutKey("key.pem", Rsa().private_pem);
  SealedLayer sealed = SealLayer("x", {{Rsa().public_pem}});
  Json json = MakeJwe(sealed.wrapped_text,
                      {{MakeEcKey("prime256v1").public_pem, "ECDH-ES+A256KW"}, {Rsa().public_pem}});
  json["recipients"][0]["header"]["epk"] = {{"kty", "OKP"}, {"crv", "X25519"}, {"x", "AAAA"}};
  const std::string good = EncodeBase64(json.dump());
  const std::vector<std::map<std::string, std::string>> cases = {
      {{kJweAnnotation, good}},
      {{kJweAnnotation, good}, {kPkcs7Annotation, EncodeBase64("no DER")}},
      {{kJweAnnotation, good}, {kPkcs7Annotation, std::string(kMaxKeyAnnotationBytes + 1, 'A')}},
      {{kJweAnnotation, "***," + good}},
      {{kJweAnnotation, EncodeBase64("[]") + "," + good}}};
  for (const auto& annotations : cases) {
    for (const auto& [name, value] : annotations) sealed.annotations[name] = value;
    PutKey("key.pem", Rsa().private_pem);
    const auto cipher = Open(DescriptorFor(sealed));
    EXPECT_TRUE(cipher.ok()) << cipher.status().message();
    PutKey("key.pem", OtherRsa().private_pem);
    const Status refused = Open(DescriptorFor(sealed)).status();
    EXPECT_EQ(refused.code(), Code::kFailedPrecondition);
    EXPECT_THAT(refused.message(),
                AllOf(HasSubstr("JWE: recipient 1: epk: member \"kty\": allowed: EC"),
                      HasSubstr("jwe RSA-OAEP")));
    sealed.annotations.erase(kPkcs7Annotation);
  }
}

TEST_F(LayerDecryptionTest, FewPrivateKeyOperations) {
  PutKey("a.pem", OtherRsa().private_pem);
  PutKey("b.pem", Rsa().private_pem);
  const auto keys = DecryptionKeys::Read(dir_ / "keys");
  ASSERT_TRUE(keys.ok());
  const Descriptor layer = DescriptorFor(SealLayer("x", {{Rsa().public_pem}}));
  LayerOpener opener(*keys);
  ASSERT_TRUE(opener.Open(layer).ok());
  EXPECT_EQ(opener.operations(), 2u);
  ASSERT_TRUE(opener.Open(layer).ok());
  EXPECT_EQ(opener.operations(), 3u) << "the key of the last layer comes first";
  // What no key of ours can have made is not tried.
  const Descriptor other = DescriptorFor(SealLayer(
      "x", {{MakeRsaKey(3072).public_pem}, {MakeEcKey("secp384r1").public_pem, "ECDH-ES+A128KW"}}));
  EXPECT_EQ(opener.Open(other).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(opener.operations(), 3u);
  const Descriptor mine = DescriptorFor(SealLayer("x", {{OtherRsa().public_pem}}));
  ASSERT_TRUE(opener.Open(mine).ok());
  EXPECT_EQ(opener.operations(), 5u);
}

TEST_F(LayerDecryptionTest, AnImageHasABudgetOfPrivateKeyOperations) {
  // On one curve every recipient is tried with every key, and quickly.
  const KeyPair stranger = MakeEcKey("prime256v1");
  const Descriptor layer = DescriptorFor(SealLayer(
      "x", std::vector<JweRecipient>(kMaxKeyRecipients, {stranger.public_pem, "ECDH-ES+A256KW"})));
  for (const char* name : {"a", "b"}) PutKey(name, MakeEcKey("prime256v1").private_pem);
  const auto keys = DecryptionKeys::Read(dir_ / "keys");
  ASSERT_TRUE(keys.ok());
  LayerOpener opener(*keys);
  for (size_t i = 0; i < kMaxKeyOperations / kMaxKeyRecipients / 2; ++i) {
    EXPECT_THAT(opener.Open(layer).status().message(), HasSubstr("opens it (a; b)"));
  }
  EXPECT_EQ(opener.operations(), kMaxKeyOperations);
  const Status refused = opener.Open(layer).status();
  EXPECT_EQ(refused.code(), Code::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("more than 4096 attempts"));
  EXPECT_EQ(opener.operations(), kMaxKeyOperations + kMaxKeyRecipients);
}

TEST_F(LayerDecryptionTest, KeysOfADirectory) {
  PutKey("a.pem", Rsa().private_pem);
  PutKey("b.pem", WithPassword(OtherRsa().private_pem, "sesame"));
  PutKey("b.pem.password", "sesame\n");
  PutKey("c.pem", WithPassword(Rsa().private_pem, "sesame"));
  PutKey("c.pem.password", "wrong");
  PutKey("d.pem", WithPassword(Rsa().private_pem, "sesame"));
  PutKey("e.pem", Rsa().private_pem, 0604);
  PutKey("f.crt", Rsa().public_pem, 0644);
  PutKey("g.pem", MakeRsaKey(1024).private_pem);
  PutKey("h.pem", Rsa().private_pem, 0640);
  PutKey("i.pem", std::string(kMaxKeyFileBytes + 1, 'x'));
  PutKey(".hidden", Rsa().private_pem);
  PutKey("k.pem", WithPassword(Rsa().private_pem, "sesame"));
  PutKey("k.pem.password", "sesame", 0644);
  ASSERT_TRUE(EnsureDirectory(dir_ / "keys/j").ok());
  ASSERT_EQ(::symlink("a.pem", (dir_ / "keys/l.pem").c_str()), 0);
  ASSERT_EQ(::mkfifo((dir_ / "keys/m.pem").c_str(), 0600), 0);
  const auto keys = DecryptionKeys::Read(dir_ / "keys");
  ASSERT_TRUE(keys.ok()) << keys.status().message();
  std::vector<std::string> used;
  for (const DecryptionKeys::Named& one : keys->keys()) used.push_back(one.file);
  EXPECT_THAT(used, testing::ElementsAre("a.pem", "b.pem", "h.pem", "l.pem"));
  EXPECT_THAT(
      keys->left_out(),
      testing::ElementsAre(HasSubstr("c.pem: the password does not open the key"),
                           HasSubstr("d.pem: the key has a password, and there is none"),
                           AllOf(HasSubstr("e.pem: others than its owner"), HasSubstr("chmod o=")),
                           AllOf(HasSubstr("f.crt: "), HasSubstr("chmod o=")),
                           HasSubstr("g.pem: an RSA key of 1024 bits"), HasSubstr("i.pem: "),
                           HasSubstr("j: not a regular file"),
                           HasSubstr("k.pem: k.pem.password: others than"),
                           HasSubstr("m.pem: not a regular file")));
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown((dir_ / "keys/a.pem").c_str(), 12345, 0), 0);
    EXPECT_THAT(DecryptionKeys::Read(dir_ / "keys")->left_out()[0],
                HasSubstr("a.pem: it belongs to user 12345"));
  }
  EXPECT_EQ(DecryptionKeys::Read(dir_ / "keys/b.pem")->keys().size(), 1u);
  EXPECT_TRUE(DecryptionKeys::Read(dir_ / "none")->keys().empty());
  EXPECT_TRUE(DecryptionKeys::Read("")->keys().empty());
  EXPECT_FALSE(DecryptionKeys::Read(dir_ / "keys/b.pem/x").ok());
}

TEST_F(LayerDecryptionTest, NoKeySaysWhichAndWhereTo) {
  const SealedLayer sealed = SealLayer("x", {{Rsa().public_pem, "RSA-OAEP-256"}});
  const Descriptor layer = DescriptorFor(sealed);
  const Status missing = Open(layer).status();
  EXPECT_EQ(missing.code(), Code::kFailedPrecondition);
  EXPECT_THAT(missing.message(),
              AllOf(HasSubstr("any of: jwe RSA-OAEP-256; there is no private key in " +
                              dir_.path() + "/keys: put the private key"),
                    Not(HasSubstr("not used"))));
  EXPECT_THAT(OpenLayers({layer, layer}, "").status().message(),
              AllOf(HasSubstr("layer 1 of 2 (" + layer.digest.hex().substr(0, 12) + "): "),
                    HasSubstr("image.decryption_keys_path is not set")));
  PutKey("old.pem", OtherRsa().private_pem);
  PutKey("mine.pem", Rsa().private_pem, 0644);
  const Status wrong = Open(layer).status();
  EXPECT_EQ(wrong.code(), Code::kFailedPrecondition);
  EXPECT_THAT(wrong.message(), AllOf(HasSubstr("/keys opens it (old.pem)"),
                                     HasSubstr("not used: mine.pem: others than")));
  PutKey("mine.pem", Rsa().private_pem);
  EXPECT_TRUE(Open(layer).ok());
  Descriptor plain = layer;
  plain.media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
  const auto ciphers = OpenLayers({plain, layer}, dir_ / "keys");
  ASSERT_TRUE(ciphers.ok());
  EXPECT_EQ(ciphers->at(0), nullptr);
  EXPECT_NE(ciphers->at(1), nullptr);
}

TEST_F(LayerDecryptionTest, MalformedAnnotationsAreNamed) {
  PutKey("key.pem", Rsa().private_pem);
  const SealedLayer sealed = SealLayer("x", {{Rsa().public_pem}});
  const auto expect = [&](const char* name, const std::string& value, const std::string& what) {
    Descriptor layer = DescriptorFor(sealed);
    layer.annotations[name] = value;
    if (value.empty()) layer.annotations.erase(name);
    const auto cipher = Open(layer);
    EXPECT_FALSE(cipher.ok()) << what;
    EXPECT_THAT(cipher.status().message(), HasSubstr(what));
    EXPECT_LT(cipher.status().message().size(), 2000u);
  };
  expect(kPublicAnnotation, "", "enc.pubopts: it is missing");
  expect(kPublicAnnotation, "***", "is not base64");
  expect(kPublicAnnotation, EncodeBase64("{"), "options");
  expect(kPublicAnnotation, EncodeBase64("7"), "member \"cipher\": \"\"; allowed: AES_256_CTR");
  expect(kPublicAnnotation, PublicOptions(sealed.hmac, "ROT13"), "\"ROT13\"; allowed: AES_256_CTR");
  expect(kPublicAnnotation, PublicOptions("short"), "member \"hmac\": allowed: base64 of 32 bytes");
  expect(kPublicAnnotation, PublicOptions(""), "member \"hmac\"");
  expect(kPublicAnnotation, std::string(kMaxKeyAnnotationBytes + 1, 'A'), "is larger than 262144");
  expect(kJweAnnotation, "", "no annotation org.opencontainers.image.enc.keys.jwe or ");
  expect(kJweAnnotation, "***", "enc.keys.jwe: is not base64");
  expect(kJweAnnotation, EncodeBase64("[]"), "enc.keys.jwe: JWE: must be a JSON object");
  expect(kJweAnnotation, std::string(kMaxKeyAnnotationBytes + 1, 'A'),
         "enc.keys.jwe has 262145 bytes; at most 262144 are allowed");
  std::string crowd = sealed.annotations.at(kJweAnnotation);
  for (size_t i = 0; i < kMaxKeyRecipients; ++i) {
    crowd += "," + EncodeBase64(Json{{"unprotected", {{"enc", "A256GCM"}}}}.dump());
  }
  expect(kJweAnnotation, crowd, "more than 64 recipients");
  Descriptor no_der = DescriptorFor(sealed);
  no_der.annotations.erase(kJweAnnotation);
  no_der.annotations[kPkcs7Annotation] = EncodeBase64("no DER");
  EXPECT_THAT(Open(no_der).status().message(),
              HasSubstr("enc.keys.pkcs7: PKCS#7: malformed, or cut off"));
  Descriptor pgp = DescriptorFor(sealed);
  pgp.annotations.erase(kJweAnnotation);
  pgp.annotations["org.opencontainers.image.enc.keys.pgp"] = "AAAA";
  EXPECT_THAT(Open(pgp).status().message(), HasSubstr("pgp (allowed: jwe or pkcs7)"));
}

TEST_F(LayerDecryptionTest, WhatIsWrappedMustBeWhole) {
  PutKey("key.pem", Rsa().private_pem);
  SealedLayer sealed = SealLayer("x", {{Rsa().public_pem}});
  const auto expect = [&](const std::string& text, const std::string& what) {
    sealed.annotations[kJweAnnotation] = EncodeBase64(MakeJwe(text, {{Rsa().public_pem}}).dump());
    const auto cipher = Open(DescriptorFor(sealed));
    EXPECT_EQ(cipher.status().code(), Code::kInvalidArgument) << text;
    EXPECT_THAT(cipher.status().message(), HasSubstr(what));
    EXPECT_THAT(cipher.status().message(), Not(HasSubstr(EncodeBase64(sealed.key))));
  };
  expect("", "wrapped options");
  expect("[]", "member \"symkey\"");
  Json json = Json::parse(sealed.wrapped_text);
  json["symkey"] = EncodeBase64(sealed.key + "x");
  expect(json.dump(), "member \"symkey\": allowed: base64 of 32 bytes");
  json = Json::parse(sealed.wrapped_text);
  json["cipheroptions"]["nonce"] = "AAAA";
  expect(json.dump(), "member \"nonce\"");
  json.erase("cipheroptions");
  expect(json.dump(), "no \"cipheroptions\"");
  // The first key of two annotations that opens is enough.
  sealed.annotations[kJweAnnotation] =
      EncodeBase64(MakeJwe("not for us", {{OtherRsa().public_pem}}).dump()) + "," +
      EncodeBase64(MakeJwe(sealed.wrapped_text, {{Rsa().public_pem}}).dump());
  EXPECT_TRUE(Open(DescriptorFor(sealed)).ok());
}

TEST_F(LayerDecryptionTest, TheHmacDecides) {
  PutKey("key.pem", Rsa().private_pem);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{200000}}) {
    const std::string plain(size, 'p');
    const SealedLayer sealed = SealLayer(plain, {{Rsa().public_pem}});
    const auto cipher = Open(DescriptorFor(sealed));
    ASSERT_TRUE(cipher.ok()) << cipher.status().message();
    Status verdict;
    for (const size_t piece : {size_t{7}, size_t{100000}, size_t{1} << 20}) {
      EXPECT_EQ(Decrypted(**cipher, sealed.blob, piece, &verdict), plain);
      EXPECT_TRUE(verdict.ok()) << size << ' ' << piece;
    }
    std::string changed = sealed.blob + "x";
    (void)Decrypted(**cipher, changed, 1000, &verdict);
    EXPECT_EQ(verdict.code(), Code::kDataLoss);
    EXPECT_TRUE(IsForged(verdict));
    if (size == 0) continue;
    changed = sealed.blob;
    changed[size / 2] ^= 1;
    (void)Decrypted(**cipher, changed, 1000, &verdict);
    EXPECT_EQ(verdict.code(), Code::kDataLoss);
  }
}

TEST_F(LayerDecryptionTest, OnlyTheKeyCanNameTheLayer) {
  PutKey("key.pem", Rsa().private_pem);
  const Digest diff_id = *Digest::Parse(kSkopeoDiffId);
  const auto one = Open(DescriptorFor(SealLayer("x", {{Rsa().public_pem}})));
  const auto two = Open(DescriptorFor(SealLayer("x", {{Rsa().public_pem}})));
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_NE((*one)->StoreId(diff_id)->ToString(), (*two)->StoreId(diff_id)->ToString());
  EXPECT_NE((*one)->StoreId(diff_id)->ToString(),
            (*one)->StoreId(*DigestOf("another"))->ToString());
  EXPECT_EQ((*one)->StoreId(diff_id)->ToString(), (*one)->StoreId(diff_id)->ToString());
}

// Wrong bytes look like a broken archive; what is said is that somebody changed the layer.
TEST_F(LayerDecryptionTest, UnpackedAndChanged) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to set owners and trusted attributes";
  PutKey("key.pem", Rsa().private_pem);
  const std::string archive =
      TarBuilder().File("a", "one").File("b", std::string(300000, 'b')).Build();
  int number = 0;
  const auto unpack = [&](const SealedLayer& sealed, const std::string& blob) {
    const auto cipher = Open(DescriptorFor(sealed));
    LayerTask task;
    task.cipher = *cipher;
    task.producer = [&](const ByteSink& sink, const StopFlag&) { return sink(AsBytes(blob)); };
    task.blob_digest = *Digest::Parse(Sha256(blob));
    task.blob_bytes = static_cast<int64_t>(blob.size());
    task.diff_id = *Digest::Parse(Sha256(archive));
    task.directory = dir_ / Cat("layer", number++);
    StopFlag stop;
    task.stop = &stop;
    return UnpackLayer(task);
  };
  for (const std::string& plain : {Gzip(archive), Zstd(archive), archive}) {
    const SealedLayer sealed = SealLayer(plain, {{Rsa().public_pem}});
    const auto good = unpack(sealed, sealed.blob);
    ASSERT_TRUE(good.ok()) << good.status().message();
    EXPECT_EQ(*ReadFile(dir_ / Cat("layer", number - 1, "/fs/a")), "one");
    for (const size_t at : {size_t{0}, size_t{20}, sealed.blob.size() - 1}) {
      std::string changed = sealed.blob;
      changed[at] ^= 1;
      const auto result = unpack(sealed, changed);
      EXPECT_EQ(result.status().code(), Code::kDataLoss);
      EXPECT_THAT(result.status().message(), HasSubstr("HMAC mismatch")) << at;
    }
  }
}

}  // namespace
}  // namespace crisp::image
