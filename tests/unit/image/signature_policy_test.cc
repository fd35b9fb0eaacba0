// policy.json, identities, signed texts, keys and the files around them.
#include "image/policy/signature_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/core/file.h"
#include "image/policy/policy_files.h"
#include "image/policy/signed_claim.h"
#include "image/pull/gpg_signature.h"
#include "image/pull/public_key.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kAccept[] = R"([{"type":"insecureAcceptAnything"}])";
constexpr char kReject[] = R"([{"type":"reject"}])";

Reference Ref(const std::string& text) { return *Reference::Parse(text); }

SignaturePolicy Policy(const std::string& text) {
  auto out = SignaturePolicy::Parse(text, "p.json");
  EXPECT_TRUE(out.ok()) << out.status().message();
  return out.ok() ? *out : SignaturePolicy();
}
std::string PolicyError(const std::string& text) {
  const auto out = SignaturePolicy::Parse(text, "p.json");
  EXPECT_EQ(out.status().code(), Code::kInvalidArgument) << text;
  return out.status().message();
}
std::string With(const std::string& requirement) {
  return Cat(R"({"default":[)", requirement, "]}");
}

TEST(SignaturePolicy, LongestScopeWins) {
  EXPECT_THAT(
      PolicyScopes(Ref("a.example.com:5000/team/app:1")),
      ElementsAre("a.example.com:5000/team/app:1", "a.example.com:5000/team/app",
                  "a.example.com:5000/team", "a.example.com:5000", "*.example.com", "*.com"));
  const SignaturePolicy policy =
      Policy(Cat(R"({"default":)", kReject, R"(,"transports":{"docker":{
    "quay.io":)",
                 kAccept, R"(,"quay.io/team":)", kReject, R"(,"quay.io/team/app:1":)", kAccept,
                 R"(,"*.example.com":)", kAccept, R"(,"docker.io/library/busybox":)", kAccept,
                 R"(},"oci":{"":)", kAccept, "}}}"));
  const auto scope = [&](const std::string& name) { return policy.Find(Ref(name)).scope; };
  EXPECT_EQ(scope("quay.io/x"), "quay.io");
  EXPECT_EQ(scope("quay.io/team/app:2"), "quay.io/team");
  EXPECT_EQ(scope("quay.io/team/app:1"), "quay.io/team/app:1");
  EXPECT_EQ(scope("quay.io/teams/app"), "quay.io");
  EXPECT_EQ(scope("b.a.example.com/x"), "*.example.com");
  EXPECT_EQ(scope("example.com/x"), "default");
  EXPECT_EQ(scope("busybox"), "docker.io/library/busybox");
  EXPECT_EQ(scope("busyboxes"), "default");
  EXPECT_EQ(scope("[::1]:5000/x"), "default");
}

// As others read the file (real_registry_test asks skopeo): no case is folded.
TEST(SignaturePolicy, NamesAreComparedAsTheyAreWritten) {
  EXPECT_THAT(PolicyScopes(Ref("QUAY.io:443/team/app:1")),
              ElementsAre("QUAY.io:443/team/app:1", "QUAY.io:443/team/app", "QUAY.io:443/team",
                          "QUAY.io:443", "*.io"));
  const SignaturePolicy policy =
      Policy(Cat(R"({"default":)", kReject, R"(,"transports":{"docker":{"quay.io":)", kAccept,
                 R"(,"GCR.io/team":)", kAccept, "}}}"));
  EXPECT_EQ(policy.Find(Ref("quay.io/a")).scope, "quay.io");
  EXPECT_EQ(policy.Find(Ref("QUAY.io/a")).scope, "default");
  EXPECT_EQ(policy.Find(Ref("GCR.io/team/a")).scope, "GCR.io/team");
  EXPECT_EQ(policy.Find(Ref("gcr.io/team/a")).scope, "default");
}

TEST(SignaturePolicy, TransportDefault) {
  const SignaturePolicy policy =
      Policy(Cat(R"({"default":)", kReject, R"(,"transports":{"docker":{"":)", kAccept, "}}}"));
  EXPECT_EQ(policy.Find(Ref("x")).requirements->at(0).type, PolicyRequirement::Type::kAccept);
}

TEST(SignaturePolicy, MistakesNameTheMember) {
  EXPECT_THAT(PolicyError("[]"), HasSubstr("p.json: must be a JSON object"));
  EXPECT_THAT(PolicyError("{}"), HasSubstr("member \"default\" is missing"));
  EXPECT_THAT(PolicyError(R"({"default":[]})"), HasSubstr("at least one requirement"));
  EXPECT_THAT(PolicyError(With(R"({"type":"accept"})")),
              HasSubstr("p.json: default: requirement 1: member \"type\": \"accept\"; allowed: "
                        "insecureAcceptAnything, reject, signedBy or sigstoreSigned"));
  EXPECT_THAT(PolicyError(With(R"({"type":"reject","type":"insecureAcceptAnything"})")),
              HasSubstr("\"type\" is there twice"));
  EXPECT_THAT(PolicyError(With(R"({"type":"reject","why":"x"})")),
              HasSubstr("unknown member \"why\"; allowed: type"));
  EXPECT_THAT(PolicyError(With(R"({"type":"signedBy","keyType":"X509","keyPath":"/k"})")),
              HasSubstr("allowed: GPGKeys"));
  EXPECT_THAT(PolicyError(With(R"({"type":"signedBy","keyType":"GPGKeys"})")),
              HasSubstr("allowed: one of keyPath, keyPaths or keyData"));
  EXPECT_THAT(PolicyError(With(
                  R"({"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","keyData":"YQ=="})")),
              HasSubstr("both \"keyPath\" and \"keyData\""));
  EXPECT_THAT(PolicyError(With(R"({"type":"sigstoreSigned","keyPath":"k"})")),
              HasSubstr("allowed: an absolute path"));
  EXPECT_THAT(PolicyError(With(R"({"type":"sigstoreSigned","keyData":"?"})")),
              HasSubstr("allowed: base64"));
  EXPECT_THAT(
      PolicyError(With(
          R"({"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"exactReference","dockerReference":"a/b"}})")),
      HasSubstr("a name with tag or digest"));
  EXPECT_THAT(PolicyError(Cat(R"({"default":)", kAccept, R"(,"transports":{"dokcer":{}}})")),
              HasSubstr("no transport"));
  for (const char* scope : {"*", "*.", "a*.b", "*.a/b", "a//b", "a/", "/a"}) {
    EXPECT_THAT(PolicyError(Cat(R"({"default":)", kAccept, R"(,"transports":{"docker":{")", scope,
                                "\":", kAccept, "}}}")),
                HasSubstr("not a scope"));
  }
}

TEST(SignaturePolicy, WhatNobodyCanCheckIsKnown) {
  const SignaturePolicy policy =
      Policy(With(R"({"type":"sigstoreSigned","keyPath":"/k","rekorPublicKeyPath":"/r"})"));
  EXPECT_EQ(policy.Find(Ref("x")).requirements->at(0).unsupported, "rekorPublicKeyPath");
}

Status Identity(const std::string& json, const std::string& image, const std::string& name) {
  const auto identity = SignedIdentity::Parse(*ParseJson(json, "identity"));
  EXPECT_TRUE(identity.ok()) << identity.status().message();
  if (!identity.ok()) return identity.status();
  const auto again = SignedIdentity::Parse(identity->ToJson());
  EXPECT_EQ(again->ToJson(), identity->ToJson());
  return identity->Check(Ref(image), name);
}

TEST(SignedIdentity, Matches) {
  const std::string digest = "@sha256:" + std::string(64, 'a');
  const char* exact = R"({"type":"matchExact"})";
  EXPECT_TRUE(Identity(exact, "q.io/a:1", "q.io/a:1").ok());
  EXPECT_TRUE(Identity(exact, "busybox", "docker.io/library/busybox:latest").ok());
  EXPECT_FALSE(Identity(exact, "q.io/a:1", "q.io/a:2").ok());
  EXPECT_FALSE(Identity(exact, "q.io/a:latest", "q.io/a").ok());
  EXPECT_FALSE(Identity(exact, "q.io/a" + digest, "q.io/a:1").ok());
  const char* usual = R"({"type":"matchRepoDigestOrExact"})";
  EXPECT_TRUE(Identity(usual, "q.io/a:1", "q.io/a:1").ok());
  EXPECT_FALSE(Identity(usual, "q.io/a:1", "q.io/a:2").ok());
  EXPECT_TRUE(Identity(usual, "q.io/a" + digest, "q.io/a:2").ok());
  EXPECT_FALSE(Identity(usual, "q.io/a" + digest, "q.io/b:2").ok());
  EXPECT_FALSE(Identity(usual, "q.io/a" + digest, "q.io/a").ok());
  EXPECT_EQ(Identity(usual, "q.io/a:1", "not A name").code(), Code::kPermissionDenied);
  const char* repository = R"({"type":"matchRepository"})";
  EXPECT_TRUE(Identity(repository, "q.io/a:1", "q.io/a").ok());
  EXPECT_FALSE(Identity(repository, "q.io/a:1", "q.io/ab:1").ok());
  const char* reference = R"({"type":"exactReference","dockerReference":"q.io/a:1"})";
  EXPECT_TRUE(Identity(reference, "mirror/b:2", "q.io/a:1").ok());
  EXPECT_FALSE(Identity(reference, "q.io/a:1", "q.io/a:2").ok());
  const char* whole = R"({"type":"exactRepository","dockerRepository":"q.io/a"})";
  EXPECT_TRUE(Identity(whole, "mirror/b:2", "q.io/a:7").ok());
  EXPECT_FALSE(Identity(whole, "q.io/b:1", "q.io/b:1").ok());
  const char* remap = R"({"type":"remapIdentity","prefix":"mirror:5000/q","signedPrefix":"q.io"})";
  EXPECT_TRUE(Identity(remap, "mirror:5000/q/a:1", "q.io/a:1").ok());
  EXPECT_FALSE(Identity(remap, "mirror:5000/q/a:1", "q.io/a:2").ok());
  EXPECT_TRUE(Identity(remap, "mirror:5000/qq/a:1", "mirror:5000/qq/a:1").ok());
  EXPECT_TRUE(Identity(remap, "mirror:5000/q/a" + digest, "q.io/a:9").ok());
}

std::string Claim(const std::string& type, const std::string& more = {}) {
  return Cat(R"({"critical":{"type":")", type, R"(","image":{"docker-manifest-digest":"sha256:)",
             std::string(64, 'a'), R"("},"identity":{"docker-reference":"q.io/a:1"})", more,
             R"(},"optional":null})");
}

TEST(SignedClaim, IsReadStrictly) {
  const auto claim =
      SignedClaim::Parse(Claim("atomic container signature"), SignedClaim::Kind::kSimpleSigning);
  ASSERT_TRUE(claim.ok()) << claim.status().message();
  EXPECT_EQ(claim->name, "q.io/a:1");
  EXPECT_TRUE(
      SignedClaim::Parse(Claim("cosign container image signature"), SignedClaim::Kind::kSigstore)
          .ok());
  EXPECT_FALSE(SignedClaim::Parse(Claim("cosign container image signature"),
                                  SignedClaim::Kind::kSimpleSigning)
                   .ok());
  EXPECT_FALSE(SignedClaim::Parse(Claim("atomic container signature", R"(,"x":1)"),
                                  SignedClaim::Kind::kSimpleSigning)
                   .ok());
  EXPECT_FALSE(SignedClaim::Parse(Claim("atomic container signature", R"(,"type":"x")"),
                                  SignedClaim::Kind::kSimpleSigning)
                   .ok());
  EXPECT_FALSE(SignedClaim::Parse("{}", SignedClaim::Kind::kSimpleSigning).ok());
}

TEST(GpgSignature, StatusLines) {
  const std::string good =
      "[GNUPG:] NEWSIG\n[GNUPG:] PLAINTEXT 62 1 \n[GNUPG:] GOODSIG 1 x\n[GNUPG:] VALIDSIG 2\n";
  EXPECT_TRUE(JudgeGpgStatus(good).ok());
  EXPECT_THAT(JudgeGpgStatus(good + "[GNUPG:] BADSIG 1 x\n").message(), HasSubstr("changed"));
  EXPECT_FALSE(JudgeGpgStatus(good + good).ok());
  EXPECT_FALSE(JudgeGpgStatus("").ok());
  EXPECT_THAT(
      JudgeGpgStatus("[GNUPG:] NEWSIG\n[GNUPG:] EXPKEYSIG 1 x\n[GNUPG:] VALIDSIG 2\n").message(),
      HasSubstr("expired"));
  EXPECT_FALSE(JudgeGpgStatus("gpgv: [GNUPG:] GOODSIG\n").ok());
}

TEST(GpgSignature, Armour) {
  EXPECT_EQ(*DearmorKeys("\x99\x01\x02"), "\x99\x01\x02");
  const std::string block =
      "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\nZm9v\nYmFy\n=abcd\n"
      "-----END PGP PUBLIC KEY BLOCK-----\n";
  EXPECT_EQ(*DearmorKeys(block + "between\n" + block), "foobarfoobar");
  EXPECT_FALSE(DearmorKeys("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nZm9v\n").ok());
  EXPECT_FALSE(DearmorKeys("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nZm9v\n").ok());
  EXPECT_FALSE(DearmorKeys("").ok());
}

using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;

std::string PublicPem(EVP_PKEY* key) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(::BIO_new(::BIO_s_mem()), ::BIO_free);
  ::PEM_write_bio_PUBKEY(bio.get(), key);
  char* data = nullptr;
  const long size = ::BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}
std::string SignWith(EVP_PKEY* key, const std::string& text) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(::EVP_MD_CTX_new(),
                                                                   ::EVP_MD_CTX_free);
  const bool bare = ::EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
  EXPECT_EQ(
      ::EVP_DigestSignInit(context.get(), nullptr, bare ? nullptr : ::EVP_sha256(), nullptr, key),
      1);
  std::string out(1024, '\0');
  size_t size = out.size();
  EXPECT_EQ(::EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                             reinterpret_cast<const unsigned char*>(text.data()), text.size()),
            1);
  out.resize(size);
  return out;
}

TEST(PublicKey, ThreeKinds) {
  std::vector<Key> keys;
  keys.emplace_back(::EVP_EC_gen("P-256"), ::EVP_PKEY_free);
  keys.emplace_back(::EVP_RSA_gen(2048), ::EVP_PKEY_free);
  keys.emplace_back(::EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), ::EVP_PKEY_free);
  const Key other(::EVP_EC_gen("P-256"), ::EVP_PKEY_free);
  for (const Key& key : keys) {
    const auto parsed = PublicKey::Parse(PublicPem(key.get()));
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    const std::string signature = SignWith(key.get(), "text");
    EXPECT_TRUE(parsed->Verify("text", signature).ok());
    EXPECT_EQ(parsed->Verify("Text", signature).code(), Code::kPermissionDenied);
    EXPECT_FALSE(parsed->Verify("text", "").ok());
    EXPECT_FALSE(parsed->Verify("text", SignWith(other.get(), "text")).ok());
  }
  const Key weak(::EVP_RSA_gen(1024), ::EVP_PKEY_free);
  EXPECT_THAT(PublicKey::Parse(PublicPem(weak.get())).status().message(), HasSubstr("1024 bits"));
  EXPECT_FALSE(PublicKey::Parse("-----BEGIN PUBLIC KEY-----\nx\n").ok());
}

class PolicyFilesTest : public testing::Test {
 protected:
  Result<SignatureDemand> Demand(const std::string& image, const std::string& pod_namespace = {}) {
    return DemandFor(options_, Ref(image), pod_namespace);
  }
  void SetUp() override {
    options_.policy_file = dir_ / "policy.json";
    options_.namespace_policy_dir = dir_ / "policies";
    ASSERT_TRUE(EnsureDirectory(options_.namespace_policy_dir).ok());
    options_.read_lookaside = [] {
      return std::map<std::string, Lookaside>{{"", {"https://all/", true}},
                                              {"quay.io/team", {"https://team/", false}}};
    };
  }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteFile(dir_ / name, text).ok());
  }
  TempDir dir_;
  SignatureOptions options_;
};

TEST_F(PolicyFilesTest, MissingFile) {
  EXPECT_TRUE(Demand("a")->empty());
  options_.policy_required = true;
  EXPECT_EQ(Demand("a").status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(Demand("a").status().message(), HasSubstr("no such file"));
}

TEST_F(PolicyFilesTest, NamespacesOwnPolicyDecides) {
  Write("policy.json", Cat(R"({"default":)", kReject, "}"));
  Write("policies/free.json", Cat(R"({"default":)", kAccept, "}"));
  Write("policies/broken.json", "{");
  EXPECT_TRUE(IsSignatureRefusal(Demand("a").status()));
  EXPECT_TRUE(IsSignatureRefusal(Demand("a", "other").status()));
  EXPECT_TRUE(IsSignatureRefusal(Demand("a", "../policies/free").status()));
  EXPECT_TRUE(Demand("a", "free").ok());
  EXPECT_EQ(Demand("a", "broken").status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(Demand("a", "broken").status().message(), HasSubstr("broken.json"));
}

TEST_F(PolicyFilesTest, KeysAndLookasideComeAlong) {
  Write("key", "\x99 key");
  Write("policy.json",
        With(Cat(R"({"type":"signedBy","keyType":"GPGKeys","keyPath":")", dir_ / "key", "\"}")));
  const auto demand = Demand("quay.io/team/app:1");
  ASSERT_TRUE(demand.ok()) << demand.status().message();
  EXPECT_THAT(demand->requirements.at(0).keys, ElementsAre("\x99 key"));
  EXPECT_EQ(demand->lookaside, "https://team/");
  EXPECT_FALSE(demand->attachments);
  EXPECT_EQ(Demand("quay.io/teams/app")->lookaside, "https://all/");
  const auto again = SignatureDemandFromJson(ToJson(*demand));
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(ToJson(*again), ToJson(*demand));
  EXPECT_THAT(again->requirements.at(0).keys, ElementsAre("\x99 key"));
  Write("policy.json", With(R"({"type":"signedBy","keyType":"GPGKeys","keyPath":"/no/such"})"));
  EXPECT_EQ(Demand("a").status().code(), Code::kFailedPrecondition);
}

TEST_F(PolicyFilesTest, UnsupportedIsRefused) {
  Write("policy.json", With(R"({"type":"sigstoreSigned","fulcio":{}})"));
  EXPECT_TRUE(IsSignatureRefusal(Demand("a").status()));
  EXPECT_THAT(Demand("a").status().message(), HasSubstr("fulcio"));
}

}  // namespace
}  // namespace crisp::image
