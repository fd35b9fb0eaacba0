#include "server/rpc/image_message.h"

#include <gtest/gtest.h>

#include "server/config/yaml_reader.h"

namespace crisp::rpc {
namespace {

image::Image MakeImage(const std::string& user) {
  image::Image image;
  image.id = "sha256:" + std::string(64, 'a');
  image.repo_tags = {"a/b:1", "a/b:2"};
  image.repo_digests = {"a/b@sha256:" + std::string(64, 'b')};
  image.size_bytes = 4711;
  image.pinned = true;
  image.config.user = user;
  return image;
}

::runtime::v1::Image Message(const std::string& user) {
  ::runtime::v1::Image message;
  FillImage(MakeImage(user), &message);
  return message;
}

TEST(ImageMessageTest, FieldsAreCopied) {
  const auto message = Message("");
  EXPECT_EQ(message.id(), "sha256:" + std::string(64, 'a'));
  EXPECT_EQ(message.repo_tags_size(), 2);
  EXPECT_EQ(message.repo_digests_size(), 1);
  EXPECT_EQ(message.size(), 4711u);
  EXPECT_EQ(message.spec().image(), message.id());
  EXPECT_TRUE(message.pinned());
}

TEST(ImageMessageTest, UserIsUidOrName) {
  EXPECT_FALSE(Message("").has_uid());
  EXPECT_EQ(Message("").username(), "");
  EXPECT_EQ(Message("1000").uid().value(), 1000);
  EXPECT_EQ(Message("1000:50").uid().value(), 1000);
  EXPECT_EQ(Message("1000:50").username(), "");
  EXPECT_TRUE(Message("0").has_uid());
  EXPECT_EQ(Message("www:50").username(), "www");
  EXPECT_FALSE(Message("www").has_uid());
  EXPECT_EQ(Message("-1").username(), "-1");
  EXPECT_EQ(Message("-0").username(), "-0") << "no number to who resolves it";
  EXPECT_EQ(Message("99999999999999999999").username(), "99999999999999999999");
}

TEST(ImageMessageTest, InfoIsOneJsonObject) {
  image::Image image = MakeImage("root");
  image.config.env = {"PATH=/bin", "BAD=\xFF\""};
  image.chain_id = "sha256:c";
  const std::string json = ImageInfoJson(image);
  EXPECT_TRUE(json.starts_with("{\"chainID\":\"sha256:c\",\"imageSpec\":{"));
  EXPECT_TRUE(config::ReadYaml(json, "json").ok()) << json;  // JSON is YAML
}

}  // namespace
}  // namespace crisp::rpc
