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

TEST(PidTextTest, FirstOfItsNamespace) {
  EXPECT_TRUE(IsFirstOfItsNamespace("Name:\tsh\nNSpid:\t4711\t1\nNSpgid:\t4711\t1\n"));
  EXPECT_TRUE(IsFirstOfItsNamespace("NSpid:\t1"));
  for (const char* text :
       {"", "Name:\tsh\n", "NSpid:\n", "NSpid:\t1\t2\n", "NSpid:\t4711\n", "NSpid:\t7\t11\n",
        "Name:\tNSpid:\t1\nNSpid:\t7\n", "NSpid:\t7\nNSpgid:\t1\n"}) {
    EXPECT_FALSE(IsFirstOfItsNamespace(text)) << text;
  }
}

}  // namespace
}  // namespace crisp
