#include "pod/container_stats.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

// A container decides how deep its directories are: more levels than there are descriptors.
TEST(MeasureDirectory, CountsWhatIsDeep) {
  char path[] = "/tmp/crisp-measure.XXXXXX";
  ASSERT_NE(::mkdtemp(path), nullptr);
  constexpr uint64_t kDepth = 2500;
  UniqueFd at = OpenFile(path, O_PATH | O_DIRECTORY).value();
  for (uint64_t i = 0; i < kDepth; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
    at = OpenAt(at.get(), "d", O_PATH | O_DIRECTORY).value();
  }
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{200, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto usage = MeasureDirectory(path);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(usage.ok()) << usage.status().ToString();
  EXPECT_EQ(usage->inodes, kDepth);
  EXPECT_TRUE(RemoveTreeAt(path).ok());
}

}  // namespace
}  // namespace crisp::pod
