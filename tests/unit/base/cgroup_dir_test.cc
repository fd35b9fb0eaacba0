#include "base/cgroup_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <sstream>
#include <thread>

#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/launch_cgroup.h"
#include "base/ids.h"
#include "temp_dir.h"

namespace crisp {
namespace {

CgroupLayout Detect(const TempDir& dir, const std::string& mountinfo) {
  EXPECT_TRUE(WriteFile(dir / "mountinfo", mountinfo).ok());
  return CgroupLayout::Detect(dir / "mountinfo").value();
}

TEST(CgroupLayoutTest, V2) {
  TempDir dir;
  const auto layout =
      Detect(dir,
             "29 23 0:26 / /other rw - cgroup2 cgroup2 rw\n"
             "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
  EXPECT_TRUE(layout.v2);
  EXPECT_FALSE(layout.hybrid);
  EXPECT_EQ(layout.MountOf("memory"), "/sys/fs/cgroup");
}

TEST(CgroupLayoutTest, V1AndHybrid) {
  TempDir dir;
  const std::string v1 =
      "30 29 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup "
      "rw,xattr,release_agent=/x,name=systemd\n"
      "31 29 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "32 29 0:29 / /sys/fs/cgroup/memory rw shared:1 master:2 - cgroup cgroup rw,memory\n";
  const auto plain = Detect(dir, v1);
  EXPECT_FALSE(plain.v2);
  EXPECT_FALSE(plain.hybrid);
  EXPECT_EQ(plain.MountOf("cpuacct"), "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(plain.MountOf("name=systemd"), "/sys/fs/cgroup/systemd");
  EXPECT_EQ(plain.MountOf("pids"), "");
  const auto hybrid =
      Detect(dir, v1 + "33 29 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  EXPECT_TRUE(hybrid.hybrid);
  EXPECT_FALSE(hybrid.v2);
}

TEST(CgroupLayoutTest, MountPointsWithBlanks) {
  TempDir dir;
  const auto layout = Detect(dir, "32 29 0:29 / /sys\\040fs/memory rw - cgroup cgroup rw,memory\n");
  EXPECT_EQ(layout.MountOf("memory"), "/sys fs/memory");
}

TEST(CgroupLayoutTest, None) {
  TempDir dir;
  ASSERT_TRUE(WriteFile(dir / "mountinfo", "1 1 0:1 / / rw - ext4 /dev/x rw\nrubbish\n").ok());
  EXPECT_EQ(CgroupLayout::Detect(dir / "mountinfo").status().code(), Code::kFailedPrecondition);
}

TEST(CgroupDirTest, TheRootIsNeverKilled) {
  const CgroupLayout layout;
  EXPECT_EQ(CgroupDir(&layout, "/").KillAll(MonoNow()).code(), Code::kInvalidArgument);
  EXPECT_EQ(CgroupDir(&layout, "").KillAll(MonoNow()).code(), Code::kInvalidArgument);
}

// A group whose processes cannot be read is not an empty group.
TEST(CgroupDirTest, WhatCannotBeReadIsAnError) {
  TempDir dir;
  CgroupLayout layout;
  layout.v2 = true;
  layout.mounts = {{"", dir / ""}};
  const CgroupDir group(&layout, "/group");
  EXPECT_TRUE(group.Processes().value().empty()) << "a missing one is empty";
  ASSERT_TRUE(EnsureDirectory(dir / "group/child/cgroup.procs").ok());
  EXPECT_EQ(group.Processes().status().sys_errno(), EISDIR);
  EXPECT_FALSE(group.KillAll(MonoNow()).ok());
  EXPECT_FALSE(group.AwaitEmpty(MonoNow()).ok());
  ASSERT_TRUE(RemoveTreeAt(dir / "group/child").ok());
  ASSERT_TRUE(WriteFile(dir / "group/cgroup.procs", "12\n7\n").ok());
  EXPECT_EQ(group.Processes().value(), (std::vector<pid_t>{7, 12}));
}

// A directory of files that plays a group with one process in it.
class FakeGroupTest : public testing::Test {
 protected:
  FakeGroupTest() {
    SpawnOptions spawn;
    spawn.argv = {"sleep", "60"};
    child_ = ChildProcess::Spawn(spawn).value();
    EXPECT_TRUE(EnsureDirectory(dir_ / "group").ok());
    Put("cgroup.procs", Cat(child_.pid(), "\n"));
  }
  void Put(const std::string& file, const std::string& text) {
    EXPECT_TRUE(WriteFile(dir_ / "group/" + file, text).ok());
  }
  std::string Get(const std::string& file) { return ReadFile(dir_ / "group/" + file).value(); }
  void SetMount(const std::string& controller) {
    layout_.v2 = controller.empty();
    layout_.mounts = {{controller, dir_ / ""}};
  }
  // Its files never say that it is empty.
  void KillInVain(Duration patience) {
    const MonoTime begin = MonoNow();
    EXPECT_EQ(group_.KillAll(begin + patience).code(), Code::kDeadlineExceeded);
    EXPECT_GE(MonoNow() - begin, patience);
  }
  int SignalOfTheChild() {
    return child_.Wait(MonoNow() + std::chrono::seconds(10)).value().signal;
  }

  TempDir dir_;
  ChildProcess child_;
  CgroupLayout layout_;
  CgroupDir group_{&layout_, "/group"};
};

TEST_F(FakeGroupTest, V2SaysWhetherItIsEmpty) {
  SetMount("");
  Put("cgroup.events", "populated 1\nfrozen 0\n");
  Put("cgroup.kill", "");
  KillInVain(std::chrono::milliseconds(120));
  EXPECT_EQ(Get("cgroup.kill"), "1");
  Put("cgroup.events", "populated 0\nfrozen 0\n");
  EXPECT_TRUE(group_.KillAll(MonoNow()).ok());
  EXPECT_EQ(child_.Wait(MonoNow()).status().code(), Code::kDeadlineExceeded) << "the kernel's part";
}

TEST_F(FakeGroupTest, V2WithoutCgroupKill) {
  SetMount("");
  Put("cgroup.events", "populated 1\nfrozen 0\n");
  Put("cgroup.freeze", "9");
  KillInVain(std::chrono::milliseconds(120));
  EXPECT_EQ(SignalOfTheChild(), SIGKILL);
  EXPECT_EQ(Get("cgroup.freeze"), "0");
}

TEST_F(FakeGroupTest, V1IsThawedAgain) {
  SetMount("freezer");
  Put("freezer.state", "THAWED\n");
  KillInVain(std::chrono::milliseconds(20));
  EXPECT_EQ(SignalOfTheChild(), SIGKILL);
  EXPECT_EQ(Get("freezer.state"), "THAWED\n");
}

TEST_F(FakeGroupTest, WithoutAFreezerItMayForkAgain) {
  SetMount("pids");
  Put("pids.max", "  max\n");
  KillInVain(std::chrono::milliseconds(20));
  EXPECT_EQ(SignalOfTheChild(), SIGKILL);
  EXPECT_EQ(Get("pids.max"), "maxax\n") << "written at the beginning, as before";
}

// On the machine's own hierarchies, below a group with a random name.
class RealCgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "cgroups need root";
    auto layout = CgroupLayout::Detect();
    if (!layout.ok()) GTEST_SKIP() << layout.status().ToString();
    layout_ = *layout;
    top_ = CgroupDir(&layout_, "/crisp-test-" + RandomHex(6));
    if (const Status made = top_.EnsureCreated(); !made.ok()) {
      EXPECT_TRUE(top_.EnsureRemoved().ok());
      GTEST_SKIP() << made.ToString();
    }
  }
  void TearDown() override {
    if (top_.path().empty()) return;
    EXPECT_TRUE(top_.KillAll(MonoNow() + std::chrono::seconds(5)).ok());
    const Status removed = top_.EnsureRemoved();
    EXPECT_TRUE(removed.ok()) << removed.ToString();
    EXPECT_FALSE(top_.Exists());
  }
  CgroupLayout layout_;
  CgroupDir top_;
};

TEST_F(RealCgroupTest, ChildrenAreStartedFoundAndKilledInIt) {
  const CgroupDir sub(&layout_, top_.path() + "/sub");
  ASSERT_TRUE(sub.EnsureCreated().ok());
  ASSERT_TRUE(sub.EnsureCreated().ok());
  EXPECT_TRUE(sub.Exists());
  const std::vector<UniqueFd> dirs = sub.OpenDirs().value();
  SpawnOptions spawn;
  spawn.argv = {"sleep", "60"};
  for (const UniqueFd& dir : dirs) spawn.cgroup_dirs.push_back(dir.get());
  ChildProcess child = ChildProcess::Spawn(spawn).value();
  EXPECT_EQ(top_.Processes().value(), std::vector<pid_t>{child.pid()});
  const Status busy = top_.EnsureRemoved();
  EXPECT_EQ(busy.code(), Code::kFailedPrecondition);
  EXPECT_EQ(busy.sys_errno(), EBUSY);
  // A zombie may be listed until it is reaped, so the reaping goes on beside.
  ASSERT_TRUE(child.Signal(SIGKILL).ok());
  EXPECT_EQ(child.Wait(MonoNow() + std::chrono::seconds(5)).value().signal, SIGKILL);
  EXPECT_TRUE(top_.KillAll(MonoNow() + std::chrono::seconds(5)).ok());
  EXPECT_TRUE(top_.Processes().value().empty());
  EXPECT_TRUE(sub.EnsureRemoved().ok());
  EXPECT_TRUE(sub.EnsureRemoved().ok());
  EXPECT_FALSE(sub.Exists());
  EXPECT_TRUE(sub.Processes().value().empty());
}

// A number that went to somebody else since it was listed.
TEST_F(RealCgroupTest, WhoIsOutsideIsNotKilled) {
  const CgroupDir sub(&layout_, top_.path() + "/sub");
  ASSERT_TRUE(sub.EnsureCreated().ok());
  const std::vector<UniqueFd> dirs = sub.OpenDirs().value();
  SpawnOptions spawn;
  spawn.argv = {"sleep", "60"};
  ChildProcess outside = ChildProcess::Spawn(spawn).value();
  for (const UniqueFd& dir : dirs) spawn.cgroup_dirs.push_back(dir.get());
  ChildProcess inside = ChildProcess::Spawn(spawn).value();
  ASSERT_TRUE(sub.Kill({outside.pid(), inside.pid(), 1 << 22}).ok());
  EXPECT_EQ(inside.Wait(MonoNow() + std::chrono::seconds(5)).value().signal, SIGKILL);
  EXPECT_EQ(outside.Wait(MonoNow() + std::chrono::milliseconds(50)).status().code(),
            Code::kDeadlineExceeded);
  ASSERT_TRUE(outside.Signal(SIGKILL).ok());
  EXPECT_TRUE(outside.Wait(MonoNow() + std::chrono::seconds(5)).ok());
  EXPECT_TRUE(sub.EnsureRemoved().ok());
}

// Few descriptors: fewer at once. None: an error, not silence.
TEST_F(RealCgroupTest, KilledWithFewDescriptors) {
  const std::vector<UniqueFd> dirs = top_.OpenDirs().value();
  SpawnOptions spawn;
  spawn.argv = {"sleep", "60"};
  for (const UniqueFd& dir : dirs) spawn.cgroup_dirs.push_back(dir.get());
  std::vector<ChildProcess> children;
  std::vector<pid_t> pids;
  for (int i = 0; i < 20; ++i) {
    children.push_back(ChildProcess::Spawn(spawn).value());
    pids.push_back(children.back().pid());
  }
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const auto killed_with = [&](rlim_t descriptors) {
    const UniqueFd lowest(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const rlimit few{static_cast<rlim_t>(lowest.get()) + 1 + descriptors, before.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    const Status killed = top_.Kill(pids);
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    return killed;
  };
  EXPECT_EQ(killed_with(0).sys_errno(), EMFILE);
  const Status killed = killed_with(8);
  EXPECT_TRUE(killed.ok()) << killed.ToString();
  for (ChildProcess& child : children) {
    EXPECT_EQ(child.Wait(MonoNow() + std::chrono::seconds(5)).value().signal, SIGKILL);
  }
}

// What a runtime leaves that is killed while it changes device rules.
TEST_F(RealCgroupTest, FrozenProcessesAreKilled) {
  const CgroupDir sub(&layout_, top_.path() + "/sub");
  ASSERT_TRUE(sub.EnsureCreated().ok());
  const std::string dir = sub.DirOf(layout_.v2 ? "" : "freezer");
  const char* file = layout_.v2 ? "/cgroup.freeze" : "/freezer.state";
  if (!PathExists(dir + file)) GTEST_SKIP() << "no freezer here";
  const std::vector<UniqueFd> dirs = sub.OpenDirs().value();
  SpawnOptions spawn;
  spawn.argv = {"/bin/sleep", "100"};
  for (const UniqueFd& fd : dirs) spawn.cgroup_dirs.push_back(fd.get());
  ChildProcess child = ChildProcess::Spawn(spawn).value();
  ASSERT_TRUE(WriteControlFile(AT_FDCWD, dir + file, layout_.v2 ? "1" : "FROZEN").ok());
  std::thread reaper([&] { (void)child.Wait(MonoNow() + std::chrono::seconds(40)); });
  const Status killed = top_.KillAll(MonoNow() + std::chrono::seconds(30));
  if (!layout_.v2) (void)WriteControlFile(AT_FDCWD, dir + file, "THAWED");
  reaper.join();
  EXPECT_TRUE(killed.ok()) << killed.ToString();
}

TEST_F(RealCgroupTest, ProgramsAreBornInALaunchCgroup) {
  auto place = LaunchCgroup::Open(top_.OpenDirs().value(), layout_.v2);
  ASSERT_TRUE(place.ok()) << place.status().ToString();
  RunOptions run;
  run.argv = {"cat", "/proc/self/cgroup"};
  run.place = place->get();
  run.deadline = MonoNow() + std::chrono::seconds(20);
  const auto hierarchies = [](const std::string& text, const std::string& path) {
    size_t count = 0;
    for (size_t at = 0; (at = text.find(path + "\n", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  std::set<std::string> mounts;
  for (const auto& [controller, mount] : layout_.mounts) mounts.insert(mount);
  (*place)->WarmUpMoves();
  for (int i = 0; i < 3; ++i) {
    const RunOutput output = crisp::Run(run).value();
    EXPECT_EQ(hierarchies(output.stdout_data, top_.path()), mounts.size()) << output.stdout_data;
  }
  // This thread stays where it was.
  EXPECT_EQ(hierarchies(ReadFile("/proc/thread-self/cgroup").value(), top_.path()), 0u);
  run.argv = {"/no/such/program"};
  EXPECT_EQ(crisp::Run(run).status().sys_errno(), ENOENT);
  // Many at once, from many threads.
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      RunOptions one;
      one.argv = {"true"};
      one.place = place->get();
      one.deadline = MonoNow() + std::chrono::seconds(20);
      const auto output = crisp::Run(one);
      EXPECT_TRUE(output.ok() && output->status.success());
    });
  }
  for (std::thread& thread : threads) thread.join();
  place->reset();
  EXPECT_TRUE(top_.EnsureRemoved().ok()) << "the group is free of this process";
  ASSERT_TRUE(top_.EnsureCreated().ok());
}

// A program on a file system that hangs, played by a lease on its file: exec waits for whoever has
// that (fcntl(2), "Leases").
TEST_F(RealCgroupTest, AStartThatHangsKeepsNoOtherWaiting) {
  TempDir files;
  ASSERT_TRUE(WriteFile(files / "hangs", "#!/bin/sh\n", 0755).ok());
  const UniqueFd lease(::open((files / "hangs").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::fcntl(lease.get(), F_SETSIG, SIGURG), 0);  // ignored by default, as SIGIO is not
  if (::fcntl(lease.get(), F_SETLEASE, F_WRLCK) != 0) GTEST_SKIP() << "no leases here";
  auto place =
      LaunchCgroup::Open(top_.OpenDirs().value(), layout_.v2, std::chrono::milliseconds(100));
  ASSERT_TRUE(place.ok()) << place.status().ToString();
  const auto start = [&](const std::string& program) {
    RunOptions run;
    run.argv = {program};
    run.place = place->get();
    run.deadline = MonoNow() + std::chrono::seconds(20);
    const auto output = crisp::Run(run);
    return output.ok() && output->status.success();
  };
  std::atomic<bool> ended = false;
  std::thread hanging([&] {
    EXPECT_TRUE(start(files / "hangs"));
    ended = true;
  });
  while (!ended && ::fcntl(lease.get(), F_GETLEASE) == F_WRLCK) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(start("/bin/true"));
  EXPECT_FALSE(ended);
  EXPECT_EQ(::fcntl(lease.get(), F_SETLEASE, F_UNLCK), 0);
  hanging.join();
  EXPECT_TRUE(start("/bin/true"));
  place->reset();
  EXPECT_TRUE(top_.EnsureRemoved().ok()) << "the group is free of this process";
  ASSERT_TRUE(top_.EnsureCreated().ok());
}

// Also on hybrid machines, which have a cgroup2 mount beside the controllers.
class V2LaunchTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "cgroups need root";
    std::string mount;
    std::istringstream lines(ReadFile("/proc/self/mounts").value());
    for (std::string device, where, type, rest; lines >> device >> where >> type;
         std::getline(lines, rest)) {
      if (type == "cgroup2") mount = where;
    }
    if (mount.empty()) GTEST_SKIP() << "no cgroup2 is mounted";
    layout_.v2 = true;
    layout_.mounts = {{"", mount}};
    group_ = CgroupDir(&layout_, "/crisp-test-" + RandomHex(6));
    if (const Status made = group_.EnsureCreated(); !made.ok()) GTEST_SKIP() << made.ToString();
    place_ = LaunchCgroup::Open(group_.OpenDirs().value(), true).value();
  }
  void TearDown() override {
    place_.reset();
    if (group_.path().empty()) return;
    EXPECT_TRUE(group_.EnsureRemoved().ok());
  }
  Result<RunOutput> RunIn(const std::vector<std::string>& argv) {
    RunOptions run;
    run.argv = argv;
    run.place = place_.get();
    run.env = {"PATH=/usr/bin:/bin", "NAME=value"};
    run.working_directory = "/usr";
    run.new_session = true;
    run.stdin_data = "typed";
    run.deadline = MonoNow() + std::chrono::seconds(20);
    return crisp::Run(run);
  }

  CgroupLayout layout_;
  CgroupDir group_;
  std::unique_ptr<LaunchCgroup> place_;
};

TEST_F(V2LaunchTest, ProgramsAreBornInIt) {
  const UniqueFd inherited(::open("/dev/null", O_RDONLY));  // not close-on-exec
  const RunOutput output =
      RunIn({"/bin/sh", "-c",
             "grep ^0:: /proc/self/cgroup; pwd; echo $NAME; cat; echo; echo err >&2; "
             "cut -d' ' -f1,6 /proc/$$/stat; ls /proc/$$/fd; exit 3"})
          .value();
  EXPECT_EQ(output.status.code, 3);
  EXPECT_EQ(output.stderr_data, "err\n");
  std::istringstream lines(output.stdout_data);
  std::string cgroup, directory, name, typed, fds;
  int pid = 0;
  int session = 0;
  lines >> cgroup >> directory >> name >> typed >> pid >> session;
  std::getline(lines >> std::ws, fds, '\0');
  EXPECT_TRUE(cgroup.ends_with(group_.path())) << cgroup;
  EXPECT_EQ(directory, "/usr");
  EXPECT_EQ(name, "value");
  EXPECT_EQ(typed, "typed");
  EXPECT_EQ(pid, session);
  EXPECT_EQ(fds, "0\n1\n2\n");
}

TEST_F(V2LaunchTest, KillAllHearsOfTheEnd) {
  const CgroupDir sub(&layout_, group_.path() + "/sub");
  ASSERT_TRUE(sub.EnsureCreated().ok());
  const std::vector<UniqueFd> dirs = sub.OpenDirs().value();
  SpawnOptions spawn;
  spawn.argv = {"sleep", "60"};
  spawn.cgroup_dirs = {dirs.front().get()};
  std::vector<ChildProcess> children;
  for (int i = 0; i < 3; ++i) children.push_back(ChildProcess::Spawn(spawn).value());
  const Status killed = sub.KillAll(MonoNow() + std::chrono::seconds(10));
  EXPECT_TRUE(killed.ok()) << killed.ToString();
  EXPECT_TRUE(sub.Processes().value().empty());
  for (ChildProcess& child : children) {
    EXPECT_EQ(child.Wait(MonoNow() + std::chrono::seconds(5)).value().signal, SIGKILL);
  }
  EXPECT_TRUE(sub.KillAll(MonoNow()).ok()) << "empty";
  EXPECT_TRUE(sub.EnsureRemoved().ok());
  EXPECT_TRUE(sub.KillAll(MonoNow()).ok()) << "gone";
}

TEST_F(V2LaunchTest, WhatCannotBeExecutedIsSaid) {
  EXPECT_EQ(RunIn({"/no/such/program"}).status().sys_errno(), ENOENT);
  EXPECT_EQ(RunIn({"/etc"}).status().sys_errno(), EACCES);
  EXPECT_TRUE(group_.Processes().value().empty());
}

TEST_F(RealCgroupTest, OnlyEmptyGroupsAreRemovedIfEmpty) {
  const CgroupDir sub(&layout_, top_.path() + "/sub");
  ASSERT_TRUE(sub.EnsureCreated().ok());
  top_.RemoveIfEmpty();
  EXPECT_TRUE(sub.Exists());
  sub.RemoveIfEmpty();
  EXPECT_FALSE(sub.Exists());
  top_.RemoveIfEmpty();
  EXPECT_FALSE(top_.Exists());
}

TEST_F(RealCgroupTest, KillAll) {
  SpawnOptions spawn;
  spawn.argv = {"/bin/sh", "-c", "read wait; for i in 1 2 3; do sleep 60 & done; wait"};
  const FdPair pipe = MakePipe().value();
  spawn.fds = {{pipe.first.get(), 0}};
  ChildProcess child = ChildProcess::Spawn(spawn).value();
  ASSERT_TRUE(top_.AddProcess(child.pid()).ok());
  ASSERT_TRUE(WriteAll(pipe.second.get(), "go\n").ok());
  for (int i = 0; i < 500 && top_.Processes().value().size() < 4; ++i) ::usleep(10'000);
  EXPECT_EQ(top_.Processes().value().size(), 4u);
  // The children of the shell are init's (or a subreaper's) once it is dead.
  EXPECT_TRUE(top_.KillAll(MonoNow() + std::chrono::seconds(5)).ok());
  EXPECT_EQ(child.Wait(MonoNow() + std::chrono::seconds(5)).value().signal, SIGKILL);
}

// Each of them makes others until it is killed, and goes on where it may not: whoever is not in a
// list is many again before the next one.
TEST_F(RealCgroupTest, ForksWithoutEnd) {
  TempDir files;
  const std::string script = files / "bomb";
  ASSERT_TRUE(WriteFile(script, "trap 'exec sh \"$0\"' EXIT\nwhile :; do sh \"$0\" & done\n").ok());
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const FdPair pipe = MakePipe().value();
  SpawnOptions spawn;
  spawn.argv = {"/bin/sh", "-c", "read go; exec sh \"$0\" </dev/null", script};
  spawn.fds = {{pipe.first.get(), 0}, {null.get(), 2}};
  ChildProcess child = ChildProcess::Spawn(spawn).value();
  ASSERT_TRUE(top_.AddProcess(child.pid()).ok());
  const std::string groups = ReadFile(Cat("/proc/", child.pid(), "/cgroup")).value();
  const bool is_bounded =
      top_.WriteFile("pids", "pids.max", "100").ok() &&
      groups.find(Cat(layout_.v2 ? "0::" : ":pids:", top_.path(), "\n")) != std::string::npos;
  if (!is_bounded) GTEST_SKIP() << "no pids controller";
  ASSERT_TRUE(WriteAll(pipe.second.get(), "go\n").ok());
  for (int i = 0; i < 2000 && top_.Processes().value().size() < 60; ++i) ::usleep(10'000);
  EXPECT_GE(top_.Processes().value().size(), 60u);
  const Status killed = top_.KillAll(MonoNow() + std::chrono::seconds(30));
  EXPECT_TRUE(killed.ok()) << killed.ToString();
  EXPECT_EQ(child.Wait(MonoNow() + std::chrono::seconds(5)).value().signal, SIGKILL);
}

TEST_F(RealCgroupTest, Files) {
  EXPECT_EQ(top_.ReadFile("no-such-controller", "x").ok(), false);
  const std::string controller = layout_.v2 ? "" : layout_.mounts.front().first;
  EXPECT_TRUE(top_.ReadFile(controller, "cgroup.procs").ok());
  EXPECT_EQ(top_.WriteFile(controller, "no.such.file", "1").code(), Code::kNotFound);
}

}  // namespace
}  // namespace crisp
