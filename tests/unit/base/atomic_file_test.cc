#include "base/core/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/core/file.h"
#include "temp_dir.h"

namespace crisp {
namespace {

size_t Entries(const TempDir& dir) { return DirFd::Open(dir.path()).value().List().value().size(); }

TEST(AtomicFileTest, CommitReplaces) {
  TempDir dir;
  for (const bool durable : {false, true}) {
    ASSERT_TRUE(WriteFileAtomically(dir / "a", durable ? "new" : "old", 0600, durable).ok());
  }
  EXPECT_EQ(ReadFile(dir / "a").value(), "new");
  struct stat st {};
  ASSERT_EQ(::stat((dir / "a").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777u, 0600u);
  EXPECT_EQ(Entries(dir), 1u);
}

TEST(AtomicFileTest, WithoutCommitNothingChanges) {
  TempDir dir;
  ASSERT_TRUE(WriteFile(dir / "a", "old").ok());
  {
    AtomicFile file = AtomicFile::Create(dir / "a").value();
    ASSERT_TRUE(file.Write("half").ok());
    EXPECT_EQ(ReadFile(dir / "a").value(), "old");
    EXPECT_EQ(Entries(dir), 2u);
  }
  EXPECT_EQ(ReadFile(dir / "a").value(), "old");
  EXPECT_EQ(Entries(dir), 1u);
}

TEST(AtomicFileTest, AMovedFromFileRemovesNothing) {
  TempDir dir;
  AtomicFile first = AtomicFile::Create(dir / "a").value();
  {
    AtomicFile second = std::move(first);
    ASSERT_TRUE(second.Write("x").ok());
    ASSERT_TRUE(second.Commit().ok());
  }
  EXPECT_EQ(ReadFile(dir / "a").value(), "x");
}

TEST(AtomicFileTest, Errors) {
  TempDir dir;
  EXPECT_EQ(AtomicFile::Create(dir / "no/a").status().code(), Code::kNotFound);
  EXPECT_EQ(AtomicFile::Create(dir.path() + "/").status().code(), Code::kInvalidArgument);
  ASSERT_TRUE(EnsureDirectory(dir / "d/full").ok());
  EXPECT_FALSE(WriteFileAtomically(dir / "d", "x").ok());  // a directory is in the way
  EXPECT_EQ(Entries(dir), 1u);
}

}  // namespace
}  // namespace crisp
