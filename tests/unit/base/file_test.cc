#include "base/core/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "temp_dir.h"

namespace crisp {
namespace {

TEST(FileTest, WriteAndRead) {
  TempDir dir;
  ASSERT_TRUE(WriteFile(dir / "a", "hello", 0600).ok());
  EXPECT_EQ(ReadFile(dir / "a").value(), "hello");
  ASSERT_TRUE(WriteFile(dir / "a", "hi").ok());
  EXPECT_EQ(ReadFile(dir / "a").value(), "hi");
  EXPECT_EQ(ReadFile(dir / "a", 2).value(), "hi");
  EXPECT_EQ(ReadFile(dir / "a", 1).status().code(), Code::kResourceExhausted);
  const auto missing = ReadFile(dir / "b");
  EXPECT_EQ(missing.status().code(), Code::kNotFound);
  EXPECT_NE(missing.status().message().find(dir / "b"), std::string::npos);
}

TEST(FileTest, ControlFilesAreNeverMade) {
  TempDir dir;
  EXPECT_EQ(WriteControlFile(AT_FDCWD, dir / "a", "1").code(), Code::kNotFound);
  EXPECT_FALSE(PathExists(dir / "a"));
  ASSERT_TRUE(WriteFile(dir / "a", "0").ok());
  EXPECT_TRUE(WriteControlFile(AT_FDCWD, dir / "a", "1").ok());
  EXPECT_EQ(ReadFile(dir / "a").value(), "1");
}

TEST(FileTest, EnsureDirectory) {
  TempDir dir;
  EXPECT_TRUE(EnsureDirectory(dir / "a/b/c").ok());
  EXPECT_TRUE(EnsureDirectory(dir / "a/b/c").ok());
  EXPECT_TRUE(EnsureDirectory(dir / "x/y/").ok());
  EXPECT_TRUE(EnsureDirectory("/").ok());
  ASSERT_TRUE(WriteFile(dir / "f", "").ok());
  EXPECT_EQ(EnsureDirectory(dir / "f").code(), Code::kAlreadyExists);
  EXPECT_EQ(EnsureDirectory(dir / "f/g").sys_errno(), ENOTDIR);
  EXPECT_FALSE(EnsureDirectory("").ok());
}

TEST(FileTest, JoinAndTrim) {
  EXPECT_EQ(JoinPath("/a", "b"), "/a/b");
  EXPECT_EQ(JoinPath("/a/", "/b"), "/a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(JoinPath("/", "etc"), "/etc");
  EXPECT_EQ(Trim(" a b\r\n"), "a b");
  EXPECT_EQ(Trim("\n"), "");
}

}  // namespace
}  // namespace crisp
