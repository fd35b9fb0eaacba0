#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/core/file.h"
#include "server/cli/commands.h"
#include "server/cli/image_commands.h"
#include "server/cli/output.h"

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

TEST(FindSocketTest, FollowsTheFlagsTheEnvironmentAndTheConfiguration) {
  const char* const before = std::getenv("CRISP_SOCKET");
  const std::string kept = before != nullptr ? before : "";
  ::unsetenv("CRISP_SOCKET");
  const std::string file = Cat(::testing::TempDir(), "crisp-find-socket-", ::getpid(), ".yaml");
  const auto find = [&file](const std::string& text) {
    EXPECT_TRUE(WriteFile(file, text).ok());
    return FindSocket({{{"--config", {file}}}, {}});
  };
  // As for a user in whose PATH no runtime is.
  EXPECT_EQ(*find("state: /run/other\nruntimes: {r: {path: no-such-program}}\n"),
            "/run/other/crisp.sock");
  EXPECT_EQ(find("no_such_key: 1\n").status().code(), Code::kInvalidArgument) << "no guess";
  EXPECT_EQ(*FindSocket({{{"--config", {file}}, {"--socket", {"/flag"}}}, {}}), "/flag");
  ::setenv("CRISP_SOCKET", "/environment", 1);
  EXPECT_EQ(*FindSocket({{{"--config", {file}}}, {}}), "/environment");
  ::unsetenv("CRISP_SOCKET");
  if (!kept.empty()) ::setenv("CRISP_SOCKET", kept.c_str(), 1);
  ::unlink(file.c_str());
}

TEST(ProgressLineTest, FitsIntoItsColumns) {
  ::crisp::admin::v1::Pull pull;
  EXPECT_THAT(ProgressLine(pull, 80), HasSubstr("manifest"));
  pull.set_layers_total(9);
  pull.set_layers_ready(3);
  pull.set_bytes_total(300 << 20);
  pull.set_bytes_received(100 << 20);
  const std::string line = ProgressLine(pull, 80);
  EXPECT_THAT(line, HasSubstr("3/9 layers  [=============>"));
  EXPECT_THAT(line, HasSubstr("100.0 MiB of 300.0 MiB"));
  for (const size_t columns : {1u, 20u, 30u, 40u, 60u, 200u}) {
    for (const int64_t bytes : {int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{1} << 50}) {
      pull.set_bytes_received(bytes);
      EXPECT_LE(ProgressLine(pull, columns).size(), columns);
    }
  }
  pull.set_bytes_total(0);  // everything was there
  EXPECT_THAT(ProgressLine(pull, 80), HasSubstr("0 B of 0 B"));
}

TEST(CommandsTest, HelpIsNoMistake) {
  EXPECT_EQ(RunCommandLine({"--help"}), 0);
  EXPECT_EQ(RunCommandLine({"run", "--help"}), 0);
  EXPECT_EQ(RunCommandLine({"config", "default"}), 0);
}

}  // namespace
}  // namespace crisp::cli
