#include "conmon/runtime_log.h"

#include <gtest/gtest.h>

namespace crisp::conmon {
namespace {

TEST(RuntimeLogTest, RuncsErrorIsFound) {
  EXPECT_EQ(LastErrorMessage(
                R"({"level":"warning","msg":"lstat /x","time":"2026-11-24T10:00:00Z"}
{"level":"error","msg":"runc create failed: exec: \"nosuch\": executable file not found in $PATH","time":"2026-11-24T10:00:00Z"}
)"),
            "runc create failed: exec: \"nosuch\": executable file not found in $PATH");
}

TEST(RuntimeLogTest, CrunsOrderAndSpacesDoNotMatter) {
  EXPECT_EQ(
      LastErrorMessage(
          R"({"msg": "executable file `x` not found: No such file or directory", "level": "error", "time": "t"})"),
      "executable file `x` not found: No such file or directory");
}

TEST(RuntimeLogTest, AnErrorWinsOverLaterWarnings) {
  EXPECT_EQ(LastErrorMessage("{\"level\":\"error\",\"msg\":\"first\"}\n"
                             "{\"level\":\"warning\",\"msg\":\"later\"}\n"),
            "first");
  EXPECT_EQ(LastErrorMessage("{\"level\":\"warning\",\"msg\":\"only\"}\n"), "only");
}

TEST(RuntimeLogTest, EscapesAreResolvedAndControlCharactersCleaned) {
  EXPECT_EQ(LastErrorMessage(R"({"msg":"a\tb\\c\/d \u00e9 \u20ac \ud83d\n"})"),
            "a b\\c/d \u00e9 \u20ac ?");
  EXPECT_EQ(LastErrorMessage("{\"msg\":\"bell\x07\"}"), "bell");
}

TEST(RuntimeLogTest, RubbishGivesNothing) {
  for (const char* text : {"", "\n\n", "plain text", "{\"msg\":1}", "{\"msg\"",
                           "{\"msg\":", "\"msg\"\"", "{\"message\":\"x\"}"}) {
    EXPECT_EQ(LastErrorMessage(text), "") << text;
  }
  EXPECT_EQ(LastErrorMessage("{\"msg\":\"unterminated"), "unterminated");
  EXPECT_EQ(LastErrorMessage("{\"msg\":\"ends with \\"), "ends with \\");
}

TEST(RuntimeLogTest, LongMessagesAreCut) {
  EXPECT_EQ(LastErrorMessage("{\"msg\":\"" + std::string(100000, 'x') + "\"}").size(), 4096u);
}

TEST(RuntimeLogTest, LastTextLine) {
  EXPECT_EQ(LastTextLine("one\ntwo\n\n"), "two");
  EXPECT_EQ(LastTextLine("  one  "), "one");
  EXPECT_EQ(LastTextLine(""), "");
  EXPECT_EQ(LastTextLine("a\x1b[31mred"), "a [31mred");
}

}  // namespace
}  // namespace crisp::conmon
