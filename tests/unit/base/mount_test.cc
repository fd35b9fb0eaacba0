#include "base/core/mount.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "base/core/file.h"
#include "temp_dir.h"

namespace crisp {
namespace {

// Runs `work` in a mount namespace of its own; false when that is not possible.
bool InPrivateMounts(const std::function<void()>& work) {
  bool entered = false;
  std::thread thread([&] {
    entered = ::unshare(CLONE_FS | CLONE_NEWNS) == 0 &&
              Mount("none", "/", "", MS_REC | MS_PRIVATE, "").ok();
    if (entered) work();
  });
  thread.join();
  return entered;
}

class MountTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    ASSERT_TRUE(EnsureDirectory(dir_ / "a").ok());
    ASSERT_TRUE(EnsureDirectory(dir_ / "b").ok());
  }
  TempDir dir_;
};

TEST_F(MountTest, BindAndUnmountAllThatIsStacked) {
  const bool ran = InPrivateMounts([&] {
    EXPECT_FALSE(IsMountPoint(dir_ / "b").value());
    ASSERT_TRUE(BindMount(dir_ / "a", dir_ / "b").ok());
    ASSERT_TRUE(Mount("none", dir_ / "b", "tmpfs", 0, "size=1m").ok());
    EXPECT_TRUE(IsMountPoint(dir_ / "b").value());
    EXPECT_TRUE(EnsureUnmounted(dir_ / "b").ok());
    EXPECT_FALSE(IsMountPoint(dir_ / "b").value());
    EXPECT_TRUE(EnsureUnmounted(dir_ / "b").ok());
    EXPECT_TRUE(EnsureUnmounted(dir_ / "missing").ok());
    EXPECT_EQ(BindMount(dir_ / "missing", dir_ / "b").code(), Code::kNotFound);
  });
  if (!ran) GTEST_SKIP() << "unshare is not allowed";
}

TEST_F(MountTest, ScopedMountUnmountsOnce) {
  const bool ran = InPrivateMounts([&] {
    {
      ASSERT_TRUE(BindMount(dir_ / "a", dir_ / "b").ok());
      ScopedMount first(dir_ / "b");
      ScopedMount second(std::move(first));
      EXPECT_TRUE(IsMountPoint(dir_ / "b").value());
      ScopedMount third;
      third = std::move(second);
      EXPECT_EQ(third.target(), dir_ / "b");
    }
    EXPECT_FALSE(IsMountPoint(dir_ / "b").value());
    ASSERT_TRUE(BindMount(dir_ / "a", dir_ / "b").ok());
    EXPECT_EQ(ScopedMount(dir_ / "b").Release(), dir_ / "b");
    EXPECT_TRUE(IsMountPoint(dir_ / "b").value());
  });
  if (!ran) GTEST_SKIP() << "unshare is not allowed";
}

}  // namespace
}  // namespace crisp
