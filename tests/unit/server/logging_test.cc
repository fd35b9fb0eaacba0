#include "server/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/core/dir_fd.h"
#include "base/core/file.h"

namespace crisp {
namespace {

using ::testing::MatchesRegex;

std::string Text(std::string_view message, log::Fields fields) {
  return FormatLogText(message, std::span(fields.begin(), fields.size()));
}
std::string Json(std::string_view message, log::Fields fields) {
  return FormatLogJson(message, std::span(fields.begin(), fields.size()));
}

// What a container or a registry writes must not reach a terminal as a command: ESC, DEL, and CSI
// as one character (U+009B, ECMA-48), which some terminals obey.
TEST(LoggingTest, ControlCharactersAreEscaped) {
  EXPECT_EQ(Text("x", {{"a", "\x1b[2J"},
                       {"b", "\x7f"},
                       {"c",
                        "\xc2\x9b"
                        "2J"},
                       {"d", "\xc3\x9b"}}),
            "x a=\"\\u001b[2J\" b=\"\\u007f\" c=\"\\u009b2J\" d=\xc3\x9b");
  EXPECT_EQ(Json("x", {{"c", "\xc2\x85"}}), "\"msg\":\"x\",\"c\":\"\\u0085\"");
}

TEST(LoggingTest, TextQuotesWhatHasSpaces) {
  EXPECT_EQ(Text("done", {}), "done");
  EXPECT_EQ(Text("done", {{"pid", 7}, {"path", "/a b"}, {"empty", ""}, {"eq", "a=b"}}),
            "done pid=7 path=\"/a b\" empty=\"\" eq=\"a=b\"");
  EXPECT_EQ(Text("x", {{"bytes", "\xFF\n"}}), "x bytes=\"\xEF\xBF\xBD\\n\"");
}

TEST(LoggingTest, JsonFields) {
  EXPECT_EQ(Json("a \"b\"", {{"k", "v"}}), R"("msg":"a \"b\"","k":"v")");
}

class LoggingFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = JoinPath(::testing::TempDir(), "crisp-log-XXXXXX");
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    dir_ = path;
  }
  void TearDown() override {
    log::SetSink(nullptr);
    log::SetLevel(log::Level::kInfo);
    EXPECT_TRUE(RemoveTreeAt(dir_).ok());
  }
  std::string dir_;
};

TEST_F(LoggingFileTest, WritesFormatsFiltersAndReopens) {
  Logging logging;
  config::Log options;
  options.target = JoinPath(dir_, "log");
  options.level = log::Level::kInfo;
  ASSERT_TRUE(logging.Apply(options).ok());
  log::Debug("dropped");
  log::Info("text line", {{"k", "v"}});
  const Result<std::string> text = ReadFile(options.target);
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(*text, MatchesRegex("[0-9-]+T[0-9:.]+Z info    text line k=v\n"));

  ASSERT_EQ(::rename(options.target.c_str(), JoinPath(dir_, "old").c_str()), 0);
  options.format = config::LogFormat::kJson;
  options.level = log::Level::kDebug;
  ASSERT_TRUE(logging.Apply(options).ok());
  log::Debug("json line", {{"k", "v"}});
  const Result<std::string> json = ReadFile(options.target);
  ASSERT_TRUE(json.ok());
  EXPECT_THAT(*json, MatchesRegex("\\{\"time\":\"[0-9-]+T[0-9:.]+Z\",\"level\":\"debug\","
                                  "\"msg\":\"json line\",\"k\":\"v\"\\}\n"));
}

TEST_F(LoggingFileTest, FailedApplyKeepsTheOldLog) {
  Logging logging;
  config::Log options;
  options.target = JoinPath(dir_, "log");
  ASSERT_TRUE(logging.Apply(options).ok());
  config::Log broken = options;
  broken.target = JoinPath(dir_, "log/below-a-file");
  EXPECT_FALSE(logging.Apply(broken).ok());
  log::Info("still here");
  EXPECT_THAT(*ReadFile(options.target), ::testing::HasSubstr("still here"));
}

}  // namespace
}  // namespace crisp
