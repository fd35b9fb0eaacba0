#include "base/netns_handle.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/core/file.h"
#include "base/core/mount.h"
#include "temp_dir.h"

namespace crisp {
namespace {

ino_t NamespaceOf(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 ? st.st_ino : 0;
}

bool LoopbackIsUp() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  return ::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
}

class NetnsHandleTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "new namespaces need root";
    if (const Status s = PinNamespaces({{CLONE_NEWUTS, dir_ / "probe"}}, nullptr); !s.ok()) {
      GTEST_SKIP() << s.ToString();
    }
    ASSERT_TRUE(EnsureUnpinned(dir_ / "probe").ok());
  }
  TempDir dir_;
};

TEST_F(NetnsHandleTest, PinsSeveralAndLeavesTheCallerAlone) {
  const ino_t own_net = NamespaceOf("/proc/thread-self/ns/net");
  const ino_t own_uts = NamespaceOf("/proc/thread-self/ns/uts");
  ASSERT_TRUE(PinNamespaces({{CLONE_NEWNET, dir_ / "net"},
                             {CLONE_NEWIPC, dir_ / "ipc"},
                             {CLONE_NEWUTS, dir_ / "uts"}},
                            [] {
                              if (::sethostname("pinned", 6) != 0) return Errno("sethostname");
                              return BringLoopbackUp();
                            })
                  .ok());
  EXPECT_EQ(NamespaceOf("/proc/thread-self/ns/net"), own_net);
  EXPECT_EQ(NamespaceOf("/proc/thread-self/ns/uts"), own_uts);
  EXPECT_NE(NamespaceOf(dir_ / "net"), own_net);
  EXPECT_NE(NamespaceOf(dir_ / "uts"), own_uts);

  const NetnsHandle handle = NetnsHandle::Open(dir_ / "net").value();
  bool up = false;
  ino_t inside = 0;
  ASSERT_TRUE(handle
                  .Run([&] {
                    up = LoopbackIsUp();
                    inside = NamespaceOf("/proc/thread-self/ns/net");
                    return OkStatus();
                  })
                  .ok());
  EXPECT_TRUE(up);
  EXPECT_EQ(inside, NamespaceOf(dir_ / "net"));
  EXPECT_EQ(handle.Run([] { return NotFound("passed on"); }).message(), "passed on");

  for (const char* name : {"net", "ipc", "uts"}) {
    EXPECT_TRUE(EnsureUnpinned(dir_ / name).ok());
    EXPECT_TRUE(EnsureUnpinned(dir_ / name).ok());
    EXPECT_FALSE(PathExists(dir_ / name));
  }
}

TEST_F(NetnsHandleTest, AFailedPinLeavesNothing) {
  EXPECT_FALSE(
      PinNamespaces({{CLONE_NEWNET, dir_ / "net"}, {CLONE_NEWUTS, dir_ / "missing/uts"}}, nullptr)
          .ok());
  EXPECT_FALSE(PathExists(dir_ / "net"));
  const Status prepare =
      PinNamespaces({{CLONE_NEWNET, dir_ / "net"}}, [] { return Unavailable("not now"); });
  EXPECT_EQ(prepare.code(), Code::kUnavailable);
  EXPECT_FALSE(PathExists(dir_ / "net"));
}

TEST_F(NetnsHandleTest, AFileThatIsNoNamespace) {
  ASSERT_TRUE(WriteFile(dir_ / "plain", "").ok());
  const NetnsHandle handle = NetnsHandle::Open(dir_ / "plain").value();
  EXPECT_EQ(handle.Run([] { return OkStatus(); }).sys_errno(), EINVAL);
  EXPECT_EQ(NetnsHandle::Open(dir_ / "missing").status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace crisp
