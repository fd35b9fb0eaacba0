// Records of trees: what they notice, and records that are damaged themselves.
#include "image/pull/tree_record.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/file.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class TreeRecord : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* dir : {"t", "t/a", "t/a/b", "t/a.c"}) {
      ASSERT_TRUE(EnsureDirectory(dir_ / dir).ok());
    }
    for (const char* file : {"t/a/f", "t/a/b/f", "t/a.c/f", "t/z\n\xff"}) {
      ASSERT_TRUE(WriteFile(dir_ / file, file).ok());
    }
    ASSERT_EQ(::symlink("a/f", (dir_ / "t/link").c_str()), 0);
    ASSERT_TRUE(WriteTreeRecord(dir_ / "t", dir_ / "record", {}).ok());
  }
  TreeDifferences Compare() {
    const auto out = CompareWithRecord(dir_ / "t", dir_ / "record");
    EXPECT_TRUE(out.ok()) << out.status().message();
    return out.ok() ? *out : TreeDifferences();
  }
  TempDir dir_;
};

TEST_F(TreeRecord, SameTreeHasNoDifferences) { EXPECT_EQ(Compare().count, 0u); }

TEST_F(TreeRecord, NoticesWhatIsThereAndWhatIsNot) {
  ASSERT_EQ(::unlink((dir_ / "t/link").c_str()), 0);
  ASSERT_EQ(::symlink("a/g", (dir_ / "t/link").c_str()), 0);
  ASSERT_TRUE(WriteFile(dir_ / "t/zz", "").ok());
  ASSERT_EQ(::unlink((dir_ / "t/z\n\xff").c_str()), 0);
  ASSERT_EQ(::chmod((dir_ / "t/a.c/f").c_str(), 0600), 0);
  const TreeDifferences found = Compare();
  EXPECT_EQ(found.count, 4u);
  EXPECT_THAT(found.first, ElementsAre(HasSubstr("a.c/f: was f 0644"), HasSubstr("-> a/f, is "),
                                       "z\\x0a\\xff: missing", "zz: added"));
}

// Same size, same time: only the content says it.
TEST_F(TreeRecord, NoticesWhatWasWrittenOver) {
  const std::string file = dir_ / "t/a/f";
  struct stat before;
  ASSERT_EQ(::stat(file.c_str(), &before), 0);
  ASSERT_TRUE(WriteFile(file, "t/a/g").ok());
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  EXPECT_THAT(Compare().first, ElementsAre(HasSubstr("a/f: has another content")));
}

TEST_F(TreeRecord, TakesTheSumsThatItIsGiven) {
  struct stat info;
  ASSERT_EQ(::stat((dir_ / "t/a/f").c_str(), &info), 0);
  ContentSums sums;
  sums.Put(info.st_ino, AddToSum(0, Bytes(reinterpret_cast<const uint8_t*>("wrong"), 5)));
  sums.Seal();
  ASSERT_TRUE(WriteTreeRecord(dir_ / "t", dir_ / "record2", sums).ok());
  const auto found = CompareWithRecord(dir_ / "t", dir_ / "record2");
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(found->first, ElementsAre(HasSubstr("a/f: has another content")));
}

TEST_F(TreeRecord, FilesWithHolesAreNotRead) {
  const std::string file = dir_ / "t/sparse";
  ASSERT_TRUE(WriteFile(file, "x").ok());
  ASSERT_EQ(::truncate(file.c_str(), int64_t{1} << 42), 0);
  ASSERT_TRUE(WriteTreeRecord(dir_ / "t", dir_ / "record2", {}).ok());
  EXPECT_EQ(CompareWithRecord(dir_ / "t", dir_ / "record2")->count, 0u);
}

TEST(ContentSums, TheLastOfAnInodeCounts) {
  ContentSums sums;
  sums.Put(7, 1);
  sums.Put(9, 2);
  sums.Put(8, 3);
  sums.Put(7, 4);
  sums.Put(9, std::nullopt);
  sums.Seal();
  EXPECT_EQ(sums.Find(7), std::optional<uint64_t>(4));
  EXPECT_EQ(sums.Find(8), std::optional<uint64_t>(3));
  EXPECT_EQ(sums.Find(9), std::nullopt);
  EXPECT_EQ(sums.Find(6), std::nullopt);
  EXPECT_EQ(sums.Find(10), std::nullopt);
}

TEST(ContentSums, NoneOfAHugeLayer) {
  ContentSums sums;
  for (size_t i = 0; i <= kMaxSums; ++i) sums.Put(i + 1, i);
  sums.Seal();
  EXPECT_EQ(sums.Find(1), std::nullopt);
}

TEST_F(TreeRecord, WantOfDescriptorsIsNoDamage) {
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  int failures = 0;
  for (int more = 1; more < 20; ++more) {
    rlimit low = before;
    low.rlim_cur = static_cast<rlim_t>(next.get() + more);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    const auto found = CompareWithRecord(dir_ / "t", dir_ / "record");
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    if (found.ok()) {
      EXPECT_EQ(found->count, 0u) << found->first.at(0);
      continue;
    }
    ++failures;
    EXPECT_EQ(found.status().sys_errno(), EMFILE);
    EXPECT_FALSE(MeansDamage(found.status()));
  }
  EXPECT_GE(failures, 3);  // for the record, the root, what is below it
}

TEST(MeansDamage, WhatTheDiskSaysAndNotWhatTheProcessLacks) {
  for (const int bad : {ENOENT, ENOTDIR, EIO, EUCLEAN, EBADMSG}) {
    EXPECT_TRUE(MeansDamage(ErrnoStatus(bad, "x"))) << bad;
  }
  for (const int ours : {EMFILE, ENFILE, ENOMEM, EACCES, EINTR}) {
    EXPECT_FALSE(MeansDamage(ErrnoStatus(ours, "x"))) << ours;
  }
  EXPECT_TRUE(MeansDamage(DataLoss("x")));
  EXPECT_FALSE(MeansDamage(Internal("x")));
}

TEST_F(TreeRecord, EverythingGone) {
  ASSERT_EQ(::rename((dir_ / "t").c_str(), (dir_ / "elsewhere").c_str()), 0);
  EXPECT_THAT(Compare().first, ElementsAre("/: the directory is missing"));
}

TEST_F(TreeRecord, DamagedRecords) {
  EXPECT_EQ(CompareWithRecord(dir_ / "t", dir_ / "none").status().code(), Code::kNotFound);
  const std::string good = *ReadFile(dir_ / "record");
  for (size_t cut = 0; cut < good.size(); cut += 7) {
    ASSERT_TRUE(WriteFile(dir_ / "record", good.substr(0, cut)).ok());
    const auto found = CompareWithRecord(dir_ / "t", dir_ / "record");
    EXPECT_TRUE(!found.ok() || found->count > 0) << cut;
  }
  ASSERT_TRUE(WriteFile(dir_ / "record", "garbage").ok());
  EXPECT_EQ(CompareWithRecord(dir_ / "t", dir_ / "record").status().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace crisp::image
