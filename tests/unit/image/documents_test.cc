// Digests, JSON limits, platforms, manifests and configs.
#include <gtest/gtest.h>

#include "image/digest.h"
#include "image/image_config.h"
#include "image/json_text.h"
#include "image/manifest.h"
#include "image/platform.h"

namespace crisp::image {
namespace {

const std::string kDigest = "sha256:" + std::string(64, '1');
constexpr char kOci[] = "application/vnd.oci.image.manifest.v1+json";
constexpr char kIndex[] = "application/vnd.oci.image.index.v1+json";

Json DescriptorJson(const std::string& digest = kDigest, int64_t size = 7) {
  return {{"mediaType", "application/vnd.oci.image.config.v1+json"},
          {"digest", digest},
          {"size", size}};
}
Json ManifestJson() {
  return {{"schemaVersion", 2},
          {"mediaType", kOci},
          {"config", DescriptorJson()},
          {"layers", Json::array({DescriptorJson()})}};
}

TEST(Digest, ParsesTheTwoRegisteredAlgorithms) {
  EXPECT_TRUE(Digest::Parse(kDigest).ok());
  EXPECT_TRUE(Digest::Parse("sha512:" + std::string(128, 'f')).ok());
  for (const char* bad : {"", "sha256", "sha256:", "sha256:zz", "SHA256:11", "md5:11"}) {
    EXPECT_EQ(Digest::Parse(bad).status().code(), Code::kInvalidArgument) << bad;
  }
}

TEST(ParseJson, LimitsSizeAndDepth) {
  EXPECT_TRUE(ParseJson(std::string(64, '[') + std::string(64, ']'), "x").ok());
  EXPECT_FALSE(ParseJson(std::string(65, '[') + std::string(65, ']'), "x").ok());
  EXPECT_FALSE(ParseJson(std::string(1'000'000, '['), "x").ok());
  EXPECT_TRUE(ParseJson("\"" + std::string(100, '[') + "\"", "x").ok());
  EXPECT_FALSE(ParseJson("{\"a\": 1", "x").ok());
  EXPECT_FALSE(ParseJson("12345", "x", 4).ok());
  EXPECT_NE(ParseJson(" <html>", "manifest").status().message().find("HTML"), std::string::npos);
}

TEST(Members, TellWrongTypes) {
  const Json json = {{"s", 1}, {"i", "x"}, {"a", Json::array({1})}, {"big", UINT64_MAX}};
  EXPECT_FALSE(StringMember(json, "s").ok());
  EXPECT_FALSE(IntMember(json, "i").ok());
  EXPECT_FALSE(IntMember(json, "big").ok());
  EXPECT_FALSE(StringsMember(json, "a").ok());
  EXPECT_EQ(*StringMember(json, "absent"), "");
  EXPECT_EQ(*StringMember(Json::array(), "x"), "");
}

TEST(ParseManifest, TakesOciAndDocker) {
  auto oci = ParseManifest(ManifestJson().dump(), "");
  ASSERT_TRUE(oci.ok()) << oci.status().message();
  EXPECT_FALSE(oci->is_index);
  EXPECT_EQ(oci->manifest.layers.size(), 1u);
  Json docker = ManifestJson();
  docker["mediaType"] = "application/vnd.docker.distribution.manifest.v2+json";
  docker["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json";
  EXPECT_TRUE(ParseManifest(docker.dump(), "").ok());
  Json untyped = ManifestJson();
  untyped.erase("mediaType");
  EXPECT_TRUE(ParseManifest(untyped.dump(), std::string(kOci) + "; charset=utf-8").ok());
}

TEST(ParseManifest, TakesIndexes) {
  Json entry = DescriptorJson();
  entry["mediaType"] = kOci;
  entry["platform"] = {{"os", "linux"}, {"architecture", "arm64"}, {"variant", "v8"}};
  const Json index = {{"schemaVersion", 2}, {"manifests", Json::array({entry})}};
  const auto parsed = ParseManifest(index.dump(), kIndex);
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  ASSERT_TRUE(parsed->is_index);
  EXPECT_EQ(parsed->entries[0].platform.ToString(), "linux/arm64/v8");
}

TEST(ParseManifest, Refuses) {
  const auto refused = [](Json json, const std::string& says) {
    const auto parsed = ParseManifest(json.dump(), "");
    ASSERT_FALSE(parsed.ok()) << says;
    EXPECT_EQ(parsed.status().code(), Code::kInvalidArgument);
    EXPECT_NE(parsed.status().message().find(says), std::string::npos) << parsed.status().message();
  };
  Json json = ManifestJson();
  json["schemaVersion"] = 1;
  refused(json, "schema 1");
  json = ManifestJson();
  json.erase("config");
  refused(json, "config");
  json = ManifestJson();
  json["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json";
  json["mediaType"] = "application/vnd.docker.distribution.manifest.v2+json";
  refused(json, "not a container image");
  json = ManifestJson();
  json["layers"][0]["size"] = -1;
  refused(json, "negative");
  json = ManifestJson();
  json["layers"][0]["digest"] = "sha256:../../etc";
  refused(json, "hexadecimal");
  json = ManifestJson();
  json["layers"] = "none";
  refused(json, "array");
  json = ManifestJson();
  json["manifests"] = Json::array();
  refused(json, "both");  // CVE-2021-41190
  json = ManifestJson();
  for (size_t i = 0; i < 10000; ++i) json["layers"].push_back(DescriptorJson());
  refused(json, "at most 500");
  refused(Json::array(), "object");
}

TEST(ChooseManifest, TakesTheBestPlatform) {
  const auto entry = [](const std::string& arch, const std::string& variant, char digit) {
    Descriptor out;
    out.media_type = kOci;
    out.digest = *Digest::Parse("sha256:" + std::string(64, digit));
    out.platform = {"linux", arch, variant};
    return out;
  };
  const std::vector<Descriptor> entries = {entry("unknown", "", '0'), entry("arm", "v6", '1'),
                                           entry("arm", "v7", '2'),   entry("amd64", "v3", '3'),
                                           entry("amd64", "", '4'),   entry("arm64", "v8", '5')};
  const auto chosen = [&](const Platform& wanted) {
    return ChooseManifest(entries, wanted)->digest.hex()[0];
  };
  EXPECT_EQ(chosen({"linux", "arm", "v7"}), '2');
  EXPECT_EQ(chosen({"linux", "arm", "v6"}), '1');
  EXPECT_EQ(chosen({"linux", "amd64", ""}), '4');
  EXPECT_EQ(chosen({"linux", "arm64", ""}), '5');
  const auto none = ChooseManifest(entries, {"linux", "s390x", ""});
  EXPECT_EQ(none.status().code(), Code::kNotFound);
  EXPECT_NE(none.status().message().find("linux/arm/v7"), std::string::npos);
}

TEST(HostPlatform, KnowsOtherNames) {
  EXPECT_EQ(HostPlatform("linux", "x86_64").architecture, "amd64");
  EXPECT_EQ(HostPlatform("linux", "aarch64").architecture, "arm64");
  EXPECT_EQ(HostPlatform().os, "linux");
}

TEST(ParseConfig, TakesWhatContainersNeed) {
  const Json json = {{"os", "linux"},
                     {"architecture", "amd64"},
                     {"config",
                      {{"User", "1003:group"},
                       {"Env", {"A=b"}},
                       {"Cmd", {"sh"}},
                       {"Entrypoint", nullptr},
                       {"WorkingDir", "/w"},
                       {"StopSignal", "SIGINT"},
                       {"Labels", {{"k", "v"}}},
                       {"Volumes", {{"/data", Json::object()}}}}},
                     {"rootfs", {{"type", "layers"}, {"diff_ids", {kDigest}}}}};
  const auto parsed = ParseConfig(json.dump());
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->config.user, "1003:group");
  EXPECT_EQ(parsed->config.volumes, std::vector<std::string>{"/data"});
  EXPECT_TRUE(parsed->config.entrypoint.empty());
  EXPECT_EQ(parsed->diff_ids.size(), 1u);
  const auto again = ConfigFromJson(ConfigToJson(parsed->config));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->stop_signal, "SIGINT");
  EXPECT_EQ(again->labels.at("k"), "v");
}

TEST(ParseConfig, Refuses) {
  EXPECT_FALSE(ParseConfig("{}").ok());
  EXPECT_FALSE(ParseConfig(R"({"rootfs":{"diff_ids":["x"]}})").ok());
  EXPECT_FALSE(ParseConfig(R"({"config":{"Env":"x"},"rootfs":{"diff_ids":[]}})").ok());
  const std::string sha512 = "sha512:" + std::string(128, 'a');
  EXPECT_FALSE(ParseConfig(R"({"rootfs":{"diff_ids":[")" + sha512 + R"("]}})").ok());
}

}  // namespace
}  // namespace crisp::image
