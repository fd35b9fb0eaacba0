// What a layer's tree holds while others work: descriptors, and the host's mounts.
#include "image/pull/layer_tree.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <future>
#include <iterator>
#include <thread>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

size_t OpenDescriptors() { return DirFd::Open("/proc/self/fd")->List()->size(); }

TEST(LayerTree, HoldsNoDirectoriesWhileItWaitsForItsParents) {
  TempDir dir;
  size_t waiting = 0;
  auto tree = LayerTree::Create(dir / "layer", [&]() -> Result<OverlayOptions> {
    waiting = OpenDescriptors();
    return OverlayOptions();
  });
  ASSERT_TRUE(tree.ok()) << tree.status().message();
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 50; ++i) {
    const std::string name = Cat("d", i);
    ASSERT_EQ(::mkdirat(tree->root(), name.c_str(), 0755), 0);
    ASSERT_TRUE(tree->Directory(name).ok());
  }
  EXPECT_EQ(OpenDescriptors(), before + 50);
  ASSERT_TRUE(tree->Directory("implied").ok());
  EXPECT_EQ(waiting, before);
}

// Makes this a kernel without the new mount API, and so without "lowerdir+".
bool RefuseFsopen() {
  sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                        BPF_JUMP(BPF_JMP | BPF_K | BPF_JEQ, SYS_fsopen, 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{std::size(code), code};
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

void Demand(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  ::_exit(1);
}

// Ends the process, with 0 if all is as it should be. All that it makes goes with it.
[[noreturn]] void UnmountBesideAView() {
  const std::string dir = testing::TempDir();
  const std::string volume = JoinPath(dir, "volume");
  Demand(::unshare(CLONE_NEWNS) == 0, "a mount namespace");
  Demand(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
  Demand(::mount("scratch", dir.c_str(), "tmpfs", 0, "") == 0, "scratch");
  Demand(::mount("", "/", nullptr, MS_REC | MS_SHARED, nullptr) == 0, "shared mounts");
  Demand(EnsureDirectory(JoinPath(dir, "lower")).ok() && EnsureDirectory(volume).ok(), "places");
  Demand(::mount("volume", volume.c_str(), "tmpfs", 0, "") == 0, "a volume");
  Demand(WriteFile(JoinPath(volume, "data"), "x").ok(), "data");
  Demand(RefuseFsopen(), "a filter");
  std::promise<void> tied;
  std::promise<void> unmounted;
  bool held = true;
  std::thread layer([&] {
    auto tree = LayerTree::Create(JoinPath(dir, "layer"), [&]() -> Result<OverlayOptions> {
      OverlayOptions out;
      out.lower_root = dir;
      out.lower = {"lower"};
      return out;
    });
    Demand(tree.ok() && tree->Directory("implied").ok() && tree->merged(), "a tied layer");
    Demand(PathExists(JoinPath(dir, "layer/view/implied")), "a view that has a place");
    tied.set_value();
    unmounted.get_future().wait();
    held = PathExists(JoinPath(volume, "data"));
    Demand(tree->Detach().ok(), "the view's end");
  });
  tied.get_future().wait();
  Demand(::umount2(volume.c_str(), 0) == 0, "the host's unmounting");
  unmounted.set_value();
  layer.join();
  Demand(!held, "the volume is still mounted where the view is");
  ::_exit(0);
}

TEST(LayerTreeDeathTest, WhatTheHostUnmountsIsNotHeldByAView) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount";
  // The process starts anew: what this kernel has is found out once in each.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(UnmountBesideAView(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace crisp::image
