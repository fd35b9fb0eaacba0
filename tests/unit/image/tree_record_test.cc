// Records of trees: what they notice, and records that are damaged themselves.
#include "image/pull/tree_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
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
    ASSERT_TRUE(WriteTreeRecord(dir_ / "t", dir_ / "record").ok());
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
