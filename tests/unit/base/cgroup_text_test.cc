#include "base/cgroup_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace crisp {
namespace {

using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(CgroupTextTest, Numbers) {
  EXPECT_EQ(ParseCgroupNumber("0\n"), 0u);
  EXPECT_EQ(ParseCgroupNumber("18446744073709551615"), UINT64_MAX);
  for (const char* text : {"", "\n", "max\n", "-1", "+1", "1 2", "1k", "18446744073709551616"}) {
    EXPECT_FALSE(ParseCgroupNumber(text)) << text;
  }
}

TEST(CgroupTextTest, FlatKeyedFiles) {
  EXPECT_THAT(ParseFlatKeyed("anon 1\nfile 4096\nlast 3"),
              UnorderedElementsAre(Pair("anon", 1), Pair("file", 4096), Pair("last", 3)));
  EXPECT_THAT(ParseFlatKeyed("\nkey\nkey max\nkey -1\nkey 1 2\n"), IsEmpty());
  EXPECT_THAT(ParseFlatKeyed("bad\na 1\na 2\n"), UnorderedElementsAre(Pair("a", 2)));
}

}  // namespace
}  // namespace crisp
