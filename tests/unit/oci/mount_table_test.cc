#include "oci/mount_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MountTable, PointsAndPropagation) {
  const TestRootfs files;
  files.Write("mountinfo",
              "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw\n"
              "23 22 0:20 / /with\\040blank rw master:1 - tmpfs t rw\n"
              "garbage\n"
              "24 22 0:21 / /plain rw - tmpfs shared:9 rw\n");
  const auto table = ReadMountTable(files.path() + "/mountinfo").value();
  ASSERT_EQ(table.size(), 3u);
  EXPECT_TRUE(table[0].shared);
  EXPECT_FALSE(table[0].slave);
  EXPECT_EQ(table[1].point, "/with blank");
  EXPECT_TRUE(table[1].slave);
  EXPECT_FALSE(table[2].shared) << "what follows the dash is not propagation";
  EXPECT_EQ(ReadMountTable(files.path() + "/missing").status().code(), Code::kNotFound);
}

TEST(MountTable, PointsBelowAreRealAndOnce) {
  const TestRootfs files;
  files.Write("mountinfo",
              "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
              "23 22 0:20 / /proc rw - proc proc rw\n"
              "24 22 0:20 / /proc rw - proc proc rw\n"
              "25 22 0:21 / /process rw - tmpfs t rw\n"
              "26 22 0:21 / /nowhere/hidden rw - tmpfs t rw\n");
  const std::string table = files.path() + "/mountinfo";
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
}  // namespace crisp::oci
