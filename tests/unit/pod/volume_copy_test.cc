#include "pod/volume_copy.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

namespace crisp::pod {
namespace {

class VolumeCopyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/crisp-volume.XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    top_ = path;
    ASSERT_TRUE(EnsureDirectory(top_ + "/rootfs/data/sub").ok());
    rootfs_ = std::move(DirFd::Open(top_ + "/rootfs")).value();
  }
  void TearDown() override { EXPECT_TRUE(RemoveTreeAt(top_).ok()); }

  std::string top_;
  DirFd rootfs_;
};

TEST_F(VolumeCopyTest, CopiesFilesDirectoriesAndLinksWithTheirModes) {
  ASSERT_TRUE(WriteFile(top_ + "/rootfs/data/sub/file", "hello", 0600).ok());
  ASSERT_EQ(::chmod((top_ + "/rootfs/data/sub/file").c_str(), 04750), 0);
  ASSERT_EQ(::chmod((top_ + "/rootfs/data").c_str(), 01777), 0);
  ASSERT_EQ(::symlink("/etc/passwd", (top_ + "/rootfs/data/link").c_str()), 0);
  ASSERT_EQ(::mkfifo((top_ + "/rootfs/data/fifo").c_str(), 0600), 0);
  ASSERT_TRUE(CopyVolumeContent(rootfs_, "/data", top_ + "/out").ok());
  EXPECT_EQ(*ReadFile(top_ + "/out/sub/file"), "hello");
  struct stat st {};
  ASSERT_EQ(::stat((top_ + "/out/sub/file").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 04750u);
  ASSERT_EQ(::stat((top_ + "/out").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 01777u);
  ASSERT_EQ(::lstat((top_ + "/out/link").c_str(), &st), 0);
  EXPECT_TRUE(S_ISLNK(st.st_mode)) << "links are copied as links, not followed";
  EXPECT_FALSE(PathExists(top_ + "/out/fifo"));
}

TEST_F(VolumeCopyTest, APathThatTheImageLacksIsAnEmptyVolume) {
  ASSERT_TRUE(CopyVolumeContent(rootfs_, "/missing", top_ + "/out").ok());
  EXPECT_TRUE(std::move(DirFd::Open(top_ + "/out")).value().List()->empty());
}

TEST_F(VolumeCopyTest, ALinkInTheImageDoesNotLeadOutside) {
  ASSERT_TRUE(WriteFile(top_ + "/secret", "s").ok());
  ASSERT_EQ(::symlink("../../..", (top_ + "/rootfs/escape").c_str()), 0);
  ASSERT_TRUE(CopyVolumeContent(rootfs_, "/escape", top_ + "/out").ok());
  EXPECT_FALSE(PathExists(top_ + "/out/secret"));
  EXPECT_TRUE(PathExists(top_ + "/out/data")) << "the root of the image is as far as it goes";
}

}  // namespace
}  // namespace crisp::pod
