#include "base/core/dir_fd.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "base/core/mount.h"
#include "temp_dir.h"

namespace crisp {
namespace {

// root/ holds links that try to get out to secret/.
class EscapeTest : public testing::Test {
 protected:
  EscapeTest() {
    EXPECT_TRUE(EnsureDirectory(dir_ / "root/sub").ok());
    EXPECT_TRUE(EnsureDirectory(dir_ / "secret").ok());
    EXPECT_TRUE(WriteFile(dir_ / "secret/key", "secret").ok());
    EXPECT_TRUE(WriteFile(dir_ / "root/inside", "inside").ok());
    Link("../../secret/key", "root/sub/relative");
    Link(dir_ / "secret", "root/absolute");
    Link("/inside", "root/sub/rooted");
    Link("/proc/self/cwd", "root/magic");
    Link("loop", "root/loop");
    root_ = DirFd::Open(dir_ / "root").value();
  }
  void Link(const std::string& target, const std::string& name) {
    EXPECT_EQ(::symlink(target.c_str(), (dir_ / name).c_str()), 0);
  }
  TempDir dir_;
  DirFd root_;
};

TEST_F(EscapeTest, BeneathRefusesEveryWayOut) {
  EXPECT_TRUE(root_.OpenBeneath("inside", O_RDONLY).ok());
  EXPECT_TRUE(root_.OpenBeneath("sub/../inside", O_RDONLY).ok());
  for (const char* path : {"..", "../secret/key", "sub/../../secret/key", "sub/relative",
                           "absolute/key", "sub/rooted", "/inside", "magic"}) {
    EXPECT_EQ(root_.OpenBeneath(path, O_RDONLY).status().sys_errno(), EXDEV) << path;
  }
  EXPECT_EQ(root_.OpenBeneath("loop", O_RDONLY).status().sys_errno(), ELOOP);
  EXPECT_FALSE(root_.OpenDir("absolute").ok());
}

TEST_F(EscapeTest, InRootResolvesAsIfItWereTheRoot) {
  for (const char* path : {"/inside", "../../inside", "sub/rooted"}) {
    const auto fd = root_.OpenInRoot(path, O_RDONLY);
    ASSERT_TRUE(fd.ok()) << path;
    EXPECT_EQ(ReadAll(fd->get()).value(), "inside");
  }
  for (const char* path : {"sub/relative", "absolute/key", "/../secret/key", "magic/etc/passwd"}) {
    EXPECT_FALSE(root_.OpenInRoot(path, O_RDONLY).ok()) << path;
  }
}

TEST_F(EscapeTest, EnsureDirInRootMakesNothingOutside) {
  const DirFd made = root_.EnsureDirInRoot("/a/../a/b/./c").value();
  EXPECT_TRUE(PathExists(dir_ / "root/a/b/c"));
  EXPECT_TRUE(made.valid());
  ASSERT_TRUE(root_.EnsureDirInRoot("../../../up").ok());
  EXPECT_TRUE(PathExists(dir_ / "root/up"));
  EXPECT_FALSE(root_.EnsureDirInRoot("absolute/x").ok());  // dangling inside of the root
  EXPECT_FALSE(PathExists(dir_ / "secret/x"));
  EXPECT_EQ(root_.EnsureDirInRoot("inside/x").status().sys_errno(), ENOTDIR);
}

TEST_F(EscapeTest, RemoveTreeRemovesLinksNotTargets) {
  const DirFd top = DirFd::Open(dir_.path()).value();
  ASSERT_TRUE(top.RemoveTree("root").ok());
  EXPECT_FALSE(PathExists(dir_ / "root"));
  EXPECT_EQ(ReadFile(dir_ / "secret/key").value(), "secret");
  EXPECT_TRUE(top.RemoveTree("root").ok());
  EXPECT_TRUE(top.RemoveFile("root").ok());
}

TEST(DirFdTest, List) {
  TempDir dir;
  const DirFd fd = DirFd::OpenOrCreate(dir / "new/dir").value();
  EXPECT_TRUE(fd.List().value().empty());
  ASSERT_TRUE(WriteFile(dir / "new/dir/a", "").ok());
  ASSERT_TRUE(EnsureDirectory(dir / "new/dir/b").ok());
  std::vector<std::string> names = fd.List().value();
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(fd.List().value().size(), 2u);  // from the beginning again
  EXPECT_EQ(DirFd::Open(dir / "new/dir/a").status().sys_errno(), ENOTDIR);
}

TEST(DirFdTest, RemoveTreeAtPath) {
  TempDir dir;
  ASSERT_TRUE(EnsureDirectory(dir / "a/b").ok());
  EXPECT_TRUE(RemoveTreeAt(dir / "a").ok());
  EXPECT_TRUE(RemoveTreeAt(dir / "a").ok());
  EXPECT_TRUE(RemoveTreeAt(dir / "missing/a").ok());
  EXPECT_EQ(RemoveTreeAt("name").code(), Code::kInvalidArgument);
  EXPECT_EQ(RemoveTreeAt(dir.path() + "/").code(), Code::kInvalidArgument);
}

// Each of them finds directories that the others remove before they are opened.
TEST(DirFdTest, SeveralMayRemoveATree) {
  TempDir dir;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(EnsureDirectory(Cat(dir / "tree/", i, "/a")).ok());
  std::array<Status, 4> removed;
  std::vector<std::thread> threads;
  for (Status& status : removed) {
    threads.emplace_back([&] { status = RemoveTreeAt(dir / "tree"); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : removed) EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_FALSE(PathExists(dir / "tree"));
}

TEST(DirFdTest, TreesDeeperThanAnyPathAreRemoved) {
  TempDir dir;
  ASSERT_TRUE(EnsureDirectory(dir / "deep").ok());
  UniqueFd at = OpenFile(dir / "deep", O_RDONLY | O_DIRECTORY).value();
  // The name that the remover uses when it moves a directory up.
  ASSERT_EQ(::mkdirat(at.get(), ".removed.0", 0755), 0);
  for (int i = 0; i < 1200; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "directory", 0755), 0);
    at = OpenAt(at.get(), "directory", O_RDONLY | O_DIRECTORY).value();
  }
  at.Reset();
  // Fewer descriptors than levels, as a daemon may have.
  rlimit limit{}, old{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  limit = old;
  limit.rlim_cur = std::min<rlim_t>(old.rlim_cur, 512);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  const int before = OpenDescriptors();
  const Status removed = RemoveTreeAt(dir / "deep");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_TRUE(removed.ok()) << removed.message().substr(0, 200);
  EXPECT_FALSE(PathExists(dir / "deep"));
  EXPECT_EQ(OpenDescriptors(), before);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they need address space
// Ends the process, with 0 if 4 MiB more than it has now were enough.
[[noreturn]] void RemoveWithLittleMemory(const std::string& tree) {
  rlimit limit{};
  const auto pages = ReadFile("/proc/self/statm");
  if (!pages.ok() || ::getrlimit(RLIMIT_AS, &limit) != 0) ::_exit(2);
  limit.rlim_cur = std::stoul(*pages) * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (4 << 20);
  if (::setrlimit(RLIMIT_AS, &limit) != 0) ::_exit(3);
  ::_exit(RemoveTreeAt(tree).ok() ? 0 : 1);
}

// A container may make millions; their names alone would be gigabytes.
TEST(DirFdDeathTest, DirectoriesLargerThanMemoryAreRemoved) {
  TempDir dir;
  ASSERT_TRUE(EnsureDirectory(dir / "tree/large").ok());
  ASSERT_TRUE(WriteFile(dir / "tree/file", "").ok());
  const DirFd large = DirFd::Open(dir / "tree/large").value();
  for (int i = 0; i < 30000; ++i) {
    std::string name = std::to_string(i);
    name.resize(250, 'x');
    ASSERT_EQ(::linkat(AT_FDCWD, (dir / "tree/file").c_str(), large.get(), name.c_str(), 0), 0);
  }
  EXPECT_EXIT(RemoveWithLittleMemory(dir / "tree"), testing::ExitedWithCode(0), "");
  EXPECT_FALSE(PathExists(dir / "tree"));
}
#endif

TEST(DirFdTest, RemoveTreeStopsAtMounts) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  TempDir dir;
  ASSERT_TRUE(EnsureDirectory(dir / "tree/a/mnt").ok());
  ASSERT_TRUE(EnsureDirectory(dir / "volume").ok());
  ASSERT_TRUE(WriteFile(dir / "volume/data", "precious").ok());
  Status entered, removed;
  // On a thread of its own, so that the mount is in a namespace that ends with it.
  std::thread thread([&] {
    if (::unshare(CLONE_FS | CLONE_NEWNS) != 0) {
      entered = Errno("unshare");
      return;
    }
    entered = Mount("none", "/", "", MS_REC | MS_PRIVATE, "");
    // The same file system: a comparison of device numbers would walk into it.
    if (entered.ok()) entered = BindMount(dir / "volume", dir / "tree/a/mnt");
    removed = RemoveTreeAt(dir / "tree");
  });
  thread.join();
  if (!entered.ok()) GTEST_SKIP() << entered.ToString();
  EXPECT_EQ(removed.sys_errno(), EBUSY) << removed.ToString();
  EXPECT_EQ(ReadFile(dir / "volume/data").value(), "precious");
}

}  // namespace
}  // namespace crisp
