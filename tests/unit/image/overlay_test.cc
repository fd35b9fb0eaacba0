// Both ways to mount an overlay. Needs root and the right to mount.
#include "image/overlay.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/core/file.h"
#include "base/core/idmapped_mount.h"
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

// A user namespace whose root is 300000 here; not valid where there are none.
UniqueFd MakeUserNamespace() {
  auto ready = MakePipe();
  auto done = MakePipe();
  if (!ready.ok() || !done.ok()) return UniqueFd();
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = ::unshare(CLONE_NEWUSER) == 0 ? 'y' : 'n';
    (void)!::write(ready->second.get(), &byte, 1);
    done->second.Reset();
    (void)!::read(done->first.get(), &byte, 1);
    ::_exit(0);
  }
  char byte = 'n';
  (void)!::read(ready->first.get(), &byte, 1);
  const std::string proc = Cat("/proc/", child);
  UniqueFd out;
  if (byte == 'y' && WriteControlFile(AT_FDCWD, proc + "/uid_map", "0 300000 65536\n").ok() &&
      WriteControlFile(AT_FDCWD, proc + "/gid_map", "0 300000 65536\n").ok()) {
    if (auto fd = OpenFile(proc + "/ns/user", O_RDONLY); fd.ok()) out = std::move(*fd);
  }
  done->second.Reset();
  ::waitpid(child, nullptr, 0);
  return out;
}

struct Owners {
  uid_t lower;
  uid_t copied;
};
// Of a file of a layer in the overlay, and of the same once it was copied up.
Owners LookAt(const std::string& dir) {
  struct stat lower {};
  EXPECT_EQ(::stat((dir + "/merged/f0").c_str(), &lower), 0);
  EXPECT_EQ(::chmod((dir + "/merged/f0").c_str(), 0600), 0);
  struct stat upper {};
  EXPECT_EQ(::stat((dir + "/up/f0").c_str(), &upper), 0);
  return {lower.st_uid, upper.st_uid};
}

TEST_F(Overlay, LayersWithMappedIds) {
  const UniqueFd user_namespace = MakeUserNamespace();
  if (!user_namespace) GTEST_SKIP() << "needs user namespaces";
  OverlayOptions options = MakeLayers(20, 70);
  options.user_namespace = user_namespace.get();
  const Status mounted = MountOverlay(options, dir_ / "merged");
  if (mounted.code() == Code::kFailedPrecondition) GTEST_SKIP() << mounted.message();
  ASSERT_TRUE(mounted.ok()) << mounted.message();
  Check(20);
  const Owners owners = LookAt(dir_.path());
  EXPECT_EQ(owners.lower, 300000u);
  EXPECT_EQ(owners.copied, 300000u);
  // The layer itself is as it was.
  struct stat layer {};
  ASSERT_EQ(::stat((dir_ / options.lower.back() + "/f0").c_str(), &layer), 0);
  EXPECT_EQ(layer.st_uid, 0u);
  EXPECT_EQ(MountLine().find("shared:"), std::string::npos);
}

TEST_F(Overlay, LayersWithMappedIdsInANamespace) {
  const UniqueFd user_namespace = MakeUserNamespace();
  if (!user_namespace) GTEST_SKIP() << "needs user namespaces";
  OverlayOptions options = MakeLayers(20, 70);
  options.user_namespace = user_namespace.get();
  {
    const auto made = MakeIdmappedOverlayInNamespace(options, dir_ / "merged");
    if (made.status().code() == Code::kFailedPrecondition) GTEST_SKIP() << made.status().message();
    ASSERT_TRUE(made.ok()) << made.status().message();
    // Nothing of it is seen here before it is attached.
    EXPECT_EQ(MountLine(), "");
    ASSERT_TRUE(AttachMount(made->get(), dir_ / "merged").ok());
  }
  Check(20);
  const Owners owners = LookAt(dir_.path());
  EXPECT_EQ(owners.lower, 300000u);
  EXPECT_EQ(owners.copied, 300000u);
}

// Linux 6.7 to 6.14 take no layer that is not in the caller's mount namespace, and have marked the
// work directory by then. All kernels do so when the mounts have been taken away (MNT_DETACH).
TEST_F(Overlay, LayersThatTheKernelDoesNotTakeDetached) {
  const UniqueFd user_namespace = MakeUserNamespace();
  if (!user_namespace) GTEST_SKIP() << "needs user namespaces";
  OverlayOptions options = MakeLayers(20, 70);
  options.user_namespace = user_namespace.get();
  options.volatile_upper = true;
  Status refused;
  const auto first = [&](const OverlayOptions& wanted) -> Result<UniqueFd> {
    std::vector<UniqueFd> layers;
    OverlayOptions taken = wanted;
    taken.user_namespace = -1;
    taken.lower_root = "/proc/self/fd";
    taken.lower.clear();
    for (const std::string& name : wanted.lower) {
      layers.push_back(CRISP_TRY(CloneIdmapped(dir_ / name, wanted.user_namespace)));
      CRISP_RETURN_IF_ERROR(AttachMount(layers.back().get(), dir_ / "merged"));
      CRISP_RETURN_IF_ERROR(EnsureUnmounted(dir_ / "merged", /*detach=*/true));
      taken.lower.push_back(std::to_string(layers.back().get()));
    }
    auto made = MakeDetachedOverlay(taken);
    refused = made.status();
    return made;
  };
  const Status mounted = MountIdmappedOverlay(options, dir_ / "merged", first);
  if (mounted.code() == Code::kFailedPrecondition) GTEST_SKIP() << mounted.message();
  if (refused.code() == Code::kUnimplemented) GTEST_SKIP() << refused.message();
  EXPECT_EQ(refused.sys_errno(), EINVAL) << refused.ToString();
  ASSERT_TRUE(mounted.ok()) << mounted.message();
  Check(20);
  const Owners owners = LookAt(dir_.path());
  EXPECT_EQ(owners.lower, 300000u);
  EXPECT_EQ(owners.copied, 300000u);
}

TEST_F(Overlay, OtherFailuresAreNotTriedAgain) {
  OverlayOptions options = MakeLayers(1);
  const Status status = MountIdmappedOverlay(options, dir_ / "merged", [](const OverlayOptions&) {
    return Result<UniqueFd>(ErrnoStatus(ENOSPC, "first way"));
  });
  EXPECT_EQ(status.sys_errno(), ENOSPC);
  EXPECT_EQ(MountLine(), "");
}

// On a kernel without SELinux nobody takes the option; then the error shows that it was given.
TEST_F(Overlay, LabelsOfAllFiles) {
  OverlayOptions options = MakeLayers(2);
  options.label = "system_u:object_r:container_file_t:s0:c1,c2";
  for (const auto& way : {MountOverlay, MountOverlayByOptions}) {
    const Status mounted = way(options, dir_ / "merged");
    if (mounted.ok()) {
      EXPECT_TRUE(PathExists("/sys/fs/selinux/enforce"));
      EXPECT_NE(MountLine().find(options.label), std::string::npos) << MountLine();
      ASSERT_TRUE(EnsureUnmounted(dir_ / "merged").ok());
    } else {
      EXPECT_EQ(mounted.sys_errno(), EINVAL) << mounted.message();
      EXPECT_EQ(MountLine(), "");
    }
  }
  const Status detached = MakeDetachedOverlay(options).status();
  if (!detached.ok() && detached.code() != Code::kUnimplemented) {
    EXPECT_NE(detached.message().find("context=" + options.label), std::string::npos)
        << detached.message();
  }
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
