#include "base/core/tree_walk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "temp_dir.h"

namespace crisp {
namespace {

std::set<std::string> Names(const std::string& path) {
  std::set<std::string> names;
  const auto visit = [&names](int, const std::string& name, const struct stat&) {
    EXPECT_TRUE(names.insert(name).second) << name << " was met twice";
    return OkStatus();
  };
  EXPECT_TRUE(WalkTree(DirFd::Open(path).value(), visit).ok());
  return names;
}

TEST(TreeWalk, MeetsEverythingOnceAndFollowsNoLink) {
  TempDir outside;
  TempDir dir;
  ASSERT_TRUE(WriteFile(outside / "secret", "").ok());
  ASSERT_TRUE(EnsureDirectory(dir / "a/b").ok());
  ASSERT_TRUE(WriteFile(dir / "a/file", "").ok());
  ASSERT_EQ(::symlink(outside.path().c_str(), (dir / "a/b/link").c_str()), 0);
  EXPECT_EQ(Names(dir.path()), (std::set<std::string>{"a", "b", "file", "link"}));
}

TEST(TreeWalk, AClosedDirectoryIsMetAndNotEntered) {
  TempDir dir;
  ASSERT_TRUE(EnsureDirectory(dir / "a/closed/below").ok());
  ASSERT_TRUE(EnsureDirectory(dir / "a/open/beside").ok());
  struct stat closed {};
  ASSERT_EQ(::stat((dir / "a/closed").c_str(), &closed), 0);
  std::set<std::string> names;
  const auto visit = [&names](int, const std::string& name, const struct stat&) {
    names.insert(name);
    return OkStatus();
  };
  const auto enter = [&closed](int fd, const struct stat& st) {
    struct stat same {};
    EXPECT_EQ(::fstat(fd, &same), 0);
    EXPECT_EQ(same.st_ino, st.st_ino);
    return st.st_ino != closed.st_ino;
  };
  ASSERT_TRUE(WalkTree(DirFd::Open(dir.path()).value(), visit, enter).ok());
  EXPECT_EQ(names, (std::set<std::string>{"a", "closed", "open", "beside"}));
}

TEST(TreeWalk, ManyEntriesAndManyDirectories) {
  TempDir dir;
  std::set<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    expected.insert(Cat("directory-", i));
    ASSERT_TRUE(EnsureDirectory(dir / Cat("directory-", i)).ok());
    expected.insert(Cat("a-file-with-a-long-name-", i));
    ASSERT_TRUE(WriteFile(dir / Cat("a-file-with-a-long-name-", i), "").ok());
  }
  EXPECT_EQ(Names(dir.path()), expected);
}

// Deeper than any stack of descriptors or calls would bear, with siblings at every level so that
// coming back matters.
TEST(TreeWalk, DepthCostsNoDescriptors) {
  constexpr int kDepth = 3000;
  TempDir dir;
  UniqueFd at = OpenFile(dir.path(), O_PATH | O_DIRECTORY).value();
  for (int i = 0; i < kDepth; ++i) {
    for (const char* name : {"before", "d", "with"}) {
      ASSERT_EQ(::mkdirat(at.get(), name, 0755), 0);
    }
    at = OpenAt(at.get(), "d", O_PATH | O_DIRECTORY).value();
  }
  at.Reset();
  const int open_before = OpenDescriptors();
  int most = 0;
  int met = 0;
  const auto visit = [&](int, const std::string&, const struct stat&) {
    if (++met % 100 == 0) most = std::max(most, OpenDescriptors());
    return OkStatus();
  };
  ASSERT_TRUE(WalkTree(DirFd::Open(dir.path()).value(), visit).ok());
  EXPECT_EQ(met, 3 * kDepth);
  EXPECT_LE(most - open_before, 40);
  EXPECT_EQ(OpenDescriptors(), open_before);
}

TEST(TreeWalk, WhatIsMovedAwayDoesNotLeadOutside) {
  TempDir outside;
  TempDir dir;
  ASSERT_TRUE(WriteFile(outside / "secret", "").ok());
  std::string path = dir.path();
  for (int i = 0; i < 40; ++i) path += "/d";
  ASSERT_TRUE(EnsureDirectory(path + "/last").ok());
  bool seen = false;
  const auto visit = [&](int, const std::string& name, const struct stat&) {
    if (name == "last") {
      // From now on ".." of this branch leads to `outside`.
      EXPECT_EQ(::rename((path.substr(0, path.size() - 4)).c_str(), (outside / "moved").c_str()),
                0);
    }
    seen = seen || name == "secret";
    return OkStatus();
  };
  ASSERT_TRUE(WalkTree(DirFd::Open(dir.path()).value(), visit).ok());
  EXPECT_FALSE(seen);
}

TEST(TreeWalk, AnErrorOfTheVisitorEndsIt) {
  TempDir dir;
  ASSERT_TRUE(EnsureDirectory(dir / "a/b").ok());
  int met = 0;
  const auto visit = [&met](int, const std::string&, const struct stat&) {
    ++met;
    return DataLoss("enough");
  };
  EXPECT_EQ(WalkTree(DirFd::Open(dir.path()).value(), visit).code(), Code::kDataLoss);
  EXPECT_EQ(met, 1);
}

}  // namespace
}  // namespace crisp
