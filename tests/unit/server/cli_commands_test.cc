#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/cli/commands.h"

namespace crisp::cli {
namespace {

using ::testing::HasSubstr;

TEST(CommandsTest, AreFoundByTheirWords) {
  size_t words = 0;
  ASSERT_NE(FindCommand({"image", "ls", "--json"}, &words), nullptr);
  EXPECT_EQ(words, 2u);
  EXPECT_EQ(FindCommand({"run", "x"}, &words)->name, "run");
  EXPECT_EQ(words, 1u);
  EXPECT_EQ(FindCommand({"image"}, &words), nullptr);
  EXPECT_EQ(FindCommand({"nonsense"}, &words), nullptr);
}

TEST(CommandsTest, UsageNamesEveryCommandAndFlag) {
  for (const Command& command : Commands()) {
    EXPECT_THAT(Usage(), HasSubstr(command.name));
    for (const Flag& flag : command.flags) {
      EXPECT_THAT(Usage(command), HasSubstr(flag.name)) << command.name;
      EXPECT_FALSE(flag.help.empty()) << command.name << ' ' << flag.name;
    }
  }
}

TEST(CommandsTest, MistakesAreUsageErrors) {
  EXPECT_EQ(RunCommandLine({}), kUsageExit);
  EXPECT_EQ(RunCommandLine({"nonsense"}), kUsageExit);
  EXPECT_EQ(RunCommandLine({"run"}), kUsageExit);
  EXPECT_EQ(RunCommandLine({"image", "import"}), kUsageExit);
  EXPECT_EQ(RunCommandLine({"status", "extra"}), kUsageExit);
  EXPECT_EQ(RunCommandLine({"status", "--unknown"}), kUsageExit);
}

TEST(CommandsTest, NobodyThereIsAFailure) {
  EXPECT_EQ(RunCommandLine({"status", "--socket", "/nonexistent/crisp.sock"}), kFailureExit);
  EXPECT_EQ(RunCommandLine({"config", "show", "--config", "/nonexistent"}), kFailureExit);
  EXPECT_EQ(RunCommandLine({"run", "--env", "novalue", "image"}), kFailureExit);
}

TEST(CommandsTest, HelpIsNoMistake) {
  EXPECT_EQ(RunCommandLine({"--help"}), 0);
  EXPECT_EQ(RunCommandLine({"run", "--help"}), 0);
  EXPECT_EQ(RunCommandLine({"config", "default"}), 0);
}

}  // namespace
}  // namespace crisp::cli
