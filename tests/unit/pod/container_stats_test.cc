#include "pod/container_stats.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/core/dir_fd.h"

namespace crisp::pod {
namespace {

TEST(MeasureDirectory, CountsBytesAndInodesAndHardLinksOnce) {
  char path[] = "/tmp/crisp-measure.XXXXXX";
  ASSERT_NE(::mkdtemp(path), nullptr);
  const std::string top = path;
  ASSERT_TRUE(EnsureDirectory(top + "/d/e").ok());
  ASSERT_TRUE(WriteFile(top + "/d/file", std::string(100'000, 'x')).ok());
  const auto before = MeasureDirectory(top);
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(before->inodes, 3u);
  EXPECT_GE(before->used_bytes, 100'000u);
  ASSERT_EQ(::link((top + "/d/file").c_str(), (top + "/d/e/again").c_str()), 0);
  EXPECT_EQ(MeasureDirectory(top)->inodes, 3u);
  EXPECT_TRUE(RemoveTreeAt(top).ok());
  EXPECT_EQ(MeasureDirectory(top).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace crisp::pod
