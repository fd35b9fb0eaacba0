// Both ways to mount an overlay. Needs root and the right to mount.
#include "image/overlay.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "base/core/file.h"
#include "base/core/mount.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

class Overlay : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount";
    if (::unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "needs a mount namespace of its own";
    ASSERT_EQ(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    for (const char* name : {"up", "work", "merged"}) {
      ASSERT_TRUE(EnsureDirectory(dir_ / name).ok());
    }
  }
  void TearDown() override { (void)EnsureUnmounted(dir_ / "merged"); }

  // `count` layers; each has a file of its own, and all have "common".
  OverlayOptions MakeLayers(int count, size_t name_length = 10) {
    OverlayOptions options;
    options.lower_root = dir_.path();
    options.upper = dir_ / "up";
    options.work = dir_ / "work";
    for (int i = 0; i < count; ++i) {
      std::string name = "layer" + std::to_string(i) + "-";
      name.resize(std::max(name.size(), name_length), 'x');
      EXPECT_TRUE(EnsureDirectory(dir_ / name).ok());
      EXPECT_TRUE(WriteFile(dir_ / (name + "/f" + std::to_string(i)), "x").ok());
      EXPECT_TRUE(WriteFile(dir_ / (name + "/common"), std::to_string(i)).ok());
      options.lower.insert(options.lower.begin(), name);
    }
    return options;
  }
  void Check(int count) {
    EXPECT_EQ(*ReadFile(dir_ / "merged/common"), std::to_string(count - 1));
    EXPECT_TRUE(PathExists(dir_ / "merged/f0"));
    EXPECT_TRUE(WriteFile(dir_ / "merged/new", "x").ok());
    EXPECT_TRUE(PathExists(dir_ / "up/new"));
  }
  std::string MountLine() {
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
      if (line.find(dir_ / "merged") != std::string::npos) return line;
    }
    return {};
  }

  TempDir dir_;
};

TEST_F(Overlay, OneLayer) {
  ASSERT_TRUE(MountOverlay(MakeLayers(1), dir_ / "merged").ok());
  Check(1);
}

TEST_F(Overlay, ByDescriptorsManyLongNames) {
  const Status mounted = MountOverlay(MakeLayers(200, 70), dir_ / "merged");
  ASSERT_TRUE(mounted.ok()) << mounted.message();
  Check(200);
  EXPECT_EQ(MountLine().find("shared:"), std::string::npos);
}

TEST_F(Overlay, ByOptionsShowsRelativeNames) {
  const Status mounted = MountOverlayByOptions(MakeLayers(3), dir_ / "merged");
  ASSERT_TRUE(mounted.ok()) << mounted.message();
  Check(3);
  EXPECT_NE(MountLine().find("lowerdir=layer2-xxx:layer1-xxx"), std::string::npos) << MountLine();
}

TEST_F(Overlay, ByOptionsManyLongNames) {
  const Status mounted = MountOverlayByOptions(MakeLayers(127, 70), dir_ / "merged");
  ASSERT_TRUE(mounted.ok()) << mounted.message();
  Check(127);
}

TEST_F(Overlay, TooManyForOptionsIsSaid) {
  const Status mounted = MountOverlayByOptions(MakeLayers(400, 70), dir_ / "merged");
  EXPECT_EQ(mounted.code(), Code::kFailedPrecondition);
}

TEST_F(Overlay, DetachedGoesAwayWithItsDescriptor) {
  {
    const auto mount = MakeDetachedOverlay(MakeLayers(2));
    if (mount.status().code() == Code::kUnimplemented) GTEST_SKIP() << "needs lowerdir+";
    ASSERT_TRUE(mount.ok()) << mount.status().message();
    EXPECT_EQ(*ReadFileAt(mount->get(), "common"), "1");
  }
  EXPECT_EQ(MountLine(), "");
}

TEST_F(Overlay, MissingLayerIsNamed) {
  OverlayOptions options = MakeLayers(1);
  options.lower.push_back("missing");
  const Status mounted = MountOverlay(options, dir_ / "merged");
  ASSERT_FALSE(mounted.ok());
  EXPECT_NE(mounted.message().find(dir_ / "merged"), std::string::npos) << mounted.message();
  EXPECT_EQ(MountLine(), "");
}

}  // namespace
}  // namespace crisp::image
