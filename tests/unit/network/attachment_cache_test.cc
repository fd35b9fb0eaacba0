#include "network/attachment_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_dir.h"

namespace crisp::network {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

CachedAttachment Example() {
  CachedAttachment out;
  out.netns_path = "/run/ns/x";
  out.cni_args = "A=1;B=2";
  out.capability_arguments = R"({"portMappings":[]})";
  out.config =
      ParseNetworkConfig(R"({"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "x"}]})",
                         ConfigForm::kList)
          .value();
  return out;
}

TEST(AttachmentCacheTest, RoundTrip) {
  TestDir dir;
  const auto cache = AttachmentCache::Open(dir.path() + "/cache").value();
  const SandboxId id = SandboxId::MakeRandom();
  EXPECT_EQ(cache.Read(id).status().code(), Code::kNotFound);
  EXPECT_FALSE(cache.Has(id));
  CachedAttachment attachment = Example();
  ASSERT_TRUE(cache.Write(id, attachment).ok());
  auto read = cache.Read(id).value();
  EXPECT_EQ(read.netns_path, attachment.netns_path);
  EXPECT_EQ(read.cni_args, attachment.cni_args);
  EXPECT_EQ(read.capability_arguments, attachment.capability_arguments);
  EXPECT_EQ(read.config.json, attachment.config.json);
  EXPECT_EQ(read.result, "");
  attachment.result = R"({"ips":[]})";
  ASSERT_TRUE(cache.Write(id, attachment).ok());
  EXPECT_EQ(cache.Read(id).value().result, attachment.result);
  EXPECT_THAT(cache.List().value(), UnorderedElementsAre(id));
  ASSERT_TRUE(cache.Remove(id).ok());
  ASSERT_TRUE(cache.Remove(id).ok());
  EXPECT_TRUE(cache.List().value().empty());
}

TEST(AttachmentCacheTest, ForeignFilesAreNotListedAndLeftoversAreSwept) {
  TestDir dir;
  const SandboxId id = SandboxId::MakeRandom();
  ASSERT_TRUE(EnsureDirectory(dir.path() + "/cache").ok());
  dir.Write("cache/README.json", "{}");
  dir.Write("cache/" + id.str() + ".json.tmp.12.34", "{");
  const auto cache = AttachmentCache::Open(dir.path() + "/cache").value();
  EXPECT_TRUE(cache.List().value().empty());
  EXPECT_FALSE(PathExists(dir.path() + "/cache/" + id.str() + ".json.tmp.12.34"));
  EXPECT_TRUE(PathExists(dir.path() + "/cache/README.json"));
}

TEST(AttachmentCacheTest, DamageIsDataLoss) {
  TestDir dir;
  const auto cache = AttachmentCache::Open(dir.path() + "/cache").value();
  const SandboxId id = SandboxId::MakeRandom();
  const std::pair<const char*, const char*> cases[] = {
      {"", "is empty"},
      {"{\"crispCniCache\": 1", "is not JSON"},
      {"{}", "format version is missing"},
      {R"({"crispCniCache": 2})", "format version 2: this crisp knows 1"},
      {R"({"crispCniCache": 1, "netns": 4})", "\"netns\" is missing"},
      {R"({"crispCniCache": 1, "netns": "", "cniArgs": "", "capabilities": {}, "config": {}})",
       "\"name\" is missing"}};
  for (const auto& [text, message] : cases) {
    dir.Write("cache/" + id.str() + ".json", text);
    const auto read = cache.Read(id);
    EXPECT_EQ(read.status().code(), Code::kDataLoss) << text;
    EXPECT_THAT(read.status().message(), HasSubstr(message));
    EXPECT_THAT(read.status().message(), HasSubstr(id.str()));
  }
}

}  // namespace
}  // namespace crisp::network
