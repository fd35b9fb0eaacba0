#include "server/utf8.h"

#include <gtest/gtest.h>

namespace crisp {
namespace {

TEST(Utf8Test, ValidTextStays) {
  const std::string text = "plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80";
  EXPECT_EQ(SanitizeUtf8(text), text);
  EXPECT_EQ(SanitizeUtf8(""), "");
}

TEST(Utf8Test, InvalidBytesAreReplaced) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(SanitizeUtf8("a\xFFz"), "a" + r + "z");
  EXPECT_EQ(SanitizeUtf8("\xC3"), r);                  // cut off
  EXPECT_EQ(SanitizeUtf8("\xC0\x80"), r + r);          // overlong
  EXPECT_EQ(SanitizeUtf8("\xED\xA0\x80"), r + r + r);  // surrogate
  EXPECT_EQ(SanitizeUtf8("\xF4\x90\x80\x80"), r + r + r + r);
}

TEST(Utf8Test, TruncationKeepsCharactersWhole) {
  EXPECT_EQ(TruncateUtf8("abc", 3), "abc");
  EXPECT_EQ(TruncateUtf8("abcdefgh", 6), "abc...");
  EXPECT_EQ(TruncateUtf8("ab\xE2\x82\xAC\xE2\x82\xAC", 7), "ab...");
}

}  // namespace
}  // namespace crisp
