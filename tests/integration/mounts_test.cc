// CRI mounts: read-only, propagation, symlinks, order (cri-contract 8.2).
#include <sys/mount.h>
#include <unistd.h>

#include "base/core/file.h"
#include "base/core/mount.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;

class MountsTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    sandbox_.mutable_linux()->mutable_security_context()->set_privileged(true);
    pod_ = RunPod(sandbox_);
    host_ = daemon().Path("volume");
    ASSERT_THAT(EnsureDirectory(host_ + "/sub"), IsOk());
    ASSERT_THAT(WriteFile(host_ + "/file", "content\n"), IsOk());
  }

  static v1::Mount* Add(v1::ContainerConfig* config, const std::string& host,
                        const std::string& container) {
    auto* mount = config->add_mounts();
    mount->set_host_path(host);
    mount->set_container_path(container);
    return mount;
  }
  std::string Start(const v1::ContainerConfig& config) {
    return StartContainer(pod_, config, sandbox_);
  }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  std::string host_;
};

TEST_P(MountsTest, ReadWriteAndReadOnly) {
  auto config = ContainerConfig("c", {"top"});
  Add(&config, host_, "/rw");
  Add(&config, host_, "/ro")->set_readonly(true);
  Add(&config, host_ + "/file", "/etc/one-file");
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "cat /ro/file /etc/one-file; echo new > /rw/new; cat /ro/new"),
            "content\ncontent\nnew\n");
  EXPECT_EQ(Must(ReadFile(host_ + "/new")), "new\n");
  EXPECT_EQ(Shell(id, "touch /ro/x 2>/dev/null || echo refused"), "refused\n");
}

TEST_P(MountsTest, ReadOnlyIsNotRecursive) {
  ASSERT_THAT(Mount("none", host_ + "/sub", "tmpfs", 0, ""), IsOk());
  ScopedMount owner(host_ + "/sub");
  auto config = ContainerConfig("c", {"top"});
  Add(&config, host_, "/ro")->set_readonly(true);
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "touch /ro/sub/x && echo writable"), "writable\n");
  EXPECT_THAT(TryRemove(id), IsOk());
}

TEST_P(MountsTest, Propagation) {
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_security_context()->set_privileged(true);
  Add(&config, host_, "/private");
  Add(&config, host_, "/slave")->set_propagation(v1::PROPAGATION_HOST_TO_CONTAINER);
  Add(&config, host_, "/shared")->set_propagation(v1::PROPAGATION_BIDIRECTIONAL);
  const std::string id = Start(config);
  {
    ASSERT_THAT(Mount("none", host_ + "/sub", "tmpfs", 0, ""), IsOk());
    ScopedMount owner(host_ + "/sub");
    ASSERT_THAT(WriteFile(host_ + "/sub/mark", ""), IsOk());
    EXPECT_EQ(Shell(id, "ls /private/sub"), "");
    EXPECT_EQ(Shell(id, "ls /slave/sub"), "mark\n");
    EXPECT_EQ(Shell(id, "ls /shared/sub"), "mark\n");
  }
  Shell(id,
        "mkdir /shared/back /slave/stay; mount -t tmpfs none /shared/back;"
        "touch /shared/back/mark; mount -t tmpfs none /slave/stay; touch /slave/stay/mark");
  EXPECT_TRUE(PathExists(host_ + "/back/mark"));
  EXPECT_FALSE(PathExists(host_ + "/stay/mark"));
  EXPECT_THAT(TryRemove(id), IsOk());
  EXPECT_THAT(EnsureUnmounted(host_ + "/back"), IsOk());
}

TEST_P(MountsTest, SymlinkOfTheHost) {
  ASSERT_EQ(::symlink("volume", daemon().Path("link").c_str()), 0);
  auto config = ContainerConfig("c", {"top"});
  Add(&config, daemon().Path("link"), "/data");
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "cat /data/file"), "content\n");
  EXPECT_EQ(StatusOf(id).mounts(0).host_path(), daemon().Path("link"));
}

TEST_P(MountsTest, OrderDoesNotMatterAndMountsWin) {
  auto config = ContainerConfig("c", {"top"});
  Add(&config, host_ + "/file", "/a/b/file2");
  Add(&config, host_, "/a/b");
  Add(&config, host_ + "/file", "/etc/hosts");
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "cat /a/b/file2 /etc/hosts"), "content\ncontent\n");
}

TEST_P(MountsTest, AMissingHostPathIsMade) {
  auto config = ContainerConfig("c", {"top"});
  Add(&config, host_ + "/made/by/crisp", "/data");
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "touch /data/x && echo ok"), "ok\n");
  EXPECT_TRUE(PathExists(host_ + "/made/by/crisp/x"));
}

TEST_P(MountsTest, AContainerPathIsCleaned) {
  auto config = ContainerConfig("c", {"top"});
  Add(&config, host_, "/usr/bin/../data");
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "cat /usr/data/file"), "content\n");
}

CRISP_FOR_EACH_RUNTIME(MountsTest);

}  // namespace
}  // namespace crisp::test
