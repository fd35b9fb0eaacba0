#include "base/core/child_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/core/file.h"
#include "base/core/process_stat.h"
#include "temp_dir.h"

namespace crisp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ChildProcessTest : public testing::Test {
 protected:
  void SetUp() override { ::signal(SIGPIPE, SIG_IGN); }
  static RunOptions Shell(const std::string& script) {
    RunOptions run;
    run.argv = {"/bin/sh", "-c", script};
    run.deadline = MonoNow() + seconds(20);
    return run;
  }
  static bool Alive(pid_t pid) {
    const auto stat = ReadProcessStat(pid);
    return stat.ok() && stat->state != 'Z';
  }
  static bool Dies(pid_t pid) {
    for (int i = 0; i < 500 && Alive(pid); ++i) std::this_thread::sleep_for(milliseconds(10));
    return !Alive(pid);
  }
};

TEST_F(ChildProcessTest, CollectsEverything) {
  RunOptions run = Shell("cat; echo err >&2; exit 3");
  run.stdin_data = "input";
  const RunOutput output = crisp::Run(run).value();
  EXPECT_EQ(output.stdout_data, "input");
  EXPECT_EQ(output.stderr_data, "err\n");
  EXPECT_EQ(output.status.code, 3);
  EXPECT_EQ(output.status.signal, 0);
}

TEST_F(ChildProcessTest, SignalsAreReported) {
  const RunOutput output = crisp::Run(Shell("kill -TERM $$")).value();
  EXPECT_EQ(output.status.signal, SIGTERM);
  EXPECT_EQ(output.status.code, 143);
}

TEST_F(ChildProcessTest, MissingPrograms) {
  RunOptions run;
  run.argv = {"/no/such/program"};
  const int before = OpenDescriptors();
  const auto output = crisp::Run(run);
  EXPECT_EQ(output.status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(output.status().sys_errno(), ENOENT);
  EXPECT_EQ(output.status().message(), "exec /no/such/program: No such file or directory");
  EXPECT_EQ(OpenDescriptors(), before);
  run.argv.clear();
  EXPECT_EQ(crisp::Run(run).status().code(), Code::kInvalidArgument);
}

TEST_F(ChildProcessTest, EnvironmentAndDirectory) {
  RunOptions run = Shell("echo $A-$HOME; pwd");
  run.env = {"A=1", "PATH=/usr/bin:/bin"};
  run.working_directory = "/proc";
  EXPECT_EQ(crisp::Run(run).value().stdout_data, "1-\n/proc\n");
}

TEST_F(ChildProcessTest, AnOomScoreOfTheirOwn) {
  RunOptions run;
  run.argv = {"/bin/cat", "/proc/self/oom_score_adj"};
  const std::string own = crisp::Run(run).value().stdout_data;
  SetChildOomScore(998);
  const std::string all = crisp::Run(run).value().stdout_data;
  run.oom_score_adj = 999;
  const std::string one = crisp::Run(run).value().stdout_data;
  SetChildOomScore(std::nullopt);
  const std::string alone = crisp::Run(run).value().stdout_data;
  run.oom_score_adj.reset();
  EXPECT_EQ(all, "998\n");
  EXPECT_EQ(one, "999\n");
  EXPECT_EQ(alone, "999\n");
  EXPECT_EQ(crisp::Run(run).value().stdout_data, own);
}

// The other way to start a program (vfork), which crispd uses: all that posix_spawn does, and a
// limit.
TEST_F(ChildProcessTest, ADescriptorLimitOfTheirOwn) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the thread sanitizer makes a fork of every vfork, and that cannot report errors";
#endif
  const RunOutput before = crisp::Run(Shell("ulimit -Sn; ulimit -Hn")).value();
  SetChildDescriptorLimit(123);
  const RunOutput limited = crisp::Run(Shell("ulimit -Sn; ulimit -Hn")).value();
  RunOptions run = Shell("cat; echo $A-$HOME; pwd; ls /proc/self/fd | wc -l; kill -PIPE $$");
  run.stdin_data = "input\n";
  run.env = {"A=1", "PATH=/usr/bin:/bin"};
  run.working_directory = "/proc";
  run.new_session = true;
  const auto all = crisp::Run(run);
  RunOptions by_name;
  by_name.argv = {"true"};
  const auto found = crisp::Run(by_name);
  by_name.argv = {"/no/such/program"};
  const int descriptors = OpenDescriptors();
  const auto missing = crisp::Run(by_name);
  EXPECT_EQ(OpenDescriptors(), descriptors);
  SetChildDescriptorLimit(0);
  EXPECT_EQ(limited.stdout_data.substr(0, 4), "123\n");
  EXPECT_EQ(limited.stdout_data.substr(4),
            before.stdout_data.substr(before.stdout_data.find('\n') + 1));
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  EXPECT_EQ(all->stdout_data, "input\n1-\n/proc\n4\n");  // 0 to 2, and that of ls
  EXPECT_EQ(all->status.signal, SIGPIPE) << "what is ignored here was ignored there, too";
  EXPECT_TRUE(found.ok() && found->status.success());
  EXPECT_EQ(missing.status().message(), "exec /no/such/program: No such file or directory");
}

TEST_F(ChildProcessTest, TheDeadlineKills) {
  RunOptions run = Shell("exec sleep 60");
  run.deadline = MonoNow() + milliseconds(100);
  EXPECT_EQ(crisp::Run(run).status().code(), Code::kDeadlineExceeded);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);  // reaped
}

TEST_F(ChildProcessTest, TheTokensDeadlineKills) {
  RunOptions run = Shell("exec sleep 60");
  run.cancel = CancelSource(MonoNow() + milliseconds(100)).token();
  EXPECT_EQ(crisp::Run(run).status().code(), Code::kDeadlineExceeded);
}

TEST_F(ChildProcessTest, AChattyChildDoesNotOutliveItsDeadline) {
  for (const char* script : {"exec yes >&2", "yes | cat >&2"}) {
    RunOptions run = Shell(script);
    run.new_session = true;
    run.deadline = MonoNow() + milliseconds(200);
    const MonoTime start = MonoNow();
    EXPECT_EQ(crisp::Run(run).status().code(), Code::kDeadlineExceeded);
    EXPECT_LT(MonoNow() - start, seconds(5));
  }
}

TEST_F(ChildProcessTest, CancellationKills) {
  CancelSource source;
  RunOptions run = Shell("exec sleep 60");
  run.cancel = source.token();
  std::thread canceller([&] {
    std::this_thread::sleep_for(milliseconds(50));
    source.Cancel();
  });
  EXPECT_EQ(crisp::Run(run).status().code(), Code::kCancelled);
  canceller.join();
}

TEST_F(ChildProcessTest, ASessionDiesAsAWhole) {
  TempDir dir;
  RunOptions run = Shell("sleep 60 & echo $! > " + dir / "pid" + "; wait");
  run.new_session = true;
  run.deadline = MonoNow() + milliseconds(300);
  EXPECT_EQ(crisp::Run(run).status().code(), Code::kDeadlineExceeded);
  const pid_t grandchild = std::atoi(ReadFile(dir / "pid").value().c_str());
  ASSERT_GT(grandchild, 0);
  EXPECT_TRUE(Dies(grandchild));
}

TEST_F(ChildProcessTest, AGrandchildThatHoldsThePipesDoesNotHoldUs) {
  RunOptions run = Shell("sleep 60 & echo $!; exit 4");
  const MonoTime start = MonoNow();
  const RunOutput output = crisp::Run(run).value();
  EXPECT_LT(MonoNow() - start, seconds(10));
  EXPECT_EQ(output.status.code, 4);
  const pid_t grandchild = std::atoi(output.stdout_data.c_str());
  EXPECT_TRUE(Alive(grandchild));
  ::kill(grandchild, SIGKILL);
}

TEST_F(ChildProcessTest, LargeStreamsBothWays) {
  RunOptions run = Shell("cat");
  run.stdin_data.assign(5'000'000, 'x');
  EXPECT_EQ(crisp::Run(run).value().stdout_data, run.stdin_data);
}

TEST_F(ChildProcessTest, StdinThatNobodyReads) {
  RunOptions run = Shell("exit 0");
  run.stdin_data.assign(5'000'000, 'x');
  EXPECT_EQ(crisp::Run(run).value().status.code, 0);
}

TEST_F(ChildProcessTest, OutputLimits) {
  RunOptions run = Shell("head -c 100000 /dev/zero; head -c 100000 /dev/zero >&2");
  run.stdout_limit_bytes = 100'000;
  run.stderr_limit_bytes = 10;
  const RunOutput output = crisp::Run(run).value();
  EXPECT_EQ(output.stdout_data.size(), 100'000u);
  EXPECT_EQ(output.stderr_data.size(), 10u);
  run.stdout_limit_bytes = 99'999;
  EXPECT_EQ(crisp::Run(run).status().code(), Code::kResourceExhausted);
  run = Shell("exec cat /dev/zero");
  run.stdout_limit_bytes = 1000;
  EXPECT_EQ(crisp::Run(run).status().code(), Code::kResourceExhausted);
}

TEST_F(ChildProcessTest, OnlyListedDescriptorsAreInherited) {
  const UniqueFd leaky(::open("/dev/zero", O_RDONLY));  // without close-on-exec
  const UniqueFd hole(::fcntl(leaky.get(), F_DUPFD, 45));
  const UniqueFd high(::fcntl(leaky.get(), F_DUPFD, 200));
  const UniqueFd given(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  RunOptions run = Shell("ls /proc/$$/fd; readlink /proc/$$/fd/60; true");
  run.fds = {{given.get(), 60}};
  EXPECT_EQ(crisp::Run(run).value().stdout_data, "0\n1\n2\n60\n/dev/null\n");
  run.fds.clear();
  EXPECT_EQ(crisp::Run(run).value().stdout_data, "0\n1\n2\n");
}

TEST_F(ChildProcessTest, DescriptorsMaySwapNumbers) {
  const FdPair pipe = MakePipe().value();
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  // Each one's target is the other's number here.
  const int a = pipe.second.get();
  const int b = null.get();
  SpawnOptions spawn;
  // (a shell names descriptors of one digit only)
  spawn.argv = {"/bin/sh", "-c", Cat("echo hi > /proc/self/fd/", b)};
  spawn.fds = {{a, b}, {b, a}};
  ChildProcess child = ChildProcess::Spawn(spawn).value();
  EXPECT_EQ(child.Wait(MonoNow() + seconds(10)).value().code, 0);
  char text[8];
  EXPECT_EQ(::read(pipe.first.get(), text, sizeof(text)), 3);
}

TEST_F(ChildProcessTest, UnlistedStandardStreamsAreNull) {
  TempDir dir;
  SpawnOptions spawn;
  spawn.argv = {"/bin/sh", "-c",
                "for i in 0 1 2; do readlink /proc/$$/fd/$i; done > " + dir / "out"};
  ChildProcess child = ChildProcess::Spawn(spawn).value();
  ASSERT_TRUE(child.Wait(MonoNow() + seconds(10)).ok());
  // Descriptor 1 is the file while the loop runs.
  const std::string out = ReadFile(dir / "out").value();
  EXPECT_TRUE(out.starts_with("/dev/null\n")) << out;
  EXPECT_TRUE(out.ends_with("/dev/null\n")) << out;
}

TEST_F(ChildProcessTest, SignalStateIsReset) {
  sigset_t mask, old;
  ::sigemptyset(&mask);
  ::sigaddset(&mask, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &mask, &old);
  const std::string out =
      crisp::Run(Shell("grep -E 'SigBlk|SigIgn' /proc/self/status")).value().stdout_data;
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  // SIGPIPE is ignored here. The upper half is left alone: glibc keeps its two internal signals
  // (32, 33) ignored in what posix_spawn starts.
  EXPECT_NE(out.find("SigBlk:\t0000000000000000\n"), std::string::npos) << out;
  const uint64_t ignored = std::strtoull(out.substr(out.rfind('\t') + 1).c_str(), nullptr, 16);
  EXPECT_EQ(ignored & 0x7fffffff, 0u) << out;
}

TEST_F(ChildProcessTest, PollWaitAndSignal) {
  SpawnOptions spawn;
  spawn.argv = {"sleep", "60"};  // found in PATH
  ChildProcess child = ChildProcess::Spawn(spawn).value();
  EXPECT_FALSE(child.Poll().has_value());
  EXPECT_EQ(child.Wait(MonoNow() + milliseconds(20)).status().code(), Code::kDeadlineExceeded);
  CancelSource source;
  source.Cancel();
  EXPECT_EQ(child.Wait(NoDeadline(), source.token()).status().code(), Code::kCancelled);
  EXPECT_TRUE(child.Signal(SIGTERM).ok());
  EXPECT_EQ(child.Wait(MonoNow() + seconds(10)).value().signal, SIGTERM);
  EXPECT_EQ(child.Wait(NoDeadline()).status().code(), Code::kFailedPrecondition);
  EXPECT_TRUE(child.Signal(SIGTERM).ok());  // nobody: fine
}

TEST_F(ChildProcessTest, SpecialMembers) {
  SpawnOptions spawn;
  spawn.argv = {"sleep", "60"};
  ChildProcess a = ChildProcess::Spawn(spawn).value();
  const pid_t first = a.pid();
  ChildProcess b(std::move(a));
  EXPECT_EQ(b.pid(), first);
  EXPECT_EQ(a.pid(), -1);  // NOLINT
  ChildProcess c = ChildProcess::Spawn(spawn).value();
  const pid_t second = c.pid();
  b = std::move(c);
  EXPECT_TRUE(Dies(first));  // assignment ends the old child
  EXPECT_TRUE(Alive(second));
  { const ChildProcess d(std::move(b)); }
  EXPECT_TRUE(Dies(second));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST_F(ChildProcessTest, DetachLetsItRun) {
  SpawnOptions spawn;
  spawn.argv = {"sleep", "60"};
  ChildProcess child = ChildProcess::Spawn(spawn).value();
  const pid_t pid = child.pid();
  child.Detach();
  child = ChildProcess();
  EXPECT_TRUE(Alive(pid));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

TEST_F(ChildProcessTest, AStatusThatSomebodyElseTookIsAnErrorNotALoop) {
  SpawnOptions spawn;
  spawn.argv = {"true"};
  ChildProcess child = ChildProcess::Spawn(spawn).value();
  ASSERT_EQ(::waitpid(child.pid(), nullptr, 0), child.pid());
  EXPECT_EQ(child.Wait(MonoNow() + seconds(5)).status().code(), Code::kInternal);
}

TEST_F(ChildProcessTest, WithAReaper) {
  Reaper reaper;
  RunOptions run = Shell("exit 7");
  run.reaper = &reaper;
  std::atomic<bool> stop = false;
  // Another thread reaps for all it is worth, as the loop does on SIGCHLD.
  std::thread other([&] {
    while (!stop) reaper.ReapAll();
  });
  for (int i = 0; i < 50; ++i) {
    const auto output = crisp::Run(run);
    ASSERT_TRUE(output.ok()) << output.status().ToString();
    EXPECT_EQ(output->status.code, 7);
  }
  stop = true;
  other.join();
}

TEST_F(ChildProcessTest, NoDescriptorIsLost) {
  (void)crisp::Run(Shell("true"));
  const int before = OpenDescriptors();
  for (int i = 0; i < 20; ++i) (void)crisp::Run(Shell("echo x"));
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace crisp
