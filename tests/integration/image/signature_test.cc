// Signed images: by GnuPG and by openssl, unsigned, tampered with, by strangers, for other names.
#include <filesystem>

#include "base/base64.h"
#include "base/core/child_process.h"
#include "base/core/file.h"
#include "image/policy/signature_demand.h"
#include "image_fixture.h"

namespace crisp::image {
namespace {

using testing::HasSubstr;

constexpr char kCosignType[] = "cosign container image signature";
constexpr char kAtomicType[] = "atomic container signature";
constexpr char kPayloadType[] = "application/vnd.dev.cosign.simplesigning.v1+json";

std::string Claim(const std::string& type, const std::string& digest, const std::string& name) {
  return Json{{"critical",
               {{"type", type},
                {"image", {{"docker-manifest-digest", digest}}},
                {"identity", {{"docker-reference", name}}}}},
              {"optional", {{"creator", "test"}, {"timestamp", 1700000000}}}}
      .dump();
}

class SignatureTest : public ImageFixture {
 protected:
  void SetUp() override {
    ImageFixture::SetUp();
    if (IsSkipped()) return;
    for (const char* program : {"gpg", "gpgv", "openssl"}) {
      if (!HasProgram(program)) GTEST_SKIP() << "needs " << program;
    }
    options_.signatures.policy_file = dir_ / "policy.json";
    options_.signatures.policy_required = true;
    options_.signatures.namespace_policy_dir = dir_ / "policies";
    options_.signatures.read_lookaside = [this] { return lookaside_; };
    lookaside_[""] = {"file://" + (dir_ / "lookaside"), true};
    made_ = MakeImage({GzipLayer(TarBuilder().File("a", "one").Build())});
    Put(registry_, made_);
    OpenService();
  }
  void TearDown() override {
    for (const std::string& home : homes_) {  // the agent that gpg has started
      (void)RunProgram({"gpgconf", "--homedir", home, "--kill", "all"});
    }
    ImageFixture::TearDown();
  }

  std::string Name(const std::string& rest = "app:v1") { return registry_.host() + "/" + rest; }

  // A key pair in a home of its own; the public key is in dir_/<name>.pub.
  void MakeGpgKey(const std::string& name, const std::string& validity = "never",
                  const std::vector<std::string>& more = {}) {
    const std::string home = dir_ / ("gpg-" + name);
    ASSERT_TRUE(EnsureDirectory(home, 0700).ok());
    homes_.push_back(home);
    std::vector<std::string> argv = {"gpg", "--homedir", home, "--batch", "-q"};
    argv.insert(argv.end(), more.begin(), more.end());
    argv.insert(argv.end(), {"--passphrase", "", "--quick-generate-key", name + "@example.com",
                             "ed25519", "sign", validity});
    ASSERT_TRUE(RunProgram(argv));
    ASSERT_TRUE(RunProgram({"gpg", "--homedir", home, "--batch", "-q", "--armor", "--output",
                            dir_ / (name + ".pub"), "--export"}));
  }
  std::string GpgSign(const std::string& name, const std::string& text,
                      const std::vector<std::string>& more = {}) {
    const std::string in = dir_ / "claim";
    const std::string out = dir_ / "signature";
    std::filesystem::remove(out);
    EXPECT_TRUE(WriteFile(in, text).ok());
    std::vector<std::string> argv = {"gpg", "--homedir", dir_ / ("gpg-" + name), "--batch", "-q"};
    argv.insert(argv.end(), more.begin(), more.end());
    argv.insert(argv.end(), {"--output", out, "--sign", in});
    EXPECT_TRUE(RunProgram(argv));
    return ReadFile(out).value();
  }
  // Number `n` for the image `digest` of repository "app".
  void PutSignature(const std::string& digest, int n, const std::string& bytes) {
    const std::string dir = dir_ / ("lookaside/app@sha256=" + digest.substr(7));
    ASSERT_TRUE(EnsureDirectory(dir).ok());
    ASSERT_TRUE(WriteFile(Cat(dir, "/signature-", n), bytes).ok());
  }
  void SetPolicy(const Json& requirement) {
    ASSERT_TRUE(WriteFile(dir_ / "policy.json",
                          Json{{"default", Json::array({{{"type", "reject"}}})},
                               {"transports",
                                {{"docker", {{registry_.host(), Json::array({requirement})}}}}}}
                              .dump())
                    .ok());
  }
  Json SignedBy(const std::string& name, const std::string& identity = {}) {
    Json out = {{"type", "signedBy"}, {"keyType", "GPGKeys"}, {"keyPath", dir_ / (name + ".pub")}};
    if (!identity.empty()) out["signedIdentity"] = {{"type", identity}};
    return out;
  }
  void ExpectRefused(const std::string& reason, const std::string& name = {}) {
    const std::string layer = "/blobs/" + Sha256(made_.layers[0].blob);
    const size_t before = registry_.CountRequests(layer);
    const auto pulled = Pull(name.empty() ? Name() : name);
    ASSERT_FALSE(pulled.ok()) << "wanted: " << reason;
    EXPECT_TRUE(IsSignatureRefusal(pulled.status())) << pulled.status().ToString();
    EXPECT_THAT(pulled.status().message(), HasSubstr(reason));
    EXPECT_EQ(SettledCounts({}), StoreCounts{});
    EXPECT_EQ(registry_.CountRequests(layer), before);
  }
  void ExpectPulled(const std::string& name = {}) {
    const auto pulled = Pull(name.empty() ? Name() : name);
    ASSERT_TRUE(pulled.ok()) << pulled.status().ToString();
    EXPECT_EQ(FileInImage(*pulled, "a"), "one");
    ASSERT_TRUE(service().Remove(*pulled).ok());
  }

  FakeRegistry registry_;
  MadeImage made_;
  std::map<std::string, Lookaside> lookaside_;
  std::vector<std::string> homes_;
};

TEST_F(SignatureTest, GpgFromADirectory) {
  MakeGpgKey("alice");
  MakeGpgKey("mallory");
  const std::string good = Claim(kAtomicType, made_.digest(), Name());
  SetPolicy(SignedBy("alice"));
  ExpectRefused("the image has no signature");
  PutSignature(made_.digest(), 1, GpgSign("mallory", good));
  ExpectRefused("not by a key of the policy");
  PutSignature(made_.digest(), 1, "no OpenPGP at all");
  ExpectRefused("not an OpenPGP signed message");
  std::string tampered = GpgSign("alice", good, {"--compress-algo", "none"});
  const size_t at = tampered.find("timestamp");
  ASSERT_NE(at, std::string::npos);
  tampered[at] = 'T';
  PutSignature(made_.digest(), 1, tampered);
  ExpectRefused("was changed");
  PutSignature(made_.digest(), 1,
               GpgSign("alice", Claim(kAtomicType, made_.digest(), Name("b:v1"))));
  ExpectRefused(Cat("is for ", Name("b:v1"), ", not for ", Name()));
  PutSignature(made_.digest(), 1,
               GpgSign("alice", Claim(kAtomicType, Sha256("another manifest"), Name())));
  ExpectRefused("is for the manifest " + Sha256("another manifest"));
  // The good one behind a bad one.
  PutSignature(made_.digest(), 2, GpgSign("alice", good));
  ExpectPulled();
  ExpectPulled(Name("app@" + made_.digest()));
  SetPolicy(SignedBy("alice", "matchExact"));
  registry_.SetHook(nullptr);
  EXPECT_TRUE(IsSignatureRefusal(Pull(Name("app@" + made_.digest())).status()));
}

TEST_F(SignatureTest, GpgOverHttpAndKeysThatExpired) {
  MakeGpgKey("alice");
  MakeGpgKey("old", "2020-01-02", {"--faked-system-time", "20200101T000000!"});
  const std::string claim = Claim(kAtomicType, made_.digest(), Name());
  const std::string path = "/sigs/app@sha256=" + made_.digest().substr(7) + "/signature-";
  std::string signature = GpgSign("old", claim, {"--faked-system-time", "20200101T000000!"});
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    EXPECT_TRUE(request.Header("authorization").empty());
    if (!request.target.starts_with("/sigs/")) return std::nullopt;
    FakeResponse out;
    out.status = request.target == path + "1" ? 200 : 404;
    if (out.status == 200) out.body = signature;
    return out;
  });
  lookaside_[registry_.host()] = {"http://" + registry_.host() + "/sigs/", true};
  SetPolicy(SignedBy("old"));
  ExpectRefused("has expired");
  signature = GpgSign("alice", claim);
  SetPolicy(SignedBy("alice"));
  ExpectPulled();
  signature = GpgSign("alice", std::string(8 << 20, 'x'));  // a small message, a large text
  ExpectRefused("none of 1 signatures does");
  EXPECT_GT(registry_.CountRequests("/sigs/"), 0u);
}

// An EC key in dir_/key.pem and dir_/key.pub.
void MakeSigstoreKey(const TempDir& dir) {
  const std::string key = dir / "key.pem";
  ASSERT_TRUE(RunProgram({"openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                          "ec_paramgen_curve:P-256", "-out", key}));
  ASSERT_TRUE(RunProgram({"openssl", "pkey", "-in", key, "-pubout", "-out", dir / "key.pub"}));
}
// A signature as cosign attaches it: `signed_text` is what the key has seen.
void Attach(const TempDir& dir, const std::string& image_digest, const std::string& payload,
            const std::string& signed_text, FakeRegistry* registry) {
  ASSERT_TRUE(WriteFile(dir / "payload", signed_text).ok());
  ASSERT_TRUE(RunProgram({"openssl", "dgst", "-sha256", "-sign", dir / "key.pem", "-out",
                          dir / "payload.sig", dir / "payload"}));
  Json layer = DescriptorOf(payload, kPayloadType);
  layer["annotations"] = {
      {"dev.cosignproject.cosign/signature", EncodeBase64(*ReadFile(dir / "payload.sig"))}};
  registry->AddBlob(payload);
  const Json manifest = {{"schemaVersion", 2},
                         {"mediaType", kManifestType},
                         {"config", DescriptorOf("{}", "application/vnd.oci.image.config.v1+json")},
                         {"layers", Json::array({layer})}};
  registry->AddManifest("sha256-" + image_digest.substr(7) + ".sig", manifest.dump(),
                        kManifestType);
}

TEST_F(SignatureTest, SigstoreKeys) {
  MakeSigstoreKey(dir_);
  ASSERT_TRUE(RunProgram({"openssl", "genpkey", "-algorithm", "ED25519", "-out", dir_ / "o.pem"}));
  ASSERT_TRUE(
      RunProgram({"openssl", "pkey", "-in", dir_ / "o.pem", "-pubout", "-out", dir_ / "o.pub"}));
  const auto attach = [&](const std::string& payload, const std::string& signed_text) {
    Attach(dir_, made_.digest(), payload, signed_text, &registry_);
  };
  const auto policy = [&](const std::string& file, const std::string& identity) {
    SetPolicy({{"type", "sigstoreSigned"},
               {"keyPath", dir_ / file},
               {"signedIdentity", {{"type", identity}}}});
  };
  policy("key.pub", "matchRepository");
  ExpectRefused("the image has no signature");
  const std::string good = Claim(kCosignType, made_.digest(), registry_.host() + "/app");
  attach(good, good + " ");
  ExpectRefused("the signed text was changed");
  attach(Claim(kAtomicType, made_.digest(), registry_.host() + "/app"),
         Claim(kAtomicType, made_.digest(), registry_.host() + "/app"));
  ExpectRefused("allowed: cosign container image signature");
  attach(good, good);
  policy("o.pub", "matchRepository");
  ExpectRefused("not by a key of the policy");
  policy("key.pub", "matchRepoDigestOrExact");
  ExpectRefused("not for " + Name());
  policy("key.pub", "matchRepository");
  ExpectPulled();
  lookaside_[""].use_attachments = false;
  ExpectRefused("registries.d says not to look");
}

// Certificates and transparency logs: nobody here can check them, so nobody is let in by them.
TEST_F(SignatureTest, FulcioRekorAndPkiAreRefused) {
  MakeSigstoreKey(dir_);
  const std::string claim = Claim(kCosignType, made_.digest(), registry_.host() + "/app");
  Attach(dir_, made_.digest(), claim, claim, &registry_);
  const Json key = {{"type", "sigstoreSigned"},
                    {"keyPath", dir_ / "key.pub"},
                    {"signedIdentity", {{"type", "matchRepository"}}}};
  SetPolicy(key);
  ExpectPulled();
  for (const char* member : {"fulcio", "pki", "rekorPublicKeyPath", "rekorPublicKeyDatas"}) {
    Json requirement = key;
    requirement[member] = Json::object();
    SetPolicy(requirement);
    ExpectRefused(
        Cat("sigstoreSigned with ", member, " cannot be checked by crisp; supported: public keys"));
  }
}

// The tag of an attachment stands for a digest: a mirror for digests has it, and may be all there
// is.
TEST_F(SignatureTest, AttachmentsFromAMirrorForDigests) {
  MakeSigstoreKey(dir_);
  const std::string claim = Claim(kCosignType, made_.digest(), "origin.test/app");
  Attach(dir_, made_.digest(), claim, claim, &registry_);
  ASSERT_TRUE(
      WriteFile(dir_ / "policy.json", Json{{"default",
                                            {{{"type", "sigstoreSigned"},
                                              {"keyPath", dir_ / "key.pub"},
                                              {"signedIdentity", {{"type", "matchRepository"}}}}}}}
                                          .dump())
          .ok());
  const std::string name = "origin.test/app@" + made_.digest();
  options_.registry_files.certs_dirs = {dir_ / "certs.d"};
  options_.registry_files.registries_conf = dir_ / "registries.conf";
  ASSERT_TRUE(EnsureDirectory(dir_ / "certs.d/origin.test").ok());
  // The origin itself answers nothing.
  ASSERT_TRUE(WriteFile(dir_ / "certs.d/origin.test/hosts.toml",
                        Cat("server = \"http://127.0.0.1:1\"\n[host.\"http://", registry_.host(),
                            "\"]\ncapabilities = [\"pull\"]\n"))
                  .ok());
  OpenService();
  ExpectPulled(name);
  const size_t asked = registry_.CountRequests(".sig");
  EXPECT_GE(asked, 1u);
  ASSERT_TRUE(WriteFile(dir_ / "registries.conf",
                        Cat("[[registry]]\nprefix = \"origin.test\"\nlocation = \"127.0.0.1:1\"\n"
                            "[[registry.mirror]]\nlocation = \"",
                            registry_.host(), "\"\npull-from-mirror = \"digest-only\"\n"))
                  .ok());
  OpenService();
  ExpectPulled(name);
  EXPECT_GT(registry_.CountRequests(".sig"), asked);
  EXPECT_FALSE(Pull("origin.test/app:v1").ok());  // that mirror does not say what tags mean
}

TEST_F(SignatureTest, ASignedIndexSpeaksForItsImages) {
  MakeGpgKey("alice");
  Json entry = DescriptorOf(made_.manifest, kManifestType);
  entry["platform"] = {{"os", "linux"}, {"architecture", HostPlatform().architecture}};
  const std::string index =
      Json{{"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", Json::array({entry})}}
          .dump();
  registry_.AddManifest("multi", index, kIndexType);
  SetPolicy(SignedBy("alice"));
  ExpectRefused("no signature", Name("app:multi"));
  PutSignature(Sha256(index), 1,
               GpgSign("alice", Claim(kAtomicType, Sha256(index), Name("app:multi"))));
  ExpectPulled(Name("app:multi"));
  ExpectRefused("no signature", Name("app:v1"));
}

TEST_F(SignatureTest, RejectedBrokenMissingAndPerNamespace) {
  const auto without = Pull(Name());
  EXPECT_EQ(without.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(without.status().message(), HasSubstr("policy.json: no such file"));
  ASSERT_TRUE(WriteFile(dir_ / "policy.json", R"({"default":[{"type":"reject"}]})").ok());
  ExpectRefused("images of this scope are rejected");
  EXPECT_EQ(registry_.requests().size(), 0u);  // nobody is asked
  ASSERT_TRUE(EnsureDirectory(dir_ / "policies").ok());
  ASSERT_TRUE(WriteFile(dir_ / "policies/trusting.json",
                        R"({"default":[{"type":"insecureAcceptAnything"}]})")
                  .ok());
  PullRequest request;
  request.reference = Name();
  request.pod_namespace = "trusting";
  EXPECT_TRUE(service().Pull(request).ok());
  ASSERT_TRUE(WriteFile(dir_ / "policy.json", R"({"default":[{"type":"rejct"}]})").ok());
  EXPECT_THAT(Pull(Name()).status().message(), HasSubstr("policy.json: default: requirement 1"));
}

TEST_F(SignatureTest, SkopeoSignsAndWeAgree) {
  if (!HasProgram("skopeo")) GTEST_SKIP() << "needs skopeo";
  MakeGpgKey("alice");
  ASSERT_TRUE(WriteFile(dir_ / "manifest.json", made_.manifest).ok());
  ASSERT_TRUE(RunProgram({"env", "GNUPGHOME=" + (dir_ / "gpg-alice"), "skopeo", "standalone-sign",
                          "--output", dir_ / "skopeo.sig", dir_ / "manifest.json", Name(),
                          "alice@example.com"}));
  PutSignature(made_.digest(), 1, *ReadFile(dir_ / "skopeo.sig"));
  SetPolicy(SignedBy("alice"));
  ExpectPulled();
}

}  // namespace
}  // namespace crisp::image
