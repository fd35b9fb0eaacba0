#include "server/config/yaml_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/config/device_codec.h"

namespace crisp::config {
namespace {

using ::testing::HasSubstr;

TEST(YamlToJsonTest, PlainScalarsGetTheirTypes) {
  const auto json = YamlToJson(
      "a: 1\nb: 0660\nc: 0x1F\nd: -0o17\ne: 1.5e3\nf: true\ng: ~\nh:\ni: 0.6.0\nj: '1'\n"
      "k: \"true\"\nl: !!str 5\nm: [no, 08, -0, +7]\nn: {o: x y}\n",
      "f.yaml");
  ASSERT_TRUE(json.ok()) << json.status().ToString();
  EXPECT_EQ(*json,
            R"({"a":1,"b":432,"c":31,"d":-15,"e":1.5e3,"f":true,"g":null,"h":null,"i":"0.6.0",)"
            R"("j":"1","k":"true","l":"5","m":["no","08",0,7],"n":{"o":"x y"}})");
}

TEST(YamlToJsonTest, MistakesNameFileAndLine) {
  const auto json = YamlToJson("a: 1\nb: [\n", "dir/f.yaml");
  EXPECT_EQ(json.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(json.status().message(), HasSubstr("dir/f.yaml:"));
}

TEST(DeviceCodecTest, Forms) {
  const auto parts = FindDeviceParts("/dev/fuse:/dev/x:rw");
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->host_path, "/dev/fuse");
  EXPECT_EQ(parts->container_path, "/dev/x");
  EXPECT_EQ(parts->permissions, "rw");
  EXPECT_EQ(FindDeviceParts("/dev/fuse")->permissions, "rwm");
  EXPECT_EQ(FindDeviceParts("/dev/fuse:r")->container_path, "/dev/fuse");
  EXPECT_EQ(FindDeviceParts("/dev/fuse:r")->permissions, "r");
  for (const char* bad :
       {"", "dev", "/dev/a:b", "/dev/a:/b:x", "/dev/a:/b:r:w", "/dev/a:", ":/b"}) {
    EXPECT_FALSE(FindDeviceParts(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace crisp::config
