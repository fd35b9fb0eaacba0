// Encrypted images: by skopeo for keys of three kinds, without keys, changed, hostile.
#include <sys/stat.h>

#include <filesystem>

#include "base/base64.h"
#include "base/core/file.h"
#include "real_registry.h"
#include "sealed_layer.h"

namespace crisp::image {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class EncryptedTest : public RealRegistry {
 protected:
  void SetUp() override {
    RealRegistry::SetUp();
    if (IsSkipped()) return;
    options_.decryption_keys_path = dir_ / "keys";
    OpenService();
  }
  void PutKey(const std::string& name, const std::string& text) {
    ASSERT_TRUE(EnsureDirectory(dir_ / "keys", 0700).ok());
    ASSERT_TRUE(WriteFile(dir_ / ("keys/" + name), text, 0600).ok());
  }
  void RemoveKeys() { std::filesystem::remove_all(dir_ / "keys"); }
  // What skopeo's --encryption-key wants for the key; writes its public half.
  std::string For(const std::string& name, const KeyPair& key) {
    EXPECT_TRUE(WriteFile(dir_ / (name + ".pub"), key.public_pem).ok());
    return "jwe:" + (dir_ / (name + ".pub"));
  }
  void ExpectFiles(const std::string& id) {
    for (const char* name : {"a", "b", "c"}) {
      EXPECT_EQ(FileInImage(id, std::string("d/") + name), name);
    }
  }
  // Nothing is left, and nothing of a key is told.
  void ExpectFails(const std::string& reference, Code code, const std::string& what,
                   const StoreCounts& before = {}) {
    const auto pulled = Pull(reference);
    ASSERT_FALSE(pulled.ok()) << "wanted: " << what;
    EXPECT_EQ(pulled.status().code(), code) << pulled.status().message();
    EXPECT_THAT(pulled.status().message(),
                AllOf(HasSubstr(reference), HasSubstr(what), Not(HasSubstr("BEGIN"))));
    EXPECT_EQ(SettledCounts(before), before);
  }
};

TEST_F(EncryptedTest, BySkopeoForKeysOfEachKind) {
  StartRegistry();
  const KeyPair rsa = MakeRsaKey();
  const KeyPair ec = MakeEcKey("secp384r1");
  ASSERT_TRUE(
      RunProgram({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                  "/CN=recipient", "-keyout", dir_ / "x509.key", "-out", dir_ / "x509.crt"}));
  MadeImage made = ThreeLayers();
  // d/implied/e makes the layer a tied one: what is below it is decrypted, too.
  made.layers.push_back(GzipLayer(TarBuilder().File("d/implied/e", "e").Build()));
  made = MakeImage(made.layers);
  ASSERT_TRUE(Push(made, "app:v1",
                   {"--encryption-key", For("rsa", rsa), "--encryption-key", For("ec", ec),
                    "--encryption-key", "pkcs7:" + (dir_ / "x509.crt")}));
  ExpectFails(host_ + "/app:v1", Code::kFailedPrecondition, "layer 1 of 4 (");
  ExpectFails(host_ + "/app:v1", Code::kFailedPrecondition,
              "for the key of any of: jwe RSA-OAEP; jwe ECDH-ES+A256KW on P-384; pkcs7 "
              "certificate of serial ");
  ExpectFails(host_ + "/app:v1", Code::kFailedPrecondition,
              "there is no private key in " + (dir_ / "keys") + ": put the private key");
  PutKey("stranger.pem", MakeRsaKey().private_pem);
  ExpectFails(host_ + "/app:v1", Code::kFailedPrecondition, "/keys opens it (stranger.pem)");
  for (const std::string& key :
       {rsa.private_pem, ec.private_pem, ReadFile(dir_ / "x509.key").value()}) {
    PutKey("mine.pem", key);  // no restart, no reload
    const auto id = Pull(host_ + "/app:v1");
    ASSERT_TRUE(id.ok()) << id.status().message();
    EXPECT_EQ(*id, made.id());
    ExpectFiles(*id);
    EXPECT_EQ(FileInImage(*id, "d/implied/e"), "e");
    ASSERT_TRUE(service().Remove(*id).ok());
    EXPECT_EQ(SettledCounts({}), StoreCounts{});
  }
}

TEST_F(EncryptedTest, ZstdAndAPasswordAndAnotherPlace) {
  StartRegistry();
  const KeyPair key = MakeRsaKey();
  const MadeImage made = ThreeLayers();
  const std::string layout = dir_ / "zstd";
  ASSERT_TRUE(RunProgram({"skopeo", "copy", "-q", "--dest-compress", "--dest-compress-format",
                          "zstd", "oci:" + MakeLayout(made, "x") + ":x", "oci:" + layout + ":x"}));
  ASSERT_TRUE(PushLayout("oci:" + layout + ":x", "app:v1", {"--encryption-key", For("k", key)}));
  PutKey("k.pem", WithPassword(key.private_pem, "sesame"));
  ExpectFails(host_ + "/app:v1", Code::kFailedPrecondition, "k.pem: the key has a password");
  PutKey("k.pem.password", "sesame\n");
  const auto id = Pull(host_ + "/app:v1");
  ASSERT_TRUE(id.ok()) << id.status().message();
  ExpectFiles(*id);
  ASSERT_TRUE(service().Remove(*id).ok());
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
  ASSERT_TRUE(service().Reload({{}, {}, ""}).ok());
  ExpectFails(host_ + "/app:v1", Code::kFailedPrecondition,
              "image.decryption_keys_path is not set");
  ASSERT_TRUE(service().Reload({{}, {}, dir_ / "keys/k.pem"}).ok());
  EXPECT_TRUE(Pull(host_ + "/app:v1").ok());
}

// Layers that came encrypted are not shared with images that name them by their diff ids.
TEST_F(EncryptedTest, APulledImageIsAskedForItsKeyAgainAndStrangersGetNothing) {
  StartRegistry();
  const KeyPair key = MakeRsaKey();
  const MadeImage made = ThreeLayers();
  ASSERT_TRUE(Push(made, "secret:v1", {"--encryption-key", For("k", key)}));
  ASSERT_TRUE(Push(made, "open:v1"));
  PutKey("k.pem", key.private_pem);
  const auto id = Pull(host_ + "/secret:v1");
  ASSERT_TRUE(id.ok()) << id.status().message();
  const StoreCounts with_secret = Counts();
  EXPECT_EQ(with_secret.layers, 3u);
  EXPECT_TRUE(Pull(host_ + "/secret:v1").ok());
  RemoveKeys();
  // Nobody pulls it without the key, though every layer is here; who has it, has it.
  ExpectFails(host_ + "/secret:v1", Code::kFailedPrecondition, "there is no private key",
              with_secret);
  ExpectFiles(*id);

  // A stranger's image claims the diff ids, which everybody can read; its blobs are nothing.
  FakeRegistry strangers;
  MadeImage claim = MakeImage({PlainLayer(TarBuilder().File("x", "x").Build())});
  const Json real = Json::parse(made.config);
  Json config = Json::parse(claim.config);
  config["rootfs"]["diff_ids"] = Json::array({real["rootfs"]["diff_ids"][0]});
  Json manifest = Json::parse(claim.manifest);
  claim.config = config.dump();
  manifest["config"] = DescriptorOf(claim.config, manifest["config"]["mediaType"]);
  claim.manifest = manifest.dump();
  Put(strangers, claim);
  ExpectFails(strangers.host() + "/app:v1", Code::kDataLoss, "diff id mismatch", with_secret);

  const auto open = Pull(host_ + "/open:v1");
  ASSERT_TRUE(open.ok()) << open.status().message();
  // The config is the same, and so the image: it has the layers that came last.
  EXPECT_EQ(*open, made.id());
  StoreCounts with_both = with_secret;
  with_both.rows += 2;  // names
  EXPECT_EQ(SettledCounts(with_both), with_both);
  ExpectFiles(*open);
}

TEST_F(EncryptedTest, OnlySomeLayersAndFromAnArchive) {
  StartRegistry();
  const KeyPair key = MakeRsaKey();
  const MadeImage made = ThreeLayers();
  ASSERT_TRUE(Push(made, "some:v1", {"--encryption-key", For("k", key), "--encrypt-layer", "1"}));
  const std::string layout = dir_ / "encrypted";
  ASSERT_TRUE(RunProgram({"skopeo", "copy", "-q", "--encryption-key", For("k", key),
                          "oci:" + MakeLayout(made, "x") + ":x", "oci:" + layout + ":x"}));
  ExpectFails(host_ + "/some:v1", Code::kFailedPrecondition, "layer 2 of 3 (");
  const auto refused = service().Import(layout, "imported:v1", {});
  EXPECT_EQ(refused.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(refused.status().message(), AllOf(HasSubstr(layout), HasSubstr("layer 1 of 3 (")));
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
  PutKey("k.pem", key.private_pem);
  const auto imported = service().Import(layout, "imported:v1", {});
  ASSERT_TRUE(imported.ok()) << imported.status().message();
  ExpectFiles(imported->at(0));
  EXPECT_EQ(Counts().layers, 3u);
  const auto some = Pull(host_ + "/some:v1");
  ASSERT_TRUE(some.ok()) << some.status().message();
  ExpectFiles(*some);
}

class ForgedLayer : public EncryptedTest {
 protected:
  void SetUp() override {
    EncryptedTest::SetUp();
    if (IsSkipped()) return;
    key_ = MakeRsaKey();
    PutKey("k.pem", key_.private_pem);
    archive_ = TarBuilder().Dir("d").File("d/a", std::string(100000, 'a')).Build();
    sealed_ = SealLayer(Gzip(archive_), {{key_.public_pem}});
  }
  // An image with the layer as it now is, under `tag`.
  std::string PutSealed(const std::string& tag) {
    MadeLayer layer = GzipLayer(archive_);
    layer.blob = sealed_.blob;
    layer.media_type += "+encrypted";
    layer.annotations = sealed_.annotations;
    Put(registry_, MakeImage({layer}), tag);
    return registry_.host() + "/app:" + tag;
  }
  FakeRegistry registry_;
  KeyPair key_;
  std::string archive_;
  SealedLayer sealed_;
};

TEST_F(ForgedLayer, ChangedCiphertextHmacAndAnnotations) {
  const SealedLayer good = sealed_;
  for (const size_t at : {size_t{0}, good.blob.size() / 2, good.blob.size() - 1}) {
    sealed_.blob = good.blob;
    sealed_.blob[at] ^= 1;
    ExpectFails(PutSealed(Cat("cipher", at)), Code::kDataLoss, "HMAC mismatch");
  }
  sealed_ = good;
  sealed_.annotations[kPublicAnnotation] = PublicOptions(std::string(32, 'h'));
  ExpectFails(PutSealed("hmac"), Code::kDataLoss, "layer 1 of 1");
  sealed_ = good;
  std::string& jwe = sealed_.annotations[kJweAnnotation];
  jwe[jwe.size() / 2] = jwe[jwe.size() / 2] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(Pull(PutSealed("jwe")).ok());
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
  sealed_ = good;
  sealed_.annotations.erase(kPublicAnnotation);
  ExpectFails(PutSealed("bare"), Code::kInvalidArgument, "enc.pubopts: it is missing");
  sealed_.annotations.clear();
  ExpectFails(PutSealed("none"), Code::kInvalidArgument, "enc.pubopts: it is missing");
  sealed_ = good;
  sealed_.annotations[kJweAnnotation] = std::string(2u << 20, 'A');
  ExpectFails(PutSealed("huge"), Code::kInvalidArgument, "at most 262144 are allowed");
  EXPECT_EQ(registry_.CountRequests("/blobs/" + Sha256(good.blob)), 1u);  // for "hmac" alone
  sealed_ = good;
  const auto id = Pull(PutSealed("good"));
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(FileInImage(*id, "d/a").size(), 100000u);
}

// Who knows a file's header changes it without a key; what is refused then must not be told.
TEST_F(ForgedLayer, ARefusedHeaderIsNotQuoted) {
  sealed_ = SealLayer(archive_, {{key_.public_pem}});
  constexpr size_t kHeader = 512;  // of d/a; d itself is before it
  const std::string known = archive_.substr(kHeader, 512);
  ASSERT_EQ(known.substr(0, 4), std::string("d/a\0", 4));
  std::string wanted = known;
  wanted.replace(124, 12, std::string("\x80\0\0\x01\0\0\0\0\0\0\0\0", 12));  // 2^64 bytes
  wanted.replace(148, 8, std::string(8, ' '));
  unsigned sum = 0;
  for (const char c : wanted) sum += static_cast<unsigned char>(c);
  char octal[8];
  std::snprintf(octal, sizeof(octal), "%06o", sum);
  wanted.replace(148, 7, std::string(octal, 7));
  for (size_t i = 0; i < known.size(); ++i) {
    sealed_.blob[kHeader + i] = static_cast<char>(sealed_.blob[kHeader + i] ^ known[i] ^ wanted[i]);
  }
  MadeLayer layer = PlainLayer(archive_);
  layer.blob = sealed_.blob;
  layer.media_type += "+encrypted";
  layer.annotations = sealed_.annotations;
  Put(registry_, MakeImage({layer}), "forged");
  const auto pulled = Pull(registry_.host() + "/app:forged");
  EXPECT_EQ(pulled.status().code(), Code::kDataLoss);
  EXPECT_THAT(pulled.status().message(), AllOf(HasSubstr("HMAC mismatch"), Not(HasSubstr("d/a"))));
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

// Encrypted for new keys: the image is the same, its layers are not.
TEST_F(ForgedLayer, EncryptedAnewItIsFetchedOnce) {
  const auto first = Pull(PutSealed("v1"));
  ASSERT_TRUE(first.ok()) << first.status().message();
  const StoreCounts before = Counts();
  sealed_ = SealLayer(Gzip(archive_), {{key_.public_pem}});
  const std::string name = PutSealed("v1");
  for (int i = 0; i < 3; ++i) {
    const auto again = Pull(name);
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(*again, *first);
    EXPECT_EQ(registry_.CountRequests("/blobs/" + Sha256(sealed_.blob)), 1u) << i;
  }
  EXPECT_EQ(SettledCounts(before).layers, before.layers);
  EXPECT_EQ(FileInImage(*first, "d/a").size(), 100000u);
}

TEST_F(ForgedLayer, IsNotFetchedFromEveryMirror) {
  FakeRegistry mirror;
  RegistryOptions registry;
  registry.mirrors = {MirrorAt(mirror.host())};
  options_.registries[registry_.host()] = registry;
  OpenService();
  sealed_.annotations[kPublicAnnotation] = PublicOptions(std::string(32, 'h'));
  mirror.AddBlob(sealed_.blob);
  ExpectFails(PutSealed("hmac"), Code::kDataLoss, "HMAC mismatch");
  EXPECT_EQ(mirror.CountRequests("/blobs/" + Sha256(sealed_.blob)), 1u);
  EXPECT_EQ(registry_.CountRequests("/blobs/" + Sha256(sealed_.blob)), 0u);
}

}  // namespace
}  // namespace crisp::image
