#include "base/mount_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/file.h"
#include "temp_dir.h"

namespace crisp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

MountEntry One(const std::string& line) {
  const auto table = ParseMountTable(line);
  EXPECT_THAT(table, SizeIs(1)) << line;
  return table.empty() ? MountEntry() : table.front();
}

TEST(MountTable, PointsAndPropagation) {
  const TempDir files;
  ASSERT_TRUE(WriteFile(files / "mountinfo",
                        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw\n"
                        "23 22 0:20 / /with\\040blank rw master:1 - tmpfs t rw,size=1k\n"
                        "garbage\n"
                        "24 22 0:21 / /plain rw - tmpfs shared:9 rw\n")
                  .ok());
  const auto table = ReadMountTable(files / "mountinfo").value();
  ASSERT_EQ(table.size(), 3u);
  EXPECT_TRUE(table[0].shared);
  EXPECT_FALSE(table[0].slave);
  EXPECT_EQ(table[0].type, "ext4");
  EXPECT_EQ(table[1].point, "/with blank");
  EXPECT_TRUE(table[1].slave);
  EXPECT_EQ(table[1].super_options, "rw,size=1k");
  EXPECT_FALSE(table[2].shared) << "what follows the dash is not propagation";
  EXPECT_EQ(ReadMountTable(files / "missing").status().code(), Code::kNotFound);
}

TEST(MountTable, OptionalFields) {
  const MountEntry all =
      One("30 29 0:26 / /p rw shared:3 master:2 propagate_from:1 new - proc p rw");
  EXPECT_TRUE(all.shared);
  EXPECT_TRUE(all.slave);
  EXPECT_EQ(all.type, "proc");
  const MountEntry none = One("30 29 0:26 / /p rw unbindable - proc - ro\n");
  EXPECT_FALSE(none.shared || none.slave);
  EXPECT_EQ(none.super_options, "ro");
  const MountEntry no_source = One("30 29 0:26 / /p rw - tmpfs  rw\n");
  EXPECT_EQ(no_source.type, "tmpfs");
  EXPECT_EQ(no_source.super_options, "rw");
}

TEST(MountTable, Escapes) {
  const auto point = [](const std::string& escaped) {
    return One(Cat("31 29 0:27 / ", escaped, " rw - tmpfs t rw\n")).point;
  };
  EXPECT_EQ(point("/a\\040b\\011c\\012d\\134e\\043f"), "/a b\tc\nd\\e#f");
  EXPECT_EQ(point("/\\134040"), "/\\040") << "once";
  EXPECT_EQ(point("/\\377"), "/\xff");
  for (const std::string none : {"/\\", "/\\04", "/\\x40", "/\\089", "/\\400", "/\\999"}) {
    EXPECT_EQ(point(none), none);
  }
}

TEST(MountTable, LinesThatAreNone) {
  EXPECT_THAT(ParseMountTable(""), IsEmpty());
  for (const char* line :
       {"\n\n", "32 29 0:28 / /x rw\n", "32 29 0:28 / /x rw shared:1 a b c\n",
        "32 29 0:28 / /x rw - tmpfs\n", "32 29 0:28 / /x rw shared:1 m - tmpfs t\n",
        "32 29 0:28 / - - tmpfs t rw\n"}) {
    EXPECT_THAT(ParseMountTable(line), IsEmpty()) << line;
  }
}

TEST(MountTable, OfThisProcess) {
  bool proc = false;
  for (const MountEntry& entry : ReadMountTable().value()) {
    proc = proc || (entry.point == "/proc" && entry.type == "proc");
  }
  EXPECT_TRUE(proc);
}

TEST(MountTable, PointsBelowAreRealAndOnce) {
  const TempDir files;
  const std::string table = files / "mountinfo";
  ASSERT_TRUE(WriteFile(table,
                        "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
                        "23 22 0:20 / /proc rw - proc proc rw\n"
                        "24 22 0:20 / /proc rw - proc proc rw\n"
                        "25 22 0:21 / /process rw - tmpfs t rw\n"
                        "26 22 0:21 / /nowhere/hidden rw - tmpfs t rw\n")
                  .ok());
  EXPECT_THAT(MountPointsBelow("/", table).value(), ElementsAre("/proc"));
  EXPECT_THAT(MountPointsBelow("/proc", table).value(), IsEmpty());
}

TEST(MountTable, AtOrBelow) {
  EXPECT_TRUE(IsAtOrBelow("/a/b", "/a"));
  EXPECT_TRUE(IsAtOrBelow("/a", "/a"));
  EXPECT_TRUE(IsAtOrBelow("/a", "/"));
  EXPECT_FALSE(IsAtOrBelow("/ab", "/a"));
}

}  // namespace
}  // namespace crisp
