#include "network/config_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "test_dir.h"

namespace crisp::network {
namespace {

using testing::HasSubstr;

constexpr const char* kGood =
    R"({"cniVersion": "1.0.0", "name": "good", "plugins": [{"type": "x"}]})";

TEST(ConfigDirTest, MissingAndEmpty) {
  TestDir dir;
  const auto missing = LoadConfigDir(dir.path() + "/nowhere");
  EXPECT_FALSE(missing.readiness.ready);
  EXPECT_EQ(missing.readiness.reason, "NetworkPluginNotReady");
  EXPECT_THAT(missing.readiness.message, HasSubstr(dir.path() + "/nowhere: No such file"));
  const auto empty = LoadConfigDir(dir.net_d());
  EXPECT_EQ(empty.readiness.message,
            "no CNI configuration: " + dir.net_d() + " has no *.conflist, *.conf or *.json");
}

TEST(ConfigDirTest, TheFirstValidFileWins) {
  TestDir dir;
  dir.Write("net.d/10-bad.conflist", "{");
  dir.Write("net.d/20-list.conf", kGood);  // a list under a single plugin's name
  dir.Write("net.d/25-dir.conf.d", "");
  dir.Write("net.d/30-single.json", R"({"cniVersion": "0.4.0", "name": "single", "type": "x"})");
  dir.Write("net.d/40-good.conflist", kGood);
  const auto snapshot = LoadConfigDir(dir.net_d());
  ASSERT_TRUE(snapshot.readiness.ready) << snapshot.readiness.message;
  EXPECT_EQ(snapshot.readiness.message, "");
  EXPECT_EQ(snapshot.readiness.reason, "");
  EXPECT_EQ(snapshot.readiness.config_file, dir.net_d() + "/30-single.json");
  EXPECT_EQ(snapshot.config->name, "single");
  EXPECT_THAT(snapshot.readiness.config_json, HasSubstr("\"plugins\""));
  EXPECT_THAT(snapshot.skipped, HasSubstr("10-bad.conflist: "));
  EXPECT_THAT(snapshot.skipped, HasSubstr("20-list.conf: is a list of plugins"));
}

TEST(ConfigDirTest, APipeIsNotWaitedFor) {
  TestDir dir;
  ASSERT_EQ(::mkfifo((dir.net_d() + "/10-pipe.conflist").c_str(), 0600), 0);
  EXPECT_THAT(LoadConfigDir(dir.net_d()).readiness.message,
              HasSubstr("10-pipe.conflist: not a regular file"));
  dir.Write("net.d/20-good.conflist", kGood);
  EXPECT_TRUE(LoadConfigDir(dir.net_d()).readiness.ready);
}

TEST(ConfigDirTest, InvalidFilesAreInTheMessage) {
  TestDir dir;
  dir.Write("net.d/10-bad.conflist", "{");
  dir.Write("net.d/20-old.conf", R"({"cniVersion": "0.1.0", "name": "n", "type": "x"})");
  const auto snapshot = LoadConfigDir(dir.net_d());
  EXPECT_FALSE(snapshot.readiness.ready);
  EXPECT_THAT(snapshot.readiness.message,
              HasSubstr("no valid CNI configuration in " + dir.net_d() +
                        ": 10-bad.conflist: is not "
                        "JSON: error in line 1, column 2; 20-old.conf: cniVersion 0.1.0"));
  EXPECT_FALSE(snapshot.config.has_value());
}

}  // namespace
}  // namespace crisp::network
