#include "base/core/pid_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace crisp {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PidTextTest, APidFile) {
  EXPECT_EQ(ParsePidFile("42"), 42);
  EXPECT_EQ(ParsePidFile("42\n"), 42);
  EXPECT_EQ(ParsePidFile(" 2147483647 \r\n"), 2147483647);
}

TEST(PidTextTest, WhatIsNoPidFile) {
  for (const char* text : {"", "\n", "0", "1", "-42", "+42", "42 43", "42x", "x42", "4 2", "0x2a",
                           "42.0", "2147483648", "99999999999999999999"}) {
    EXPECT_FALSE(ParsePidFile(text)) << text;
  }
  EXPECT_FALSE(ParsePidFile(std::string_view("42\0", 3)));
}

TEST(PidTextTest, Lists) {
  EXPECT_THAT(ParsePids("1\n300\n2\n"), ElementsAre(1, 300, 2)) << "cgroup.procs";
  EXPECT_THAT(ParsePids("7 8 "), ElementsAre(7, 8)) << "children";
  EXPECT_THAT(ParsePids("9"), ElementsAre(9));
  EXPECT_THAT(ParsePids(""), IsEmpty());
  EXPECT_THAT(ParsePids(" \n\t"), IsEmpty());
  EXPECT_THAT(ParsePids("0\n5\nx\n6y\n-7\n99999999999\n8"), ElementsAre(5, 8));
}

}  // namespace
}  // namespace crisp
