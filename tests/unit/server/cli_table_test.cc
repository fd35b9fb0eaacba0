#include <gtest/gtest.h>

#include "server/cli/table.h"

namespace crisp::cli {
namespace {

TEST(TableTest, ColumnsAlign) {
  Table table({"NAME", "SIZE"});
  table.Add({"a", "1"});
  table.Add({"l\xC3\xA4nger", "2"});
  table.Add({"bad\x1b", "3"});
  EXPECT_EQ(table.ToText(),
            "NAME    SIZE\n"
            "a       1\n"
            "l\xC3\xA4nger  2\n"
            "bad?    3\n");
}

TEST(TableTest, Sizes) {
  EXPECT_EQ(HumanSize(812), "812 B");
  EXPECT_EQ(HumanSize(4509716), "4.3 MiB");
  EXPECT_EQ(HumanSize(3ull << 30), "3.0 GiB");
}

}  // namespace
}  // namespace crisp::cli
