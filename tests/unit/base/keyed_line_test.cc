#include "base/core/keyed_line.h"

#include <gtest/gtest.h>

namespace crisp {
namespace {

TEST(KeyedLineTest, TheFirstLineThatBeginsSo) {
  EXPECT_EQ(KeyedLine("MAJOR=254\nDEVNAME=vda1\nDEVNAME=b\n", "DEVNAME="), "vda1");
  EXPECT_EQ(KeyedLine("NSpid:\t7\t1", "NSpid:"), "\t7\t1");
  EXPECT_EQ(KeyedLine("\n\nA:\n", "A:"), "");
}

TEST(KeyedLineTest, NotBehindOtherKeys) {
  EXPECT_EQ(KeyedLine("PARTNAME=DEVNAME=sda\nDEVNAME=vda1\n", "DEVNAME="), "vda1");
  for (const char* text : {"", "\n", "PARTNAME=DEVNAME=sda\n", "DEVNAME\n=vda\n", " DEVNAME=vda",
                           "devname=vda\n", "DEVNAME"}) {
    EXPECT_FALSE(KeyedLine(text, "DEVNAME=")) << text;
  }
}

TEST(TakeUntilTest, WhatStandsBeforeAndBehind) {
  std::string_view text = "a b  c";
  EXPECT_EQ(TakeUntil(' ', &text), "a");
  EXPECT_EQ(text, "b  c");
  EXPECT_EQ(TakeUntil('=', &text), "b  c");
  EXPECT_EQ(text, "");
  EXPECT_EQ(TakeUntil('=', &text), "");
  text = " ";
  EXPECT_EQ(TakeUntil(' ', &text), "");
  EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace crisp
