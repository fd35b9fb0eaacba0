// User namespaces made by crisp-init, and namespaces that belong to one.
#include "pod/userns_pins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/core/child_process.h"
#include "base/core/file.h"
#include "base/core/mount.h"
#include "pod/sysctls.h"

// linux/nsfs.h
#ifndef NS_GET_USERNS
#define NS_GET_USERNS _IO(0xb7, 0x1)
#endif

namespace crisp::pod {
namespace {

constexpr oci::IdMapping kUids = {0, 300000, 65536};
constexpr oci::IdMapping kGids = {0, 400000, 65536};

ino_t InodeOf(int fd) {
  struct stat st {};
  return ::fstat(fd, &st) == 0 ? st.st_ino : 0;
}
ino_t InodeOf(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 ? st.st_ino : 0;
}

class UsernsPins : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    if (::unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "needs a mount namespace of its own";
    ASSERT_EQ(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    char name[] = "/tmp/userns-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    if (const auto made = MakeUserNamespace(maker_, kUids, kGids); !made.ok()) {
      GTEST_SKIP() << made.status().ToString();
    }
  }
  void TearDown() override {
    if (dir_.empty()) return;
    for (const char* name : {"/user", "/net", "/ipc", "/uts"}) (void)EnsureUnpinned(dir_ + name);
    std::filesystem::remove_all(dir_);
  }

  const NamespaceMaker maker_{CRISP_INIT_BINARY, nullptr};
  std::string dir_;
};

TEST_F(UsernsPins, HasTheMappings) {
  ASSERT_TRUE(PinUserNamespace(maker_, kUids, kGids, dir_ + "/user").ok());
  EXPECT_NE(InodeOf(dir_ + "/user"), InodeOf("/proc/self/ns/user"));
  // A process of it sees them. Another program: one with threads cannot enter.
  RunOptions run;
  run.argv = {"nsenter", Cat("--user=", dir_, "/user"), "cat", "/proc/self/uid_map",
              "/proc/self/gid_map"};
  run.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  run.deadline = MonoNow() + std::chrono::seconds(20);
  const RunOutput output = crisp::Run(run).value();
  EXPECT_TRUE(output.status.success()) << output.stderr_data;
  EXPECT_NE(output.stdout_data.find(" 300000 "), std::string::npos) << output.stdout_data;
  EXPECT_NE(output.stdout_data.find(" 400000 "), std::string::npos) << output.stdout_data;
}

TEST_F(UsernsPins, NamespacesBelongToIt) {
  ASSERT_TRUE(PinUserNamespace(maker_, kUids, kGids, dir_ + "/user").ok());
  std::string hostname;
  const Status pinned = PinOwnedNamespaces(
      maker_, dir_ + "/user",
      {{CLONE_NEWNET, dir_ + "/net"}, {CLONE_NEWIPC, dir_ + "/ipc"}, {CLONE_NEWUTS, dir_ + "/uts"}},
      [&]() -> Status {
        if (::sethostname("inside", 6) != 0) return Errno("sethostname");
        CRISP_RETURN_IF_ERROR(BringLoopbackUp());
        return WriteSysctls({{"net.ipv4.ip_unprivileged_port_start", "0"},
                             {"net.ipv4.ping_group_range", "0 2147483647"},
                             {"kernel.shm_rmid_forced", "1"},
                             {"fs.mqueue.msg_max", "100"}},
                            {kUids.host_id, kGids.host_id});
      });
  ASSERT_TRUE(pinned.ok()) << pinned.ToString();
  const ino_t user = InodeOf(dir_ + "/user");
  for (const char* name : {"/net", "/ipc", "/uts"}) {
    const UniqueFd ns = OpenFile(dir_ + name, O_RDONLY).value();
    const UniqueFd owner(::ioctl(ns.get(), NS_GET_USERNS));
    ASSERT_TRUE(owner.valid()) << name;
    EXPECT_EQ(InodeOf(owner.get()), user) << name;
  }
  EXPECT_EQ(::geteuid(), 0u);
}

TEST_F(UsernsPins, FailuresLeaveNothing) {
  EXPECT_FALSE(PinUserNamespace(maker_, {0, 5, 0}, kGids, dir_ + "/user").ok());
  EXPECT_FALSE(PathExists(dir_ + "/user"));
  ASSERT_TRUE(WriteFile(dir_ + "/plain", "").ok());
  const Status joined =
      PinOwnedNamespaces(maker_, dir_ + "/plain", {{CLONE_NEWNET, dir_ + "/net"}}, nullptr);
  EXPECT_THAT(joined.message(), testing::HasSubstr("could not enter the user namespace"));
  EXPECT_FALSE(PathExists(dir_ + "/net"));
  ASSERT_TRUE(PinUserNamespace(maker_, kUids, kGids, dir_ + "/user").ok());
  const Status prepared =
      PinOwnedNamespaces(maker_, dir_ + "/user", {{CLONE_NEWNET, dir_ + "/net"}},
                         [] { return Unavailable("on purpose"); });
  EXPECT_EQ(prepared.code(), Code::kUnavailable);
  EXPECT_FALSE(PathExists(dir_ + "/net"));
  const NamespaceMaker missing{"/nowhere/crisp-init", nullptr};
  EXPECT_EQ(MakeUserNamespace(missing, kUids, kGids).status().code(), Code::kFailedPrecondition);
  const NamespaceMaker other{"/bin/true", nullptr};
  EXPECT_THAT(MakeUserNamespace(other, kUids, kGids).status().message(),
              testing::HasSubstr("ended without making namespaces"));
}

}  // namespace
}  // namespace crisp::pod
