#include "base/utf8.h"

#include <gtest/gtest.h>

#include "base/core/result.h"

namespace crisp {
namespace {

TEST(Utf8Test, ValidTextStays) {
  const std::string text = "plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80";
  EXPECT_EQ(SanitizeUtf8(text), text);
  EXPECT_EQ(SanitizeUtf8(""), "");
  EXPECT_TRUE(IsUtf8(text));
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8(std::string_view("\0", 1)));
}

TEST(Utf8Test, InvalidBytesAreReplaced) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(SanitizeUtf8("a\xFFz"), "a" + r + "z");
  EXPECT_EQ(SanitizeUtf8("\xC3"), r);                  // cut off
  EXPECT_EQ(SanitizeUtf8("\xC0\x80"), r + r);          // overlong
  EXPECT_EQ(SanitizeUtf8("\xED\xA0\x80"), r + r + r);  // surrogate
  EXPECT_EQ(SanitizeUtf8("\xF4\x90\x80\x80"), r + r + r + r);
}

TEST(Utf8Test, TheEdgesOfWhatIsWellFormed) {
  for (const char* text :
       {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsUtf8(Cat("a", text, "z"))) << text;
  }
  for (const char* text : {"\x80", "\xBF", "\xC1\xBF", "\xC2", "\xC2z", "\xE0\x9F\xBF", "\xE2\x82",
                           "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF0\x9F\x98",
                           "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF"}) {
    EXPECT_FALSE(IsUtf8(text)) << text;
    EXPECT_FALSE(IsUtf8(Cat("a", text, "z"))) << text;
  }
}

TEST(Utf8Test, TruncationKeepsCharactersWhole) {
  EXPECT_EQ(TruncateUtf8("abc", 3), "abc");
  EXPECT_EQ(TruncateUtf8("abcdefgh", 6), "abc...");
  EXPECT_EQ(TruncateUtf8("ab\xE2\x82\xAC\xE2\x82\xAC", 7), "ab...");
  EXPECT_EQ(TruncateUtf8("abcdefgh", 3), "...");
  EXPECT_EQ(TruncateUtf8("abcdefgh", 2), "..") << "never more than was asked for";
  EXPECT_EQ(TruncateUtf8("abcdefgh", 0), "");
}

}  // namespace
}  // namespace crisp
