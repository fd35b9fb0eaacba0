#include "conmon/options.h"

#include <gtest/gtest.h>

namespace crisp::conmon {
namespace {

const std::vector<std::string> kMinimal = {"--id", "c1", "--bundle", "/b", "--state-dir", "/s"};

std::vector<std::string> With(std::vector<std::string> more) {
  std::vector<std::string> all = kMinimal;
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(OptionsTest, Minimal) {
  const Result<Options> options = ParseOptions(With({"--", "runc", "--root", "/r"}));
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(options->id, "c1");
  EXPECT_EQ(options->bundle, "/b");
  EXPECT_EQ(options->state_dir, "/s");
  EXPECT_EQ(options->log_line_limit_bytes, 16384);
  EXPECT_EQ(options->control_fd, 3);
  EXPECT_FALSE(options->terminal);
  EXPECT_EQ(options->runtime_argv, (std::vector<std::string>{"runc", "--root", "/r"}));
}

TEST(OptionsTest, All) {
  const Result<Options> options = ParseOptions(With(
      {"--log-path", "/l/0.log", "--log-line-limit", "1000", "--oom-watch", "/cg", "--terminal",
       "--stdin", "--stdin-once", "--control-fd", "9", "--", "crun", "--stdin"}));
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(options->log_path, "/l/0.log");
  EXPECT_EQ(options->log_line_limit_bytes, 1000);
  EXPECT_EQ(options->oom_watch, "/cg");
  EXPECT_TRUE(options->terminal);
  EXPECT_TRUE(options->stdin_open);
  EXPECT_TRUE(options->stdin_once);
  EXPECT_EQ(options->control_fd, 9);
  EXPECT_EQ(options->runtime_argv.size(), 2u) << "what follows -- is the runtime's";
}

TEST(OptionsTest, StdioOwner) {
  EXPECT_EQ(ParseOptions(With({"--", "r"}))->stdio_uid, -1);
  const Result<Options> options =
      ParseOptions(With({"--stdio-owner", "300000:4294967294", "--", "r"}));
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(options->stdio_uid, 300000);
  EXPECT_EQ(options->stdio_gid, 4294967294);
  for (const char* bad : {"", "5", "5:", ":5", "5:4294967295", "-1:5", "a:b", "1:2:3"}) {
    EXPECT_EQ(ParseOptions(With({"--stdio-owner", bad, "--", "r"})).status().code(),
              Code::kInvalidArgument)
        << bad;
  }
}

TEST(OptionsTest, Actions) {
  EXPECT_EQ(ParseOptions({"--help"})->action, Options::Action::kHelp);
  EXPECT_EQ(ParseOptions({"--version"})->action, Options::Action::kVersion);
  const Result<Options> check = ParseOptions({"--resume-check", "7"});
  ASSERT_TRUE(check.ok());
  EXPECT_EQ(check->action, Options::Action::kResumeCheck);
  EXPECT_EQ(check->resume_version, 7);
  EXPECT_TRUE(ParseOptions({"--resume-fd", "5"}).ok());
}

TEST(OptionsTest, ErrorsNameTheOption) {
  const auto message = [](const std::vector<std::string>& arguments) {
    const Result<Options> options = ParseOptions(arguments);
    EXPECT_EQ(options.status().code(), Code::kInvalidArgument);
    return options.status().message();
  };
  EXPECT_NE(message({}).find("--id"), std::string::npos);
  EXPECT_NE(message({"--nonsense"}).find("'--nonsense'"), std::string::npos);
  EXPECT_NE(message({"--id"}).find("--id needs a value"), std::string::npos);
  EXPECT_NE(message(With({})).find("runtime"), std::string::npos);
  EXPECT_NE(message(With({"--bundle", "rel", "--", "r"})).find("absolute"), std::string::npos);
  EXPECT_NE(message(With({"--log-line-limit", "10", "--", "r"})).find("from 64 to 1048576"),
            std::string::npos);
  EXPECT_NE(message(With({"--log-line-limit", "9x", "--", "r"})).find("'9x'"), std::string::npos);
  EXPECT_NE(message(With({"--control-fd", "-1", "--", "r"})).find("--control-fd"),
            std::string::npos);
}

}  // namespace
}  // namespace crisp::conmon
