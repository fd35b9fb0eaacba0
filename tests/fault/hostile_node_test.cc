// A machine without space, descriptors, processes, memory or a steady clock. In each case: calls
// are answered in time with a code that says so, what runs goes on and can be stopped, and when
// the shortage is over everything works and nothing is left.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/cgroup_dir.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/mount.h"
#include "tests/fault/fault_fixture.h"
#include "tests/support/reboot.h"

namespace crisp::test {
namespace {

class HostileNodeTest : public FaultTest {
 protected:
  void StartPod() {
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
    id_ = StartContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
  }
  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  std::string id_;
};

// --- Disks ---------------------------------------------------------------------------------------

// One of the daemon's directories becomes a small file system of its own.
class SmallDiskTest : public HostileNodeTest {
 protected:
  static constexpr int kSize_mib = 32;

  void MoveToSmallDisk(const std::string& dir) {
    MoveTo(dir, [&] { return Mount("small", dir, "tmpfs", 0, Cat("size=", kSize_mib, "m")); });
  }
  void MoveTo(const std::string& dir, const std::function<Status()>& mount) {
    daemon().Kill();
    Copy(dir, dir + ".copy");
    ASSERT_THAT(mount(), IsOk());
    Copy(dir + ".copy", dir);
    dir_ = dir;
    ASSERT_FALSE(HasFailure());
    ASSERT_THAT(daemon().Start(), IsOk());
    small_census_ = Census::Take(daemon());
  }
  void TearDown() override {
    if (!dir_.empty()) {
      Free();
      RemoveAllPods();
      EXPECT_EQ(AwaitCensus(daemon(), *small_census_), "");
      daemon().Kill();
      EXPECT_THAT(EnsureUnmounted(dir_, /*detach=*/true), IsOk());
      // What lies below is the state from before, which knows no pods either.
    }
    FaultTest::TearDown();
  }
  void Fill() {
    const auto fd = Must(OpenFile(dir_ + "/ballast", O_WRONLY | O_CREAT, 0600));
    const std::string chunk(65536, 'x');
    while (::write(fd.get(), chunk.data(), chunk.size()) > 0) {
    }
    while (::write(fd.get(), chunk.data(), 1) > 0) {
    }
    EXPECT_EQ(errno, ENOSPC);
  }
  void Free() {
    const std::string ballast = dir_ + "/ballast";
    ::unlink(ballast.c_str());
  }
  // A failure has to say what is missing.
  void ExpectOkOrFull(const Status& status) {
    if (!status.ok()) {
      EXPECT_THAT(status, HasCode(Code::kResourceExhausted));
    }
  }

  static Status RunTool(std::vector<std::string> argv) {
    RunOptions run;
    run.argv = std::move(argv);
    const RunOutput output = CRISP_TRY(crisp::Run(run));
    return output.status.success() ? OkStatus() : Internal(run.argv[0], ": ", output.stderr_data);
  }

 private:
  void Copy(const std::string& from, const std::string& to) {
    EXPECT_THAT(EnsureDirectory(to), IsOk());
    EXPECT_THAT(RunTool({"cp", "-a", from + "/.", to + "/"}), IsOk());
  }

  std::string dir_;
  std::optional<Census> small_census_;
};

// Stopping is what frees a disk, so it works on a full one.
TEST_P(SmallDiskTest, FullRoot) {
  MoveToSmallDisk(daemon().root());
  StartPod();
  Fill();
  ExpectOkOrFull(Timed([&] { return TryRunPod(SandboxConfig("more")).status(); }));
  ExpectOkOrFull(
      Timed([&] { return TryCreate(pod_, ContainerConfig("d", {"top"}), sandbox_).status(); }));
  EXPECT_EQ(Shell(id_, "echo works"), "works\n");
  EXPECT_EQ(StatusOf(id_).state(), v1::CONTAINER_RUNNING);
  EXPECT_THAT(Timed([&] { return TryStop(id_, 0); }), IsOk());
  EXPECT_THAT(Timed([&] { return TryStopPod(pod_); }), IsOk());
  ExpectOkOrFull(Timed([&] { return TryRemovePod(pod_); }));
  // A daemon starts, too: somebody has to remove images.
  KillAndRestart();
  Free();
  LiveBeside();
}

// /var/lib is full and /run is empty: the daemon has to start, say what is there, and let it be
// removed, or nobody can free the disk.
TEST_P(SmallDiskTest, RebootOntoAFullRoot) {
  MoveToSmallDisk(daemon().root());
  StartPod();
  const std::string created = CreateContainer(pod_, ContainerConfig("d", {"top"}), sandbox_);
  const std::vector<pid_t> running = {PidOf(id_), PidOf(created)};
  ASSERT_THAT(daemon().StopGracefully(), IsOk());
  Fill();
  {
    const auto reboot = Must(Reboot::Of(daemon(), running));
    ASSERT_THAT(Timed([&] { return daemon().Start(); }), IsOk());
    EXPECT_EQ(PodStatusOf(pod_).state(), v1::SANDBOX_NOTREADY);
    for (const std::string& id : {id_, created}) {
      EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_EXITED);
      EXPECT_EQ(StatusOf(id).reason(), "Unknown");
    }
    ExpectOkOrFull(Timed([&] { return TryRunPod(SandboxConfig("more")).status(); }));
    // Once more, before anything was freed.
    KillAndRestart();
    EXPECT_EQ(StatusOf(id_).state(), v1::CONTAINER_EXITED);
    Fill();
    RemoveAllPods();
    Fill();
    KillAndRestart();
    EXPECT_EQ(Must(client().Call(v1::ListPodSandboxRequest())).items_size(), 0);
    Free();
    StartPod();
    KillAndRestart();
    EXPECT_EQ(StatusOf(id_).state(), v1::CONTAINER_RUNNING) << "of this boot";
    RemoveAllPods();
    daemon().Kill();
  }
  ASSERT_THAT(daemon().Start(), IsOk());
}

TEST_P(SmallDiskTest, FullState) {
  MoveToSmallDisk(daemon().state());
  StartPod();
  Fill();
  ExpectOkOrFull(Timed([&] { return TryRunPod(SandboxConfig("more")).status(); }));
  ExpectOkOrFull(
      Timed([&] { return TryCreate(pod_, ContainerConfig("d", {"top"}), sandbox_).status(); }));
  ExpectOkOrFull(Timed([&] { return TryExec(id_, {"true"}).status(); }));
  EXPECT_THAT(Timed([&] { return TryStop(id_, 0); }), IsOk());
  EXPECT_EQ(StatusOf(id_).state(), v1::CONTAINER_EXITED);
  EXPECT_THAT(Timed([&] { return TryStopPod(pod_); }), IsOk());
  Free();
  LiveBeside();
}

// Lines are lost then, but none is half there, and the container runs on.
TEST_P(SmallDiskTest, FullLogs) {
  MoveToSmallDisk(daemon().log_dir());
  sandbox_ = SandboxConfig("pod");
  pod_ = RunPod(sandbox_);
  const auto config =
      ShellConfig("c", "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.02; done");
  id_ = StartContainer(pod_, config, sandbox_);
  const std::string path = LogPath(sandbox_, config);
  EXPECT_TRUE(Eventually([&] { return ReadLog(path).size() > 5; }));
  Fill();
  EXPECT_EQ(Shell(id_, "sleep 0.5; echo works"), "works\n");
  const size_t full = ReadLog(path).size();
  Free();
  EXPECT_TRUE(Eventually([&] { return ReadLog(path).size() > full; }));
  for (const LogLine& line : ReadLog(path)) EXPECT_EQ(line.content.substr(0, 5), "line ");
  EXPECT_THAT(TryStop(id_, 0), IsOk());
}

TEST_P(SmallDiskTest, ReadOnly) {
  MoveToSmallDisk(daemon().root());
  StartPod();
  daemon().Kill();
  // After an I/O error the kernel remounts a disk like this; a daemon then says so at its start.
  const auto remount = [&](unsigned long flags) {
    return Mount("none", daemon().root(), "", MS_REMOUNT | MS_BIND | flags, "");
  };
  ASSERT_THAT(remount(MS_RDONLY), IsOk());
  const Status refused = Timed([&] { return daemon().Start(); });
  EXPECT_THAT(refused, HasCode(Code::kUnavailable));
  EXPECT_THAT(refused.message(), testing::HasSubstr("Read-only file system"));
  ASSERT_THAT(remount(0), IsOk());
  ASSERT_THAT(daemon().Start(), IsOk());
  EXPECT_EQ(Shell(id_, "echo works"), "works\n");
}

// What the kernel does to a disk after an I/O error: it is read-only from one moment to the next,
// under everything that is open, and stays so until it is mounted again.
TEST_P(SmallDiskTest, TurnsReadOnly) {
  const std::string image = daemon().Path("disk.img");
  const auto mount = [&] {
    return RunTool({"mount", "-o", "loop,errors=remount-ro", image, daemon().root()});
  };
  RunOptions format;
  format.argv = {"sh", "-c", Cat("truncate -s 96M ", image, " && mkfs.ext4 -q -F ", image)};
  const auto formatted = crisp::Run(format);
  if (!formatted.ok() || !formatted->status.success()) GTEST_SKIP() << "needs mkfs.ext4";
  if (const Status mounted = mount(); !mounted.ok()) {
    GTEST_SKIP() << "needs a loop device: " << mounted.ToString();
  }
  ASSERT_THAT(EnsureUnmounted(daemon().root()), IsOk());
  MoveTo(daemon().root(), mount);
  StartPod();
  EXPECT_EQ(Shell(id_, "echo x > /file && cat /file"), "x\n");
  // What is not on the disk by then is lost.
  ASSERT_THAT(RunTool({"sync", "-f", daemon().root()}), IsOk());
  ASSERT_THAT(Mount("none", daemon().root(), "", MS_REMOUNT, "abort"), IsOk());
  EXPECT_EQ(Must(TryExec(id_, {"sh", "-c", "echo y > /file"})).exit_code(), 1);
  const auto failure = testing::Not(IsOk());
  EXPECT_THAT(Timed([&] { return TryRunPod(SandboxConfig("more")).status(); }), failure);
  EXPECT_THAT(
      Timed([&] { return TryCreate(pod_, ContainerConfig("d", {"top"}), sandbox_).status(); }),
      failure);
  EXPECT_EQ(Shell(id_, "echo works; cat /file"), "works\nx\n");
  EXPECT_EQ(StatusOf(id_).state(), v1::CONTAINER_RUNNING);
  EXPECT_THAT(Timed([&] { return TryStop(id_, 0); }), IsOk());
  EXPECT_EQ(StatusOf(id_).exit_code(), 137);
  // The plugins' result stands there, and is needed until it can be removed.
  const Status stopped = Timed([&] { return TryStopPod(pod_); });
  EXPECT_THAT(stopped.message(), testing::HasSubstr("Read-only file system"));
  EXPECT_THAT(Timed([&] { return TryRemovePod(pod_); }), failure);
  EXPECT_EQ(Must(client().Call(v1::ListPodSandboxRequest())).items_size(), 1);
  daemon().Kill();
  const Status refused = Timed([&] { return daemon().Start(); });
  EXPECT_THAT(refused.message(), testing::HasSubstr("Read-only file system"));
  // Its mounts must go before it can be mounted again.
  ASSERT_THAT(EnsureUnmounted(Cat(daemon().state(), "/containers/", id_, "/merged")), IsOk());
  ASSERT_THAT(EnsureUnmounted(daemon().root()), IsOk());
  ASSERT_THAT(mount(), IsOk());
  ASSERT_THAT(daemon().Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return StatusOf(id_).state() == v1::CONTAINER_EXITED; }));
  EXPECT_THAT(TryStopPod(pod_), IsOk());
  EXPECT_THAT(TryRemovePod(pod_), IsOk());
  LiveBeside();
}

INSTANTIATE_TEST_SUITE_P(Disks, SmallDiskTest, testing::Values("disk"), FaultCaseName);

class SmallImageDiskTest : public SmallDiskTest {
 protected:
  static constexpr char kSmall[] = "127.0.0.1:5000/test/small:1";  // at the registry
  static constexpr char kLarge[] = "docker.io/test/large:1";       // to be imported

  void SetUp() override {
    if (FindProgram("docker-registry").empty() || FindProgram("skopeo").empty()) {
      GTEST_SKIP() << "needs docker-registry and skopeo";
    }
    SmallDiskTest::SetUp();
  }
  // So that the registry is in the census.
  Status BeforeStart() override {
    const std::string images = daemon().Path("images");
    LayoutOptions large;
    large.name = kLarge;
    large.add_dir = images + "/more";
    CRISP_RETURN_IF_ERROR(EnsureDirectory(large.add_dir));
    CRISP_RETURN_IF_ERROR(WriteFile(large.add_dir + "/bytes", std::string(8 << 20, 'x')));
    CRISP_RETURN_IF_ERROR(MakeLayout(images + "/large", large).status());
    LayoutOptions small;
    small.name = "docker.io/test/small:1";
    CRISP_RETURN_IF_ERROR(MakeLayout(images + "/small", small).status());
    registry_ = CRISP_TRY(StartRegistry(daemon().Path("registry"), 5000));
    return PushLayout(images + "/small", small.name, kSmall);
  }
  Status PullSmall() {
    v1::PullImageRequest request;
    request.mutable_image()->set_image(kSmall);
    return client().Call(request, limit()).status();
  }
  Status RemoveImage(const std::string& name) {
    v1::RemoveImageRequest request;
    request.mutable_image()->set_image(name);
    return client().Call(request, limit()).status();
  }
  size_t Images() {
    return static_cast<size_t>(Must(client().Call(v1::ListImagesRequest())).images_size());
  }

  ChildProcess registry_;
};

// A pull says that the disk is full and leaves nothing; removing an image works and makes room.
TEST_P(SmallImageDiskTest, PullOntoAFullDisk) {
  MoveToSmallDisk(daemon().root());
  const size_t images = Images();
  const auto imported = Must(daemon().Crisp({"image", "import"}, {daemon().Path("images/large")}));
  ASSERT_TRUE(imported.status.success()) << imported.stderr_data;
  EXPECT_EQ(Images(), images + 1);
  const Census before = Census::Take(daemon());
  Fill();
  EXPECT_THAT(Timed([&] { return PullSmall(); }), HasCode(Code::kResourceExhausted));
  EXPECT_EQ(Images(), images + 1);
  EXPECT_EQ(AwaitCensus(daemon(), before), "");
  Fill();
  EXPECT_THAT(Timed([&] { return RemoveImage(kLarge); }), IsOk());
  EXPECT_EQ(Images(), images);
  // Its files go behind the answer.
  EXPECT_TRUE(Eventually([&] { return PullSmall().ok(); }));
  EXPECT_EQ(Images(), images + 1);
  KillAndRestart();
  EXPECT_EQ(Images(), images + 1);
  EXPECT_THAT(RemoveImage(kSmall), IsOk());
  EXPECT_EQ(AwaitCensus(daemon(), before), "");
  Free();
  LiveBeside();
}
INSTANTIATE_TEST_SUITE_P(Disks, SmallImageDiskTest, testing::Values("disk"), FaultCaseName);

// --- Limits of the daemon ------------------------------------------------------------------------

class LimitTest : public HostileNodeTest {
 protected:
  size_t Descriptors() {
    return Must(Must(DirFd::Open(Cat("/proc/", daemon().pid(), "/fd"))).List()).size();
  }
  // The soft limit of the running daemon.
  void Limit(__rlimit_resource what, rlim_t value) {
    rlimit limits{};
    ASSERT_EQ(::prlimit(daemon().pid(), what, nullptr, &limits), 0);
    limits.rlim_cur = std::min(value, limits.rlim_max);
    ASSERT_EQ(::prlimit(daemon().pid(), what, &limits, nullptr), 0);
  }
  // Everything that a client may ask for; the answers may be refusals, for want of something.
  // Gives the answer to a call that needs nothing.
  Status AskForEverything() {
    const auto refusal = testing::AnyOf(IsOk(), HasCode(Code::kResourceExhausted),
                                        HasCode(Code::kUnavailable), HasCode(Code::kInternal));
    EXPECT_THAT(Timed([&] { return TryRunPod(SandboxConfig("more")).status(); }), refusal);
    EXPECT_THAT(
        Timed([&] { return TryCreate(pod_, ContainerConfig("d", {"top"}), sandbox_).status(); }),
        refusal);
    EXPECT_THAT(Timed([&] { return TryExec(id_, {"true"}).status(); }), refusal);
    v1::ContainerStatsRequest stats;
    stats.set_container_id(id_);
    EXPECT_THAT(Timed([&] { return client().Call(stats).status(); }), refusal);
    return Timed([&] { return client().Call(v1::ListContainersRequest()).status(); });
  }
  // A daemon that did not get memory, or a thread for gRPC, has ended at once; it does not live on
  // without answering. `word` is its last, where it had one.
  void StartAgainIfItEnded(const std::string& word) {
    if (client().Call(v1::VersionRequest()).ok()) return;
    std::printf("crispd ended\n");
    ASSERT_THAT(daemon().WaitUntilDead(std::chrono::seconds(5)), IsOk());
    const std::string log = daemon().Log();
    const size_t start = log.rfind("crispd serves");
    EXPECT_THAT(log.substr(start == log.npos ? 0 : start), testing::HasSubstr(word));
    ASSERT_THAT(daemon().Start(), IsOk());
  }
  // What AskForEverything got nevertheless.
  void RemoveOthers() {
    const auto pods = Must(client().Call(v1::ListPodSandboxRequest()));
    for (const auto& pod : pods.items()) {
      if (pod.id() != pod_) {
        EXPECT_THAT(TryRemovePod(pod.id()), IsOk());
      }
    }
    const auto containers = Must(client().Call(v1::ListContainersRequest()));
    for (const auto& each : containers.containers()) {
      if (each.id() != id_) {
        EXPECT_THAT(TryRemove(each.id()), IsOk());
      }
    }
  }
};

TEST_P(LimitTest, Descriptors) {
  StartPod();
  LiveBeside();
  const size_t before = Descriptors();
  for (const size_t room : {0, 1, 3, 6, 12}) {
    SCOPED_TRACE(Cat(room, " descriptors left"));
    Limit(RLIMIT_NOFILE, before + room);
    EXPECT_THAT(AskForEverything(), IsOk());
    Limit(RLIMIT_NOFILE, RLIM_INFINITY);
    ASSERT_TRUE(daemon().running());
    RemoveOthers();
  }
  EXPECT_EQ(Shell(id_, "echo works"), "works\n");
  LiveBeside();
  EXPECT_TRUE(Eventually([&] { return Descriptors() <= before + 2; }))
      << Descriptors() << " descriptors, " << before << " before";
}

// Crisp's own threads and helpers are refused to a call; one of gRPC's ends the daemon.
TEST_P(LimitTest, Processes) {
  const auto layout = Must(CgroupLayout::Detect());
  const CgroupDir group(&layout, "/limited");
  ASSERT_THAT(group.EnsureCreated(), IsOk());
  StartPod();
  for (const int room : {0, 2, 4}) {
    SCOPED_TRACE(Cat(room, " processes left"));
    ASSERT_THAT(group.AddProcess(daemon().pid()), IsOk());
    const std::string now = Must(group.ReadFile("pids", "pids.current"));
    ASSERT_THAT(group.WriteFile("pids", "pids.max", Cat(std::atoi(now.c_str()) + room)), IsOk());
    EXPECT_THAT(AskForEverything(), testing::AnyOf(IsOk(), HasCode(Code::kUnavailable)));
    ASSERT_THAT(group.WriteFile("pids", "pids.max", "max"), IsOk());
    ASSERT_NO_FATAL_FAILURE(StartAgainIfItEnded("no thread for gRPC"));
    EXPECT_EQ(StatusOf(id_).state(), v1::CONTAINER_RUNNING);
    EXPECT_EQ(Shell(id_, "echo works"), "works\n");
    RemoveOthers();
  }
  LiveBeside();
  KillAndRestart();  // back in its own place
  RemoveAllPods();
  EXPECT_TRUE(Eventually([&] { return group.EnsureRemoved().ok(); }));
}

// A daemon without memory is killed; then it is started again, and all is as after a kill.
TEST_P(LimitTest, Memory) {
  const auto layout = Must(CgroupLayout::Detect());
  const CgroupDir group(&layout, "/limited");
  ASSERT_THAT(group.EnsureCreated(), IsOk());
  // What it holds already stays charged to where it was.
  ASSERT_THAT(
      group.WriteFile("memory", layout.v2 ? "memory.max" : "memory.limit_in_bytes", Cat(512 << 10)),
      IsOk());
  StartPod();
  ASSERT_THAT(group.AddProcess(daemon().pid()), IsOk());
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([this, i] {
      (void)Timed([&] { return TryRunPod(SandboxConfig(Cat("more", i))).status(); });
      (void)Timed([&] { return TryExec(id_, {"true"}).status(); });
    });
  }
  for (std::thread& caller : callers) caller.join();
  KillAndRestart();
  EXPECT_EQ(StatusOf(id_).state(), v1::CONTAINER_RUNNING);
  EXPECT_EQ(Shell(id_, "echo works"), "works\n");
  RemoveAllPods();
  EXPECT_TRUE(Eventually([&] { return group.EnsureRemoved().ok(); }));
  CleanUpAndLive();
}

// Where malloc fails (a limit on the address space; a group's limit kills instead), a call is
// refused or the daemon ends at once, and its successor finds everything.
TEST_P(LimitTest, AddressSpace) {
  StartPod();
  LiveBeside();
  auto large = ContainerConfig("large", {"top"});
  for (int i = 0; i < 12; ++i) {
    auto* env = large.add_envs();
    env->set_key(Cat("E", i));
    env->set_value(std::string(1 << 20, 'x'));
  }
  for (const int64_t room_mib : {0, 4, 16, 64}) {
    SCOPED_TRACE(Cat(room_mib, " MiB left"));
    const std::string status = Must(ReadFile(Cat("/proc/", daemon().pid(), "/status")));
    const int64_t size_kib = std::atoll(status.c_str() + status.find("VmSize:") + 7);
    Limit(RLIMIT_AS, static_cast<rlim_t>((size_kib << 10) + (room_mib << 20)));
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([this, i, &large] {
        (void)Timed([&] { return TryCreate(pod_, large, sandbox_).status(); });
        (void)Timed([&] { return TryRunPod(SandboxConfig(Cat("more", i))).status(); });
        (void)Timed([&] { return TryExec(id_, {"head", "-c", "9000000", "/dev/zero"}).status(); });
        (void)Timed([&] { return client().Call(v1::ListContainersRequest()).status(); });
      });
    }
    for (std::thread& caller : callers) caller.join();
    // (gRPC's own allocations abort without a word.)
    ASSERT_NO_FATAL_FAILURE(StartAgainIfItEnded(""));
    Limit(RLIMIT_AS, RLIM_INFINITY);
    EXPECT_EQ(StatusOf(id_).state(), v1::CONTAINER_RUNNING);
    EXPECT_EQ(Shell(id_, "echo works"), "works\n");
    RemoveOthers();
  }
  LiveBeside();
}

INSTANTIATE_TEST_SUITE_P(Limits, LimitTest, testing::Values("limit"), FaultCaseName);

// --- The wall clock ------------------------------------------------------------------------------

// CLOCK_REALTIME has no namespace: the daemon's clock is shifted by a preloaded library, and so
// against its monitors' (static, on the machine's clock), which is the same as a step between two
// readings.
class ClockTest : public HostileNodeTest {
 protected:
  void SetUp() override {
    HostileNodeTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Step(0);
    ::setenv("CRISP_TEST_CLOCK_FILE", daemon().Path("clock").c_str(), 1);
    ::setenv("LD_PRELOAD", ProgramPath("libcrisp-clock-shim.so").c_str(), 1);
    KillAndRestart();
    ::unsetenv("LD_PRELOAD");
  }
  void Step(int64_t seconds) {
    EXPECT_THAT(WriteFile(daemon().Path("clock"), Cat(seconds)), IsOk());
  }
  void ExpectInOrder(const std::string& id) {
    const auto status = StatusOf(id);
    EXPECT_LE(status.created_at(), status.started_at());
    EXPECT_LE(status.started_at(), status.finished_at());
  }
};

TEST_P(ClockTest, Steps) {
  StartPod();
  const int64_t first = StatusOf(id_).created_at();
  Step(-3600);
  const std::string back = StartContainer(
      pod_, ShellConfig("back", "trap '' TERM; while :; do sleep 0.1; done"), sandbox_);
  EXPECT_GT(StatusOf(back).created_at(), first) << "creation times are in order for the kubelet";
  Step(+7200);
  // Grace periods and timeouts are on the other clock.
  const MonoTime begin = MonoNow();
  Status stopped;
  std::thread stop([&] { stopped = Timed([&] { return TryStop(back, 2); }); });
  Step(-7200);
  const auto exec = TryExec(id_, {"sleep", "100"}, 1);
  EXPECT_THAT(exec, HasCode(Code::kDeadlineExceeded));
  stop.join();
  EXPECT_THAT(stopped, IsOk());
  EXPECT_GE(MonoNow() - begin, std::chrono::seconds(2));
  EXPECT_EQ(StatusOf(back).exit_code(), 137);
  ExpectInOrder(back);
  Step(+7200);
  const std::string ahead = StartContainer(pod_, ShellConfig("ahead", "exit 5"), sandbox_);
  EXPECT_EQ(AwaitExit(ahead).exit_code(), 5);
  ExpectInOrder(ahead);
  EXPECT_EQ(Shell(id_, "echo works"), "works\n");
  LiveBeside();
}

INSTANTIATE_TEST_SUITE_P(Clocks, ClockTest, testing::Values("clock"), FaultCaseName);

}  // namespace
}  // namespace crisp::test
