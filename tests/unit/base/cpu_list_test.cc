#include "base/cpu_list.h"

#include <gtest/gtest.h>

#include <string>

namespace crisp {
namespace {

std::string Shown(std::string_view text) {
  const auto ranges = ParseCpuList(text);
  if (!ranges) return "none";
  std::string out;
  for (const CpuRange& r : *ranges) {
    out += std::to_string(r.first) + ".." + std::to_string(r.last) + " ";
  }
  return out;
}

TEST(CpuListTest, Ranges) {
  EXPECT_EQ(Shown("0"), "0..0 ");
  EXPECT_EQ(Shown("0-3,5,4-4,007"), "0..3 5..5 4..4 7..7 ");
  EXPECT_EQ(Shown("0-4294967295"), "0..4294967295 ");
}

TEST(CpuListTest, WhatIsNoList) {
  for (const char* text : {"", ",", "0,", ",0", "0-", "-1", "3-1", "1-2-3", "0 -1", "0\n", " 0",
                           "+1", "0x1", "4294967296", "0-4294967296", "0-18446744073709551615"}) {
    EXPECT_FALSE(IsCpuList(text)) << text;
  }
}

TEST(CpuListTest, WhatIsMissing) {
  const auto missing = [](std::string_view wanted, std::string_view here) {
    return FirstMissingCpu(*ParseCpuList(wanted), *ParseCpuList(here));
  };
  EXPECT_EQ(missing("0-3", "2-3,0-1"), std::nullopt);
  EXPECT_EQ(missing("1,0", "0-7"), std::nullopt);
  EXPECT_EQ(missing("0-3", "0-1,3"), 2u);
  EXPECT_EQ(missing("9,8", "0-7"), 9u);
  EXPECT_EQ(missing("0-4294967295", "0-1"), 2u);
  EXPECT_EQ(missing("0-4294967295", "0-4294967295"), std::nullopt);
}

}  // namespace
}  // namespace crisp
