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

TEST(CgroupTextTest, PressureFiles) {
  const Pressure both = ParsePressure(
      "some avg10=1.50 avg60=0.25 avg300=0.00 total=123456\n"
      "full avg10=0.00 avg60=0.12 avg300=100.00 total=7\n");
  ASSERT_TRUE(both.some && both.full);
  EXPECT_EQ(both.some->avg10, 1.5);
  EXPECT_EQ(both.some->avg60, 0.25);
  EXPECT_EQ(both.some->avg300, 0);
  EXPECT_EQ(both.some->total_us, 123456u);
  EXPECT_EQ(both.full->avg300, 100);
  EXPECT_EQ(both.full->total_us, 7u);
  const Pressure one = ParsePressure("more avg10=1\nsome total=1 avg300=3 avg60=2 avg10=1 new=x");
  EXPECT_TRUE(one.some);
  EXPECT_FALSE(one.full);
  for (const char* text :
       {"", "\n", "some", "some \n", "some avg10=1 avg60=1 avg300=1\n",
        "some avg10= avg60=1 avg300=1 total=1", "some avg10=nan avg60=1 avg300=1 total=1",
        "some avg10=-1 avg60=1 avg300=1 total=1", "some avg10=1 avg60=1 avg300=1 total=1.5",
        "some avg10=1 avg60=1x avg300=1 total=1", "someavg10=1 avg60=1 avg300=1 total=1"}) {
    EXPECT_FALSE(ParsePressure(text).some) << text;
  }
}

}  // namespace
}  // namespace crisp
