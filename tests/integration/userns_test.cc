// Pods in user namespaces (cri-contract 6.2), seen from inside and from outside.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/core/file.h"
#include "base/core/mount.h"
#include "tests/support/pod_test.h"
#include "tests/support/surroundings.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;

constexpr uint32_t kRoot = 300000;  // of the container, on the host
constexpr uint32_t kIds = 65536;

void Map(google::protobuf::RepeatedPtrField<v1::IDMapping>* mappings, uint32_t host = kRoot) {
  v1::IDMapping* mapping = mappings->Add();
  mapping->set_host_id(host);
  mapping->set_container_id(0);
  mapping->set_length(kIds);
}

std::string OwnerOf(const std::string& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return Cat("no ", path);
  return Cat(st.st_uid, ':', st.st_gid);
}

class UsernsTest : public PodTest {
 protected:
  // The daemon's directories are below /run, a tmpfs of this test's own: where that is no file
  // system for mapped layers, they come to the disk.
  static void SetUpTestSuite() {
    if (!InSurroundings() || TmpfsHasIdmaps()) return;
    ASSERT_THAT(run_on_disk_.Enter(), IsOk());
  }
  static void TearDownTestSuite() { EXPECT_THAT(run_on_disk_.Leave(), IsOk()); }
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (!Announced()) GTEST_SKIP() << "this machine cannot make user namespaces for pods";
    sandbox_ = SandboxConfig("pod");
    v1::UserNamespace* userns = Options()->mutable_userns_options();
    userns->set_mode(v1::POD);
    Map(userns->mutable_uids());
    Map(userns->mutable_gids());
    host_ = daemon().Path("volume");
    ASSERT_THAT(EnsureDirectory(host_ + "/sub"), IsOk());
    ASSERT_THAT(WriteFile(host_ + "/file", "content\n"), IsOk());
    ASSERT_EQ(::chown((host_ + "/file").c_str(), 7, 8), 0);
  }
  v1::NamespaceOption* Options() {
    return sandbox_.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  }
  bool Announced() {
    const auto status = Must(client().Call(v1::StatusRequest()), "status");
    for (const auto& handler : status.runtime_handlers()) {
      if (handler.name() == Runtime()) return handler.features().user_namespaces();
    }
    return false;
  }
  static v1::Mount* Add(v1::ContainerConfig* config, const std::string& host,
                        const std::string& container, bool mapped = true) {
    v1::Mount* mount = config->add_mounts();
    mount->set_host_path(host);
    mount->set_container_path(container);
    if (mapped) {
      Map(mount->mutable_uidmappings());
      Map(mount->mutable_gidmappings());
    }
    return mount;
  }
  std::string Start(const v1::ContainerConfig& config) {
    if (pod_.empty()) pod_ = RunPod(sandbox_);
    return StartContainer(pod_, config, sandbox_);
  }
  std::string Upper(const std::string& id) {
    return Cat(daemon().root(), "/containers/", id, "/upper");
  }
  void ExpectRefused(const std::string& text) {
    const Status refused = TryRunPod(sandbox_).status();
    EXPECT_THAT(refused, HasCode(Code::kInvalidArgument));
    EXPECT_THAT(refused.message(), HasSubstr(text));
  }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  std::string host_;

 private:
  static inline RunOnDisk run_on_disk_;
};

TEST_P(UsernsTest, MapsAndOwnersFromBothSides) {
  const std::string id = Start(ContainerConfig("c", {"top"}));
  EXPECT_EQ(Shell(id, "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '"),
            " 0 300000 65536\n 0 300000 65536\n");
  EXPECT_EQ(Shell(id, "id -u; id -g"), "0\n0\n");
  // From outside the process is nobody special.
  const std::string status = Must(ReadFile(Cat("/proc/", PidOf(id), "/status")));
  EXPECT_THAT(status, HasSubstr("Uid:\t300000\t300000\t300000\t300000"));
  EXPECT_THAT(status, HasSubstr("Gid:\t300000\t300000\t300000\t300000"));
  // Layers of root are root's; what is made is root's inside and 300000 on the disk.
  EXPECT_EQ(Shell(id, "stat -c %u:%g / /bin /etc /etc/passwd"), "0:0\n0:0\n0:0\n0:0\n");
  EXPECT_EQ(Shell(id,
                  "echo x > /made && mkdir /dir && chmod 600 /etc/passwd && rm /etc/group && "
                  "chown 5:6 /dir && stat -c %u:%g /made /dir /etc/passwd"),
            "0:0\n5:6\n0:0\n");
  EXPECT_EQ(OwnerOf(Upper(id) + "/made"), "300000:300000");
  EXPECT_EQ(OwnerOf(Upper(id) + "/dir"), "300005:300006");
  EXPECT_EQ(OwnerOf(Upper(id) + "/etc/passwd"), "300000:300000");
  EXPECT_EQ(Shell(id, "(echo 1 > /proc/sys/kernel/panic) 2>/dev/null || echo refused"),
            "refused\n");
}

TEST_P(UsernsTest, FilesOfThePod) {
  const std::string id = Start(ContainerConfig("c", {"top"}));
  EXPECT_EQ(Shell(id, "stat -c %u:%g /dev/shm /etc/resolv.conf /etc/hosts /etc/hostname"),
            "0:0\n0:0\n0:0\n0:0\n");
  EXPECT_EQ(Shell(id,
                  "echo x > /dev/shm/f && stat -c %u /dev/shm/f && echo '127.0.0.9 nine' >> "
                  "/etc/hosts && grep -c nine /etc/hosts"),
            "0\n1\n");
  EXPECT_EQ(Shell(id, "echo out > /dev/stdout; echo null > /dev/null; head -c 1 /dev/zero | wc -c"),
            "out\n1\n");
  EXPECT_EQ(Shell(id,
                  "cd /sys/class/net && ls -d eth0 lo | tr '\\n' ' '; test -d /sys/fs/cgroup && "
                  "echo cgroup"),
            "eth0 lo cgroup\n");
  // Another container of the pod sees the same shm.
  const std::string other = Start(ContainerConfig("d", {"top"}));
  EXPECT_EQ(Shell(other, "cat /dev/shm/f"), "x\n");
}

TEST_P(UsernsTest, NetworkBelongsToTheNamespace) {
  (*sandbox_.mutable_linux()->mutable_sysctls())["net.ipv4.ip_unprivileged_port_start"] = "80";
  (*sandbox_.mutable_linux()->mutable_sysctls())["kernel.shm_rmid_forced"] = "1";
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_security_context()->mutable_capabilities()->add_add_capabilities(
      "NET_ADMIN");
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id,
                  "cat /proc/sys/net/ipv4/ip_unprivileged_port_start "
                  "/proc/sys/kernel/shm_rmid_forced"),
            "80\n1\n");
  EXPECT_EQ(Shell(id,
                  "ip link set lo down && ip link set lo up && ip addr add 10.99.0.1/32 dev lo "
                  "&& ip addr show lo | grep -c 10.99.0.1"),
            "1\n");
  EXPECT_EQ(Shell(id, "ping -c 1 -W 2 127.0.0.1 >/dev/null && echo pong"), "pong\n");
  EXPECT_EQ(Shell(id, "hostname"), Shell(id, "cat /etc/hostname"));
}

TEST_P(UsernsTest, VolumesAreMapped) {
  auto config = ContainerConfig("c", {"top"});
  Add(&config, host_, "/data");
  Add(&config, host_ + "/file", "/one-file")->set_readonly(true);
  Add(&config, host_, "/plain", /*mapped=*/false);
  ASSERT_EQ(::chmod(daemon().Path("volume").c_str(), 0755), 0);
  ScopedMount submount;
  if (TmpfsHasIdmaps()) {
    ASSERT_THAT(Mount("none", host_ + "/sub", "tmpfs", 0, "mode=755"), IsOk());
    submount = ScopedMount(host_ + "/sub");
  }
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "stat -c %u:%g /data /data/file /one-file /data/sub"),
            "0:0\n7:8\n7:8\n0:0\n");
  EXPECT_EQ(Shell(id, "echo x > /data/made && echo y > /data/sub/made && cat /one-file"),
            "content\n");
  EXPECT_EQ(OwnerOf(host_ + "/made"), "0:0");
  EXPECT_EQ(OwnerOf(host_ + "/sub/made"), "0:0");
  EXPECT_EQ(Shell(id, "(echo z > /one-file) 2>/dev/null || echo refused"), "refused\n");
  EXPECT_EQ(Shell(id, "stat -c %u:%g /plain; touch /plain/x 2>/dev/null || echo refused"),
            "65534:65534\nrefused\n");
  // The copies made for the runtime are gone: the volume's file system is free for its owner.
  EXPECT_FALSE(PathExists(Cat(daemon().state(), "/containers/", id, "/mounts")));
  const auto status = StatusOf(id);
  ASSERT_EQ(status.mounts_size(), 3);
  EXPECT_EQ(status.mounts(0).host_path(), host_);
  EXPECT_EQ(status.mounts(0).uidmappings(0).host_id(), kRoot);
}

TEST_P(UsernsTest, VolumesBelowPrivateDirectories) {
  const std::string closed = daemon().Path("closed");
  ASSERT_THAT(EnsureDirectory(closed + "/volume", 0700), IsOk());
  ASSERT_EQ(::chmod(closed.c_str(), 0700), 0);
  ASSERT_EQ(::chmod((closed + "/volume").c_str(), 0777), 0);
  auto config = ContainerConfig("c", {"top"});
  Add(&config, closed + "/volume", "/data");
  Add(&config, closed + "/volume", "/plain", /*mapped=*/false);
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "touch /data/a /plain/b && ls /data | tr '\\n' ' '"), "a b ");
  EXPECT_EQ(OwnerOf(closed + "/volume/a"), "0:0");
  EXPECT_EQ(OwnerOf(closed + "/volume/b"), "300000:300000");
}

TEST_P(UsernsTest, MountsReachTheContainer) {
  auto config = ContainerConfig("c", {"top"});
  Add(&config, host_, "/data")->set_propagation(v1::PROPAGATION_HOST_TO_CONTAINER);
  Add(&config, host_, "/private");
  const std::string id = Start(config);
  ASSERT_THAT(Mount("none", host_ + "/sub", "tmpfs", 0, "mode=755"), IsOk());
  ScopedMount submount(host_ + "/sub");
  ASSERT_THAT(WriteFile(host_ + "/sub/mark", ""), IsOk());
  EXPECT_EQ(Shell(id, "ls /data/sub; ls /private/sub"), "mark\n");
}

// The mapped copies of volumes go once a container is made; unmounting a copy must not reach what
// is mounted at the host below the original.
TEST_P(UsernsTest, WhatIsMountedBelowAVolumeStaysAtTheHost) {
  ASSERT_THAT(Mount("none", host_ + "/sub", "tmpfs", 0, "mode=755"), IsOk());
  ScopedMount submount(host_ + "/sub");
  ASSERT_THAT(WriteFile(host_ + "/sub/mark", ""), IsOk());
  auto config = ContainerConfig("c", {"top"});
  Add(&config, host_, "/data")->set_propagation(v1::PROPAGATION_HOST_TO_CONTAINER);
  Add(&config, host_, "/private");
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "ls /data/sub; ls /private/sub"), "mark\nmark\n");
  EXPECT_TRUE(PathExists(host_ + "/sub/mark")) << "unmounted with the copy";
  EXPECT_THAT(TryRemove(id), IsOk());
  EXPECT_TRUE(PathExists(host_ + "/sub/mark")) << "unmounted with the container";
}

TEST_P(UsernsTest, UsersExecAndTerminal) {
  auto config = ShellConfig("c",
                            "id -u; id -G; echo to-stdout > /dev/stdout; mkdir made; "
                            "stat -c %u:%g . made; top");
  auto* security = config.mutable_linux()->mutable_security_context();
  security->mutable_run_as_user()->set_value(1000);
  security->mutable_run_as_group()->set_value(1001);
  security->add_supplemental_groups(1234);
  config.set_working_dir("/tmp");
  const std::string id = Start(config);
  EXPECT_THAT(Shell(id, "id -u; id -g"), "1000\n1001\n");
  EXPECT_EQ(Shell(id, "echo again > /dev/stdout"), "again\n");
  EXPECT_THAT(StatusOf(id).user().linux().uid(), 1000);
  ASSERT_TRUE(Eventually([&] {
    return LogText(LogPath(sandbox_, config)).find("to-stdout") != std::string::npos;
  })) << LogText(LogPath(sandbox_, config))
      << LogText(LogPath(sandbox_, config), "stderr");
  EXPECT_EQ(OwnerOf(LogPath(sandbox_, config)), "0:0");

  auto terminal = ShellConfig("t",
                              "tty && stty -a | head -1 && echo x > /dev/tty && "
                              "stat -c %u $(tty) && echo end; top");
  terminal.set_tty(true);
  Start(terminal);
  EXPECT_TRUE(Eventually([&] {
    return LogText(LogPath(sandbox_, terminal)).find("end") != std::string::npos;
  })) << LogText(LogPath(sandbox_, terminal));
}

TEST_P(UsernsTest, NewWorkingDirectoryAndVolumes) {
  auto config = ContainerConfig("c", {"top"});
  config.set_working_dir("/srv/new/dir");
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "pwd; stat -c %u:%g /srv /srv/new /srv/new/dir; touch here"),
            "/srv/new/dir\n0:0\n0:0\n0:0\n");
}

TEST_P(UsernsTest, SharedPidNamespace) {
  Options()->set_pid(v1::POD);
  auto sleep = ContainerConfig("c", {"sleep", "4711"});
  auto top = ContainerConfig("d", {"top"});
  for (v1::ContainerConfig* config : {&sleep, &top}) {
    config->mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
        v1::POD);
  }
  const std::string first = Start(sleep);
  const std::string second = Start(top);
  EXPECT_EQ(Shell(second, "tr '\\0' ' ' < /proc/1/cmdline"), "/crisp-init ");
  EXPECT_THAT(Shell(second, "ps -o args"), HasSubstr("sleep 4711"));
  EXPECT_EQ(Shell(second, "kill -9 $(pidof sleep) && echo killed"), "killed\n");
  EXPECT_EQ(AwaitExit(first).exit_code(), 137);
}

TEST_P(UsernsTest, HostNetwork) {
  Options()->set_network(v1::NODE);
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(
      v1::NODE);
  config.mutable_linux()->mutable_security_context()->mutable_capabilities()->add_add_capabilities(
      "NET_ADMIN");
  *config.mutable_linux()
       ->mutable_security_context()
       ->mutable_namespace_options()
       ->mutable_userns_options() = Options()->userns_options();
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "tr -s ' ' < /proc/self/uid_map"), " 0 300000 65536\n");
  EXPECT_EQ(Shell(id, "readlink /proc/self/ns/net"),
            Cat(std::filesystem::read_symlink("/proc/self/ns/net").string(), '\n'));
  EXPECT_EQ(Shell(id, "ip addr add 10.99.0.1/32 dev lo 2>/dev/null || echo refused"), "refused\n");
  EXPECT_EQ(Shell(id,
                  "test -e /sys/class/net/lo && echo sysfs; "
                  "(echo x > /sys/kernel/mm/transparent_hugepage/enabled) 2>/dev/null || "
                  "echo refused"),
            "sysfs\nrefused\n");
}

TEST_P(UsernsTest, PrivilegedMeansWithinTheNamespace) {
  sandbox_.mutable_linux()->mutable_security_context()->set_privileged(true);
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_security_context()->set_privileged(true);
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id,
                  "mount -t tmpfs none /mnt 2>&1 || mkdir -p /mnt && mount -t tmpfs none /mnt "
                  "&& echo mounted"),
            "mounted\n");
  EXPECT_EQ(Shell(id, "mknod /dev/x b 7 0 2>/dev/null || echo refused"), "refused\n");
}

TEST_P(UsernsTest, SurvivesTheDaemon) {
  auto config = ContainerConfig("c", {"top"});
  Add(&config, host_, "/data");
  const std::string id = Start(config);
  KillAndRestart();
  EXPECT_EQ(PodStatusOf(pod_).state(), v1::SANDBOX_READY);
  EXPECT_EQ(Shell(id, "stat -c %u:%g /data/file"), "7:8\n");
  const std::string other = Start(ContainerConfig("d", {"top"}));
  EXPECT_EQ(Shell(other, "stat -c %u /bin/sh"), "0\n");
  // Without its namespace the pod is no pod any more.
  ASSERT_EQ(::umount2(Cat(daemon().state(), "/ns/", pod_, "/user").c_str(), MNT_DETACH), 0);
  KillAndRestart();
  EXPECT_EQ(PodStatusOf(pod_).state(), v1::SANDBOX_NOTREADY);
}

TEST_P(UsernsTest, RefusedPods) {
  v1::UserNamespace* userns = Options()->mutable_userns_options();
  const v1::UserNamespace good = *userns;
  userns->set_mode(v1::CONTAINER);
  ExpectRefused("userns_options.mode CONTAINER is not allowed; use POD or NODE");
  userns->set_mode(v1::TARGET);
  ExpectRefused("userns_options.mode TARGET is not allowed");
  *userns = good;
  Map(userns->mutable_uids(), 900000);
  ExpectRefused("userns_options.uids has 2 mappings, exactly one is allowed");
  *userns = good;
  userns->mutable_gids(0)->set_container_id(1);
  ExpectRefused("userns_options.gids: container_id is 1");
  *userns = good;
  Options()->set_pid(v1::NODE);
  ExpectRefused("namespace_options.pid NODE");
}

TEST_P(UsernsTest, RefusedContainers) {
  pod_ = RunPod(sandbox_);
  const auto refused = [&](const v1::ContainerConfig& config, Code code, const std::string& text) {
    const Status status = TryCreate(pod_, config, sandbox_).status();
    EXPECT_THAT(status, HasCode(code));
    EXPECT_THAT(status.message(), HasSubstr(text));
  };
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_security_context()->mutable_run_as_user()->set_value(65536);
  refused(config, Code::kInvalidArgument, "user 65536 is not in the pod's user namespace");
  config = ContainerConfig("c", {"top"});
  Add(&config, host_, "/data")->mutable_uidmappings(0)->set_host_id(5);
  refused(config, Code::kInvalidArgument, "mount /data: uidMappings must be those of the pod");
  config = ContainerConfig("c", {"top"});
  Add(&config, "/proc", "/data");
  refused(config, Code::kFailedPrecondition,
          "mount /data: map the ids of /proc: its file system "
          "(proc)");
  config = ContainerConfig("c", {"top"});
  Add(&config, host_, "/data")->set_propagation(v1::PROPAGATION_BIDIRECTIONAL);
  refused(config, Code::kInvalidArgument, "mount /data: propagation BIDIRECTIONAL");
  config = ContainerConfig("c", {"top"});
  config.mutable_linux()
      ->mutable_security_context()
      ->mutable_namespace_options()
      ->mutable_userns_options()
      ->set_mode(v1::NODE);
  refused(config, Code::kInvalidArgument, "userns_options differ from the sandbox's");
}

CRISP_FOR_EACH_RUNTIME(UsernsTest);

}  // namespace
}  // namespace crisp::test
