// A real docker-registry, filled by skopeo: by tag and digest, with TLS, with a corrupted blob.
#include "real_registry.h"

#include <filesystem>
#include <thread>

#include "base/core/file.h"

namespace crisp::image {
namespace {

using testing::HasSubstr;

// True when a layer that is being unpacked has begun with the file.
bool HasUnpackedFile(const std::string& store_tmp, const std::string& name) {
  std::error_code gone;  // directories may vanish while they are looked at
  for (const auto& pull : std::filesystem::directory_iterator(store_tmp, gone)) {
    if (std::filesystem::exists(pull.path() / "layer0-0/fs" / name, gone)) return true;
  }
  return false;
}

TEST_F(RealRegistry, ByTagAndByDigest) {
  StartRegistry();
  const MadeImage made = ThreeLayers();
  ASSERT_TRUE(Push(made, "app:v1"));
  const auto by_tag = Pull(host_ + "/app:v1");
  ASSERT_TRUE(by_tag.ok()) << by_tag.status().message();
  EXPECT_EQ(*by_tag, made.id());
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(FileInImage(*by_tag, std::string("d/") + name), name);
  }
  ASSERT_TRUE(service().Remove(*by_tag).ok());
  const auto by_digest = Pull(host_ + "/app@" + made.digest());
  ASSERT_TRUE(by_digest.ok()) << by_digest.status().message();
  EXPECT_EQ(*by_digest, made.id());
  EXPECT_EQ(Pull(host_ + "/app:none").status().code(), Code::kNotFound);
  EXPECT_EQ(Pull(host_ + "/none:v1").status().code(), Code::kNotFound);
  EXPECT_EQ(Pull(host_ + "/app@sha256:" + std::string(64, '0')).status().code(), Code::kNotFound);
}

TEST_F(RealRegistry, CorruptedBlob) {
  StartRegistry();
  const MadeImage made = ThreeLayers();
  ASSERT_TRUE(Push(made, "app:v1"));
  const std::string hex = Sha256(made.layers[1].blob).substr(7);
  const std::string path =
      dir_ / ("registry/docker/registry/v2/blobs/sha256/" + hex.substr(0, 2) + "/" + hex + "/data");
  std::string damaged = made.layers[1].blob;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  ASSERT_TRUE(WriteFile(path, damaged).ok());
  const auto result = Pull(host_ + "/app:v1");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), Code::kDataLoss) << result.status().message();
  EXPECT_THAT(result.status().message(), HasSubstr("layer 2 of 3"));
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
  ASSERT_TRUE(WriteFile(path, made.layers[1].blob).ok());
  EXPECT_TRUE(Pull(host_ + "/app:v1").ok());
}

TEST_F(RealRegistry, TlsWithAnOwnCa) {
  const std::string key = dir_ / "key.pem";
  const std::string cert = dir_ / "cert.pem";
  const std::string stranger = dir_ / "stranger.pem";
  for (const std::string& out : {stranger, cert}) {
    ASSERT_TRUE(RunProgram({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                            "/CN=test registry", "-addext", "subjectAltName=IP:127.0.0.1",
                            "-keyout", key, "-out", out}));
  }
  StartRegistry(", tls: {certificate: " + cert + ", key: " + key + "}");
  const MadeImage made = ThreeLayers();
  ASSERT_TRUE(Push(made, "app:v1"));
  RegistryOptions other_ca;
  other_ca.ca_files = {stranger};
  ASSERT_TRUE(service().Reload({{{host_, other_ca}}, {}, {}}).ok());
  const auto unknown_ca = Pull(host_ + "/app:v1");
  EXPECT_EQ(unknown_ca.status().code(), Code::kUnavailable);
  EXPECT_THAT(unknown_ca.status().message(), HasSubstr("certificate"));
  RegistryOptions own_ca;
  own_ca.ca_files = {cert};
  ASSERT_TRUE(service().Reload({{{host_, own_ca}}, {}, {}}).ok());
  const auto id = Pull(host_ + "/app:v1");
  ASSERT_TRUE(id.ok()) << id.status().message();
  ASSERT_TRUE(service().Remove(*id).ok());
  RegistryOptions skip;
  skip.skip_tls_verify = true;
  ASSERT_TRUE(service().Reload({{{host_, skip}}, {}, {}}).ok());
  EXPECT_TRUE(Pull(host_ + "/app:v1").ok());
}

TEST_F(RealRegistry, ClientCertificatesFromCertsD) {
  const std::string certs = dir_ / "skopeo-certs";
  ASSERT_TRUE(EnsureDirectory(certs).ok());
  const std::string key = certs + "/client.key";
  const std::string cert = certs + "/client.cert";
  ASSERT_TRUE(RunProgram({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                          "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                          "/CN=test registry", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                          key, "-out", cert}));
  ASSERT_TRUE(WriteFile(certs + "/ca.crt", *ReadFile(cert)).ok());
  StartRegistry(", tls: {certificate: " + cert + ", key: " + key + ", clientcas: [" + cert + "]}");
  const MadeImage made = ThreeLayers();
  ASSERT_TRUE(RunProgram({"skopeo", "copy", "-q", "--preserve-digests", "--dest-cert-dir", certs,
                          "oci:" + MakeLayout(made, "x") + ":x", "docker://" + host_ + "/app:v1"}));
  options_.registry_files.certs_dirs = {dir_ / "certs.d"};
  OpenService();
  ASSERT_TRUE(EnsureDirectory(dir_ / "certs.d").ok());
  // Authority alone: the registry wants to see a certificate.
  const std::string mine = dir_ / ("certs.d/" + host_);
  ASSERT_TRUE(EnsureDirectory(mine).ok());
  ASSERT_TRUE(WriteFile(mine + "/ca.crt", *ReadFile(cert)).ok());
  EXPECT_EQ(Pull(host_ + "/app:v1").status().code(), Code::kUnavailable);
  // docker's layout.
  ASSERT_TRUE(WriteFile(mine + "/a.cert", *ReadFile(cert)).ok());
  ASSERT_TRUE(WriteFile(mine + "/a.key", *ReadFile(key), 0600).ok());
  const auto id = Pull(host_ + "/app:v1");
  ASSERT_TRUE(id.ok()) << id.status().message();
  ASSERT_TRUE(service().Remove(*id).ok());
  // containerd's.
  ASSERT_TRUE(WriteFile(mine + "/hosts.toml", "server = \"https://" + host_ +
                                                  "\"\nca = \"ca.crt\"\n"
                                                  "client = [[\"a.cert\", \"a.key\"]]\n")
                  .ok());
  const auto again = Pull(host_ + "/app:v1");
  ASSERT_TRUE(again.ok()) << again.status().message();
  ASSERT_TRUE(service().Remove(*again).ok());
  // crisp's own section.
  RegistryOptions own;
  own.ca_files = {cert};
  own.client_cert_file = cert;
  own.client_key_file = key;
  ASSERT_TRUE(service().Reload({{{host_, own}}, {}, {}}).ok());
  const auto third = Pull(host_ + "/app:v1");
  EXPECT_TRUE(third.ok()) << third.status().message();
}

TEST_F(RealRegistry, RegistryKilledHalfWay) {
  StartRegistry();
  std::string noise(100 << 20, '\0');  // does not compress
  uint64_t state = 1;
  for (char& c : noise) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  const MadeImage made = MakeImage({PlainLayer(TarBuilder().File("big", noise).Build())});
  ASSERT_TRUE(Push(made, "app:v1"));
  std::atomic<bool> ended{false};
  std::thread killer([&] {
    while (!ended && !HasUnpackedFile(dir_ / "store/layers/tmp", "big")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    registry_.KillAndReap();
  });
  const auto result = Pull(host_ + "/app:v1");
  ended = true;
  killer.join();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), Code::kUnavailable) << result.status().message();
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

// Of hosts in capitals the policy says the same to skopeo and to us.
TEST_F(RealRegistry, PolicyOfHostsInCapitals) {
  StartRegistry();
  const std::string port = host_.substr(host_.find(':'));
  const std::string lower = "localhost" + port;
  const std::string upper = "LOCALHOST" + port;
  ASSERT_TRUE(Push(ThreeLayers(), "app:v1"));
  const std::string policy = dir_ / "policy.json";
  ASSERT_TRUE(WriteFile(policy, Cat(R"({"default":[{"type":"reject"}],"transports":{"docker":{")",
                                    upper, R"(":[{"type":"insecureAcceptAnything"}]}}})"))
                  .ok());
  options_.signatures.policy_file = policy;
  RegistryOptions plain;
  plain.plain_http = true;
  options_.registries = {{upper, plain}, {lower, plain}};
  OpenService();
  EXPECT_EQ(Pull(lower + "/app:v1").status().sys_errno(), EKEYREJECTED);
  const auto pulled = Pull(upper + "/app:v1");
  EXPECT_TRUE(pulled.ok()) << pulled.status().message();
  for (const bool accepted : {false, true}) {
    RunOptions run;
    run.argv = {"skopeo",
                "--policy",
                policy,
                "copy",
                "-q",
                "--src-tls-verify=false",
                "docker://" + (accepted ? upper : lower) + "/app:v1",
                "dir:" + (dir_ / (accepted ? "upper" : "lower"))};
    run.deadline = MonoNow() + std::chrono::seconds(50);
    const auto output = ::crisp::Run(run);
    ASSERT_TRUE(output.ok()) << output.status().message();
    EXPECT_EQ(output->status.success(), accepted) << output->stderr_data;
    if (!accepted) {
      EXPECT_THAT(output->stderr_data, HasSubstr("policy"));
    }
  }
}

// Where skopeo puts signatures is where we look for them.
TEST_F(RealRegistry, SignedBySkopeo) {
  for (const char* program : {"gpg", "gpgv"}) {
    if (!HasProgram(program)) GTEST_SKIP() << "needs " << program;
  }
  const std::string home = dir_ / "gpg";
  ASSERT_TRUE(EnsureDirectory(home, 0700).ok());
  ASSERT_TRUE(
      RunProgram({"gpg", "--homedir", home, "--batch", "-q", "--passphrase", "",
                  "--quick-generate-key", "alice@example.com", "ed25519", "sign", "never"}));
  ASSERT_TRUE(RunProgram(
      {"gpg", "--homedir", home, "--batch", "-q", "--output", dir_ / "alice.gpg", "--export"}));
  ASSERT_TRUE(EnsureDirectory(dir_ / "registries.d").ok());
  ASSERT_TRUE(WriteFile(dir_ / "registries.d/a.yaml",
                        "default-docker:\n  sigstore-staging: file://" + (dir_ / "sigs") + "\n")
                  .ok());
  options_.signatures.policy_file = dir_ / "policy.json";
  options_.signatures.read_lookaside = [this] {
    return std::map<std::string, Lookaside>{{"", {"file://" + (dir_ / "sigs"), true}}};
  };
  OpenService();
  StartRegistry();
  ASSERT_TRUE(WriteFile(dir_ / "policy.json",
                        R"({"default":[{"type":"signedBy","keyType":"GPGKeys","keyPath":")" +
                            (dir_ / "alice.gpg") + "\"}]}")
                  .ok());
  const MadeImage made = ThreeLayers();
  ASSERT_TRUE(Push(made, "team/app:plain"));
  EXPECT_EQ(Pull(host_ + "/team/app:plain").status().sys_errno(), EKEYREJECTED);
  const bool copied = RunProgram(
      {"env", "GNUPGHOME=" + home, "skopeo", "--registries.d", dir_ / "registries.d", "copy", "-q",
       "--preserve-digests", "--dest-tls-verify=false", "--sign-by", "alice@example.com",
       "oci:" + MakeLayout(made, "x") + ":x", "docker://" + host_ + "/team/app:signed"});
  (void)RunProgram({"gpgconf", "--homedir", home, "--kill", "all"});
  ASSERT_TRUE(copied);
  const auto pulled = Pull(host_ + "/team/app:signed");
  ASSERT_TRUE(pulled.ok()) << pulled.status().message();
  EXPECT_EQ(*pulled, made.id());
  // The signature is for the other tag.
  EXPECT_EQ(Pull(host_ + "/team/app:plain").status().sys_errno(), EKEYREJECTED);
}

}  // namespace
}  // namespace crisp::image
