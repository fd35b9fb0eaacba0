// crisp-monitor and its client with a real OCI runtime: output, log, exit, failure.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <regex>

#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/mount.h"
#include "base/failpoint.h"
#include "monitor_fixture.h"
#include "oci/monitor_files.h"

namespace crisp::oci {
namespace {

TEST_P(MonitorTest, OutputGoesToTheLogInCriFormat) {
  LaunchAndStart({.command = {"echo out; echo err >&2; echo; printf tail"}});
  const SeenExit exit = WaitExit();
  EXPECT_TRUE(exit.known);
  EXPECT_EQ(exit.record.exit_code, 0);
  EXPECT_EQ(exit.record.signal, 0);
  EXPECT_FALSE(exit.record.oom_killed);
  EXPECT_GT(exit.record.finished_at_ns, int64_t{1'700'000'000} * 1'000'000'000);
  const std::string log = ReadLog();
  const std::string time = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}Z";
  EXPECT_TRUE(std::regex_search(log, std::regex("(^|\n)" + time + " stdout F out\n"))) << log;
  EXPECT_TRUE(std::regex_search(log, std::regex("(^|\n)" + time + " stderr F err\n"))) << log;
  EXPECT_TRUE(std::regex_search(log, std::regex("(^|\n)" + time + " stdout F \n"))) << log;
  EXPECT_TRUE(std::regex_search(log, std::regex("(^|\n)" + time + " stdout P tail\n"))) << log;
  struct stat info {};
  ASSERT_EQ(::stat(log_path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
  ASSERT_EQ(::stat((dir_ + "/logs/pod").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
}

TEST_P(MonitorTest, TheLogFileExistsBeforeTheStart) {
  Launch({.command = {"true"}});
  EXPECT_TRUE(PathExists(log_path_));
  EXPECT_EQ(ReadLog(), "");
  struct stat info {};
  ASSERT_EQ(::stat(StatePath(conmon::kSocketName).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  for (std::string_view name : {conmon::kRuntimePidName, conmon::kRuntimeLogName}) {
    EXPECT_FALSE(PathExists(StatePath(name))) << name;
  }
}

TEST_P(MonitorTest, LongLinesAreCutAtTheLimit) {
  // 16384 bytes are one line; 16385 are a piece and a rest.
  LaunchAndStart({.command = {"head -c 16384 /dev/zero | tr '\\0' a; echo; "
                              "head -c 16385 /dev/zero | tr '\\0' b; echo"}});
  WaitExit();
  const std::string log = ReadLog();
  EXPECT_NE(log.find(" stdout F " + std::string(16384, 'a') + "\n"), std::string::npos);
  EXPECT_NE(log.find(" stdout P " + std::string(16384, 'b') + "\n"), std::string::npos);
  EXPECT_NE(log.find(" stdout F b\n"), std::string::npos);
}

// A program that asks on one stream and goes on writing to the other.
TEST_P(MonitorTest, AQuestionIsShownThoughTheOtherStreamIsBusy) {
  LaunchAndStart({.command = {"printf question; while :; do echo busy >&2; sleep 0.2; done"}});
  EXPECT_TRUE(WaitLogContains(" stdout P question\n")) << ReadLog();
}

TEST_P(MonitorTest, NothingIsLostInABurst) {
  LaunchAndStart({.command = {"seq 1 300000"}});
  EXPECT_EQ(WaitExit().record.exit_code, 0);
  std::string expected;
  for (int i = 1; i <= 300000; ++i) expected += Cat(i, "\n");
  EXPECT_TRUE(LogContent() == expected);
}

TEST_P(MonitorTest, WithoutALogOutputIsDiscarded) {
  LaunchAndStart({.command = {"seq 1 100000; exit 3"}, .with_log = false});
  EXPECT_EQ(WaitExit().record.exit_code, 3);
  EXPECT_FALSE(PathExists(log_path_));
}

TEST_P(MonitorTest, AFullDiskDropsDataButNeverBlocks) {
  // /dev/full is no regular file, so a size limit stands in for the full disk... of the test's own
  // file system: a tmpfs of 64 KiB.
  ASSERT_TRUE(EnsureDirectory(dir_ + "/logs").ok());
  ASSERT_TRUE(Mount("tmpfs", dir_ + "/logs", "tmpfs", 0, "size=64k").ok());
  LaunchAndStart({.command = {"seq 1 200000; exit 5"}});
  EXPECT_EQ(WaitExit().record.exit_code, 5);
  const std::string log = ReadLog();
  EXPECT_LE(log.size(), 65536u);
  EXPECT_GT(log.size(), 32768u);
  EXPECT_EQ(log.back(), '\n') << "half a record was left";
  EXPECT_TRUE(EnsureUnmounted(dir_ + "/logs", true).ok());
}

struct ExitCase {
  const char* command;
  int code;
  int signal;
};

TEST_P(MonitorTest, ExitCodes) {
  for (const ExitCase& c : {ExitCase{"exit 0", 0, 0}, ExitCase{"exit 1", 1, 0},
                            ExitCase{"exit 42", 42, 0}, ExitCase{"exit 255", 255, 0}}) {
    SCOPED_TRACE(c.command);
    LaunchAndStart({.command = {c.command}});
    const SeenExit exit = WaitExit();
    EXPECT_TRUE(exit.known);
    EXPECT_EQ(exit.record.exit_code, c.code);
    EXPECT_EQ(exit.record.signal, c.signal);
    const Result<ExitRecord> file = ReadExitRecord(state_dir_);
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    EXPECT_EQ(file->exit_code, c.code);
    EXPECT_EQ(file->finished_at_ns, exit.record.finished_at_ns);
    EXPECT_EQ(exit.count, 1);
    TearDown();
    SetUp();
  }
}

TEST_P(MonitorTest, AKilledContainerIs128PlusSignal) {
  LaunchAndStart({.command = {"echo up; sleep 1000"}});
  ASSERT_TRUE(WaitLogContains("up"));
  ASSERT_EQ(::kill(monitor_->process().container_pid, SIGKILL), 0);
  const SeenExit exit = WaitExit();
  EXPECT_TRUE(exit.known);
  EXPECT_EQ(exit.record.exit_code, 137);
  EXPECT_EQ(exit.record.signal, 9);
  EXPECT_EQ(monitor_->container_pidfd(), -1);
}

TEST_P(MonitorTest, TheMonitorGoesAwayAfterTheExit) {
  LaunchAndStart({.command = {"true"}});
  const pid_t monitor = monitor_->process().monitor_pid;
  WaitExit();
  const MonoTime deadline = MonoNow() + std::chrono::seconds(5);
  while (ProcessAlive(monitor) && MonoNow() < deadline) ::usleep(5000);
  EXPECT_FALSE(ProcessAlive(monitor));
  EXPECT_FALSE(PathExists(StatePath(conmon::kSocketName)));
  EXPECT_EQ(monitor_->ReopenLog(Soon()).code(), Code::kUnavailable);
}

TEST_P(MonitorTest, TerminationSignalsDoNotEndAMonitorWithAContainer) {
  LaunchAndStart({.command = {"echo up; sleep 1000"}});
  ASSERT_TRUE(WaitLogContains("up"));
  for (int signal : {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGUSR1}) {
    ASSERT_EQ(::kill(monitor_->process().monitor_pid, signal), 0);
  }
  ::usleep(100000);
  EXPECT_TRUE(monitor_->ReopenLog(Soon()).ok());
}

TEST_P(MonitorTest, ReopenCreatesTheNewFileAndLeavesTheOldOne) {
  LaunchAndStart({.command = {"i=0; while true; do echo line $i; i=$((i+1)); sleep 0.01; done"}});
  ASSERT_TRUE(WaitLogContains("line 5"));
  ASSERT_EQ(::rename(log_path_.c_str(), (log_path_ + ".old").c_str()), 0);
  ASSERT_TRUE(monitor_->ReopenLog(Soon()).ok());
  EXPECT_TRUE(PathExists(log_path_));
  struct stat before {};
  struct stat after {};
  ASSERT_EQ(::stat((log_path_ + ".old").c_str(), &before), 0);
  ASSERT_TRUE(WaitLogContains("line"));
  ::usleep(200000);
  ASSERT_EQ(::stat((log_path_ + ".old").c_str(), &after), 0);
  EXPECT_EQ(before.st_size, after.st_size);
}

TEST_P(MonitorTest, AFailedReopenKeepsTheOldFile) {
  LaunchAndStart({.command = {"while true; do echo tick; sleep 0.01; done"}});
  ASSERT_TRUE(WaitLogContains("tick"));
  ASSERT_EQ(::rename(log_path_.c_str(), (log_path_ + ".old").c_str()), 0);
  ASSERT_EQ(::symlink("/etc/passwd", log_path_.c_str()), 0);
  const Status reopened = monitor_->ReopenLog(Soon());
  EXPECT_FALSE(reopened.ok());
  EXPECT_NE(reopened.message().find(log_path_), std::string::npos) << reopened.ToString();
  struct stat before {};
  struct stat after {};
  ASSERT_EQ(::stat((log_path_ + ".old").c_str(), &before), 0);
  ::usleep(200000);
  ASSERT_EQ(::stat((log_path_ + ".old").c_str(), &after), 0);
  EXPECT_GT(after.st_size, before.st_size);
}

TEST_P(MonitorTest, AnOomKillIsSeen) {
  LaunchAndStart({.command = {"echo up; dd if=/dev/zero of=/dev/null bs=200M count=1; echo $?; "
                              "exec dd if=/dev/zero of=/dev/null bs=200M count=1"},
                  .memory_limit_bytes = 20 << 20});
  const SeenExit exit = WaitExit();
  EXPECT_TRUE(exit.record.oom_killed);
  EXPECT_EQ(exit.record.exit_code, 137);
  EXPECT_GE(ooms(), 1);
}

TEST_P(MonitorTest, InheritedOutputDoesNotHoldTheExitBack) {
  LaunchAndStart({.command = {"sleep 300 & echo last; exit 7"}, .host_pid = true});
  const MonoTime start = MonoNow();
  EXPECT_EQ(WaitExit().record.exit_code, 7);
  EXPECT_LT(MonoNow() - start, std::chrono::seconds(5));
  EXPECT_EQ(LogContent(), "last\n");
  (void)RunRuntime({"kill", "--all", id_.str(), "KILL"});
  (void)RunRuntime({"delete", "--force", id_.str()});
}

TEST_P(MonitorTest, OrphansOfAHostPidContainerAreReaped) {
  LaunchAndStart({.command = {"for i in 1 2 3 4 5; do (sleep 0.05 & ); done; echo up; sleep 1000"},
                  .host_pid = true});
  ASSERT_TRUE(WaitLogContains("up"));
  ::usleep(500000);
  const pid_t monitor = monitor_->process().monitor_pid;
  const Result<std::string> children =
      ReadFile(Cat("/proc/", monitor, "/task/", monitor, "/children"));
  ASSERT_TRUE(children.ok());
  EXPECT_EQ(std::string(Trim(*children)), Cat(monitor_->process().container_pid));
}

// --- creation that fails ---

TEST_P(MonitorTest, AMissingExecutableIsNamed) {
  WriteBundle({.command = {"/no/such/program", "x"}});
  Result<std::shared_ptr<Monitor>> launched =
      Monitor::Launch(MakeLaunch({.command = {"-"}}), MakeObserver());
  std::string text;
  if (launched.ok()) {
    monitor_ = *std::move(launched);
    text = StartContainer().message();
  } else {
    text = launched.status().message();
    EXPECT_FALSE(PathExists(StatePath(conmon::kSocketName)));
    EXPECT_EQ(ReadLog(), "");
  }
  EXPECT_TRUE(text.find("/no/such/program") != std::string::npos ||
              text.find("executable file") != std::string::npos)
      << text;
}

TEST_P(MonitorTest, ABrokenBundleGivesTheRuntimesText) {
  ASSERT_TRUE(WriteFile(dir_ + "/bundle/config.json", "{ not json").ok());
  const Result<std::shared_ptr<Monitor>> launched =
      Monitor::Launch(MakeLaunch({.command = {"-"}}), MakeObserver());
  ASSERT_FALSE(launched.ok());
  EXPECT_NE(launched.status().message().find(GetParam()), std::string::npos);
  EXPECT_GT(launched.status().message().size(), GetParam().size() + 20)
      << launched.status().ToString();
  const Result<std::vector<std::string>> left = DirFd::Open(state_dir_)->List();
  ASSERT_TRUE(left.ok());
  EXPECT_TRUE(left->empty()) << left->front();
}

// kNotFound would tell a client that its sandbox or image is unknown.
TEST_P(MonitorTest, AMissingProgramIsAFailedPrecondition) {
  WriteBundle({.command = {"true"}});
  MonitorLaunch launch = MakeLaunch({.command = {"true"}});
  launch.runtime_argv = {"/no/such/runtime"};
  const Result<std::shared_ptr<Monitor>> launched = Monitor::Launch(launch, MakeObserver());
  EXPECT_EQ(launched.status().code(), Code::kFailedPrecondition) << launched.status().ToString();
  launch.monitor_binary = "/no/such/monitor";
  EXPECT_EQ(Monitor::Launch(launch, MakeObserver()).status().code(), Code::kFailedPrecondition);
}

class HungRuntime {
 public:
  explicit HungRuntime(const std::string& dir) : path_(dir + "/hung-runtime") {
    EXPECT_TRUE(WriteFile(path_,
                          Cat("#!/bin/sh\nsleep 1234 &\necho $$ $! > ", dir, "/hung.pids\nwait\n"),
                          0755)
                    .ok());
    pids_ = dir + "/hung.pids";
  }
  const std::string& path() const { return path_; }
  bool AnyAlive() const {
    const Result<std::string> text = ReadFile(pids_);
    if (!text.ok()) return false;
    const auto [first, second] = conmon::internal::SplitAt(Trim(*text), ' ');
    pid_t pid = 0;
    for (std::string_view word : {first, second}) {
      if (conmon::internal::ParseInteger(word, &pid) && ::kill(pid, 0) == 0) return true;
    }
    return false;
  }

 private:
  std::string path_;
  std::string pids_;
};

TEST_P(MonitorTest, AHungRuntimeIsKilledAtTheDeadline) {
  WriteBundle({.command = {"true"}});
  const HungRuntime runtime(dir_);
  MonitorLaunch launch = MakeLaunch({.command = {"true"}});
  launch.runtime_argv = {runtime.path()};
  launch.deadline = MonoNow() + std::chrono::milliseconds(500);
  const Result<std::shared_ptr<Monitor>> launched = Monitor::Launch(launch, MakeObserver());
  EXPECT_EQ(launched.status().code(), Code::kDeadlineExceeded) << launched.status().ToString();
  EXPECT_LT(MonoNow(), launch.deadline + std::chrono::seconds(2));
  reaper_.ReapAll();
  EXPECT_FALSE(runtime.AnyAlive());
  EXPECT_TRUE(DirFd::Open(state_dir_)->List()->empty());
}

TEST_P(MonitorTest, ALaunchCanBeCancelled) {
  WriteBundle({.command = {"true"}});
  const HungRuntime runtime(dir_);
  CancelSource cancel;
  MonitorLaunch launch = MakeLaunch({.command = {"true"}});
  launch.runtime_argv = {runtime.path()};
  launch.cancel = cancel.token();
  std::thread canceller([&] {
    ::usleep(300000);
    cancel.Cancel();
  });
  const Result<std::shared_ptr<Monitor>> launched = Monitor::Launch(launch, MakeObserver());
  canceller.join();
  EXPECT_EQ(launched.status().code(), Code::kCancelled) << launched.status().ToString();
  reaper_.ReapAll();
  EXPECT_FALSE(runtime.AnyAlive());
}

TEST_P(MonitorTest, AFailureAfterCreateLeavesNothing) {
  WriteBundle({.command = {"sleep 1000"}});
  for (const char* name : {"oci.monitor.launch.spawned", "oci.monitor.launch.created"}) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(failpoint::Arm(Cat(name, "=error:wanted")).ok());
    const Result<std::shared_ptr<Monitor>> launched =
        Monitor::Launch(MakeLaunch({.command = {"-"}}), MakeObserver());
    failpoint::DisarmAll();
    EXPECT_FALSE(launched.ok());
    EXPECT_TRUE(DirFd::Open(state_dir_)->List()->empty());
    EXPECT_TRUE(RunRuntime({"delete", "--force", id_.str()}).ok());
  }
}

INSTANTIATE_TEST_SUITE_P(Runtimes, MonitorTest, testing::Values("runc", "crun"),
                         [](const auto& p) { return p.param; });

}  // namespace
}  // namespace crisp::oci

int main(int argc, char** argv) {
  crisp::oci::PrepareTestProcess();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
