#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/cli/args.h"

namespace crisp::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<Flag> kFlags = {
    {"--json", "", "", false}, {"--socket", "PATH", "", false}, {"--env", "N=V", "", true}};

TEST(ArgsTest, FlagsAndWordsMix) {
  const auto parsed = ParseArguments(
      {"a", "--socket", "/s", "--env=X=1", "b", "--json", "--env", "Y=2"}, kFlags, false);
  ASSERT_TRUE(parsed.ok());
  EXPECT_THAT(parsed->words, ElementsAre("a", "b"));
  EXPECT_EQ(parsed->Get("--socket"), "/s");
  EXPECT_TRUE(parsed->Has("--json"));
  EXPECT_THAT(parsed->GetAll("--env"), ElementsAre("X=1", "Y=2"));
  EXPECT_EQ(parsed->Get("--none", "else"), "else");
}

TEST(ArgsTest, TheFirstWordEndsTheFlagsOfRun) {
  const auto parsed =
      ParseArguments({"--json", "image", "ls", "--socket", "-l", "--"}, kFlags, true);
  ASSERT_TRUE(parsed.ok());
  EXPECT_THAT(parsed->words, ElementsAre("image", "ls", "--socket", "-l", "--"));
  EXPECT_FALSE(parsed->Has("--socket"));
  EXPECT_THAT(ParseArguments({"image", "--", "ls", "--", "x"}, kFlags, true)->words,
              ElementsAre("image", "ls", "--", "x"));
}

TEST(ArgsTest, DoubleDashEndsFlags) {
  const auto parsed = ParseArguments({"--", "--json"}, kFlags, false);
  ASSERT_TRUE(parsed.ok());
  EXPECT_THAT(parsed->words, ElementsAre("--json"));
  EXPECT_THAT(ParseArguments({"-"}, kFlags, false)->words, ElementsAre("-"));
}

TEST(ArgsTest, MistakesAreNamed) {
  const auto error = [](const std::vector<std::string>& arguments) {
    return ParseArguments(arguments, kFlags, false).status().message();
  };
  EXPECT_THAT(error({"--jsn"}), HasSubstr("unknown flag '--jsn'; allowed: --json, --socket"));
  EXPECT_THAT(error({"--socket"}), HasSubstr("--socket wants a value: --socket PATH"));
  EXPECT_THAT(error({"--json=1"}), HasSubstr("takes no value"));
  EXPECT_THAT(error({"--json", "--json"}), HasSubstr("given twice"));
}

TEST(ArgsTest, Assignments) {
  EXPECT_EQ(ParseAssignment("A=b=c")->second, "b=c");
  EXPECT_EQ(ParseAssignment("A=")->second, "");
  EXPECT_FALSE(ParseAssignment("A").ok());
  EXPECT_FALSE(ParseAssignment("=x").ok());
}

}  // namespace
}  // namespace crisp::cli
