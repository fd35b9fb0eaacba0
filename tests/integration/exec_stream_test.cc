// Exec through a streaming URL, with a client of our own (streaming.md sections 6.3 to 6.5).
#include <dirent.h>
#include <sys/socket.h>

#include <thread>

#include "base/core/file.h"
#include "tests/support/pod_test.h"
#include "tests/support/stream_client.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

size_t CountEntries(const std::string& directory) {
  size_t count = 0;
  if (DIR* dir = ::opendir(directory.c_str())) {
    while (::readdir(dir) != nullptr) ++count;
    ::closedir(dir);
  }
  return count;
}

int64_t ResidentKib(pid_t pid) {
  const std::string text = Must(ReadFile(Cat("/proc/", pid, "/status")));
  const size_t at = text.find("VmRSS:");
  return at == std::string::npos ? 0 : std::atoll(text.c_str() + at + 6);
}

class ExecStreamTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
    id_ = StartContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
  }

  Result<std::string> ExecUrl(const std::vector<std::string>& command, Stdio stdio) {
    return test::ExecUrl(&client(), id_, command, stdio);
  }
  StdioClient Exec(const std::string& script, Stdio stdio = {}) {
    return StdioClient(ExecUrl({"sh", "-c", script}, stdio), stdio);
  }
  int ExitCodeOf(const std::string& script) {
    StdioClient exec = Exec(script);
    if (!exec.ok() || !exec.AwaitEnd()) return -2;
    return exec.exit_code();
  }
  bool Runs(const std::string& what) {
    return Shell(id_, "ps -o args").find(what) != std::string::npos;
  }
  size_t DaemonFds() { return CountEntries(Cat("/proc/", daemon().pid(), "/fd")); }
  std::string ExecRecords() { return daemon().Path(Cat("run/containers/", id_, "/execs")); }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  std::string id_;
};

TEST_P(ExecStreamTest, OutputsAndExitCodes) {
  StdioClient exec = Exec("echo out; echo err >&2; exit 42");
  ASSERT_TRUE(exec.ok());
  EXPECT_TRUE(exec.AwaitEnd());
  EXPECT_EQ(exec.out(), "out\n");
  EXPECT_EQ(exec.err(), "err\n");
  EXPECT_EQ(exec.exit_code(), 42) << exec.status();
  EXPECT_EQ(ExitCodeOf("exit 0"), 0);
  EXPECT_EQ(ExitCodeOf("exit 1"), 1);
  EXPECT_EQ(ExitCodeOf("exit 255"), 255);
  EXPECT_EQ(ExitCodeOf("kill -9 $$"), 137);
}

TEST_P(ExecStreamTest, TheEndOfInputEndsCat) {
  StdioClient exec(ExecUrl({"cat"}, {.in = true}), {.in = true});
  ASSERT_TRUE(exec.ok());
  exec.Send("data");
  EXPECT_TRUE(exec.AwaitOut("data"));
  exec.EndInput();
  EXPECT_TRUE(exec.AwaitEnd());
  EXPECT_EQ(exec.out(), "data");
  EXPECT_EQ(exec.exit_code(), 0);
}

TEST_P(ExecStreamTest, AnOpenInputDoesNotHoldTheEnd) {
  const MonoTime start = MonoNow();
  StdioClient exec = Exec("echo done; exit 3", {.in = true});
  ASSERT_TRUE(exec.ok());
  EXPECT_TRUE(exec.AwaitEnd());
  EXPECT_EQ(exec.exit_code(), 3);
  EXPECT_LT(MonoNow() - start, Patient(std::chrono::seconds(5)));
}

TEST_P(ExecStreamTest, OlderProtocolsGetText) {
  for (const char* protocol : {"v3.channel.k8s.io", "v2.channel.k8s.io"}) {
    SCOPED_TRACE(protocol);
    StdioClient failing(ExecUrl({"sh", "-c", "exit 5"}, {}), {}, protocol);
    ASSERT_TRUE(failing.ok());
    EXPECT_TRUE(failing.AwaitEnd());
    EXPECT_EQ(failing.status(), "command terminated with non-zero exit code: exit status 5");
    StdioClient good(ExecUrl({"true"}, {}), {}, protocol);
    ASSERT_TRUE(good.ok());
    EXPECT_TRUE(good.AwaitEnd());
    EXPECT_EQ(good.status(), "");
  }
}

TEST_P(ExecStreamTest, WhatCannotBeStarted) {
  StdioClient exec(ExecUrl({"/no/such/command"}, {}), {});
  ASSERT_TRUE(exec.ok());
  EXPECT_TRUE(exec.AwaitEnd());
  EXPECT_THAT(exec.status(), HasSubstr("error executing command in container: "));
  EXPECT_THAT(exec.status(), HasSubstr("/no/such/command"));
  EXPECT_THAT(exec.status(), HasSubstr("\"reason\":\"InternalError\""));
}

TEST_P(ExecStreamTest, WrongCalls) {
  EXPECT_THAT(ExecUrl({}, {}), HasCode(Code::kInvalidArgument));
  EXPECT_THAT(ExecUrl({"true"}, {.in = false, .out = false, .err = false}),
              HasCode(Code::kInvalidArgument));
  v1::ExecRequest request;
  request.add_cmd("true");
  request.set_stdout(true);
  EXPECT_THAT(client().Call(request), HasCode(Code::kInvalidArgument));
  request.set_container_id("0123456789ab");
  EXPECT_THAT(client().Call(request), HasCode(Code::kNotFound));
  request.set_container_id(id_.substr(0, 13));
  EXPECT_THAT(client().Call(request), IsOk()) << "a prefix is enough";
  request.set_tty(true);
  request.set_stderr(true);
  EXPECT_THAT(client().Call(request), HasCode(Code::kInvalidArgument));
  EXPECT_THAT(TryStop(id_, 0), IsOk());
  EXPECT_THAT(ExecUrl({"true"}, {}), HasCode(Code::kFailedPrecondition));
}

TEST_P(ExecStreamTest, TheContainerMayEndBeforeTheClientComes) {
  const auto url = ExecUrl({"true"}, {});
  EXPECT_THAT(TryStop(id_, 0), IsOk());
  StdioClient exec(url, {});
  ASSERT_TRUE(exec.ok());
  EXPECT_TRUE(exec.AwaitEnd());
  EXPECT_THAT(exec.status(), HasSubstr("has exited"));
}

TEST_P(ExecStreamTest, HundredMegabytesOut) {
  constexpr size_t kSize = 100 << 20;
  ASSERT_EQ(ExitCodeOf("true"), 0);  // what the first session needs is there
  const int64_t before = ResidentKib(daemon().pid());
  StdioClient exec = Exec("yes 0123456789abcdef | head -c 104857600; echo end >&2");
  ASSERT_TRUE(exec.ok());
  EXPECT_TRUE(exec.AwaitEnd(std::chrono::seconds(60)));
  EXPECT_EQ(exec.exit_code(), 0);
  EXPECT_EQ(exec.err(), "end\n");
  const std::string out = exec.out();
  ASSERT_EQ(out.size(), kSize);
  std::string expected;
  while (expected.size() < kSize) expected += "0123456789abcdef\n";
  EXPECT_EQ(Checksum(out), Checksum(std::string_view(expected).substr(0, kSize)));
  EXPECT_LT(ResidentKib(daemon().pid()), before + (8 << 10)) << "KiB";
}

TEST_P(ExecStreamTest, HundredMegabytesIn) {
  constexpr size_t kPiece = 1 << 20;
  ASSERT_EQ(ExitCodeOf("true"), 0);
  const int64_t before = ResidentKib(daemon().pid());
  StdioClient exec = Exec("md5sum", {.in = true});
  ASSERT_TRUE(exec.ok());
  for (int i = 0; i < 100; ++i) {
    exec.Send(std::string(kPiece, static_cast<char>('a' + i % 26)));
    ASSERT_TRUE(exec.connection().RunUntil([] { return true; }));
  }
  exec.EndInput();
  EXPECT_TRUE(exec.AwaitEnd(std::chrono::seconds(60)));
  EXPECT_LT(ResidentKib(daemon().pid()), before + (8 << 10)) << "KiB";
  const std::string expected =
      Shell(id_,
            "for i in $(seq 0 99); do c=$(printf \"\\\\$(printf %03o $((97 + i % 26)))\");"
            " head -c 1048576 /dev/zero | tr '\\0' $c; done | md5sum");
  EXPECT_EQ(exec.out(), expected);
}

TEST_P(ExecStreamTest, ASlowClientSlowsTheCommand) {
  StdioClient exec = Exec("yes | head -c 50000000; echo all-written > /tmp/all");
  ASSERT_TRUE(exec.ok());
  const int64_t before = ResidentKib(daemon().pid());
  ::usleep(1000000);
  EXPECT_EQ(Shell(id_, "cat /tmp/all 2>/dev/null || true"), "") << "somebody took 50 MB";
  EXPECT_LT(ResidentKib(daemon().pid()), before + (8 << 10)) << "KiB";
  EXPECT_EQ(ExitCodeOf("exit 6"), 6) << "another session has to wait for it";
  EXPECT_TRUE(exec.AwaitEnd(std::chrono::seconds(60)));
  EXPECT_EQ(exec.out().size(), 50000000u);
}

TEST_P(ExecStreamTest, TerminalSizes) {
  const Stdio tty{.in = true, .tty = true};
  StdioClient exec = Exec("stty size; read x; stty size; echo $TERM; exit 9", tty);
  ASSERT_TRUE(exec.ok());
  exec.Resize(100, 40);
  EXPECT_TRUE(exec.AwaitOut("40 100\r\n"))
      << "the first size was not there in time: " << exec.out();
  exec.Resize(132, 50);
  exec.Send("\n");
  EXPECT_TRUE(exec.AwaitEnd());
  EXPECT_THAT(exec.out(), HasSubstr("50 132\r\nxterm\r\n"));
  EXPECT_EQ(exec.exit_code(), 9);
}

TEST_P(ExecStreamTest, ATerminalShell) {
  const Stdio tty{.in = true, .tty = true};
  StdioClient exec(ExecUrl({"sh"}, tty), tty);
  ASSERT_TRUE(exec.ok());
  exec.Resize(80, 24);
  exec.Send("echo he''llo; trap 'echo wi''nch' WINCH; sleep 1000\n");
  EXPECT_TRUE(exec.AwaitOut("hello\r\n"));
  EXPECT_TRUE(Eventually([&] { return Runs("sleep 1000"); }));
  exec.Send("\x03");  // ^C reaches the foreground process
  exec.Send("exit 4\n");
  EXPECT_TRUE(exec.AwaitEnd());
  EXPECT_EQ(exec.exit_code(), 4);
  EXPECT_FALSE(Runs("sleep 1000"));
}

TEST_P(ExecStreamTest, AClientThatVanishesLeavesTheCommand) {
  StdioClient exec =
      Exec("cat; echo $? > /tmp/eof; yes | head -c 5000000; echo end > /tmp/end", {.in = true});
  ASSERT_TRUE(exec.ok());
  exec.Send("x\n");
  EXPECT_TRUE(exec.AwaitOut("x\n"));
  exec.connection().Cut();
  EXPECT_TRUE(Eventually([&] { return Shell(id_, "cat /tmp/end 2>/dev/null||true") == "end\n"; }))
      << "the command did not run on with its output dropped";
  EXPECT_EQ(Shell(id_, "cat /tmp/eof"), "0\n");
  EXPECT_TRUE(Eventually([&] { return CountEntries(ExecRecords()) == 2; })) << "record left";
}

TEST_P(ExecStreamTest, AVanishedClientsTerminalStays) {
  const Stdio tty{.in = true, .tty = true};
  StdioClient exec = Exec("trap '' HUP; echo up; sleep 1; echo end > /tmp/end", tty);
  ASSERT_TRUE(exec.ok());
  EXPECT_TRUE(exec.AwaitOut("up"));
  exec.connection().Cut();
  EXPECT_TRUE(Eventually([&] { return Shell(id_, "cat /tmp/end 2>/dev/null||true") == "end\n"; }));
}

TEST_P(ExecStreamTest, ABackgroundChildNeitherHoldsNorDies) {
  StdioClient exec = Exec(
      "(while ! test -e /tmp/go; do sleep 0.05; done; echo late; echo alive > /tmp/alive) & "
      "echo started");
  ASSERT_TRUE(exec.ok());
  EXPECT_TRUE(exec.AwaitEnd());
  EXPECT_EQ(exec.out(), "started\n");
  EXPECT_EQ(exec.exit_code(), 0);
  Shell(id_, "touch /tmp/go");
  EXPECT_TRUE(Eventually([&] {
    return Shell(id_, "cat /tmp/alive 2>/dev/null || true") == "alive\n";
  })) << "it was killed by its broken pipe";
}

// Also the leak test of execs: descriptors, processes, zombies, directories, groups.
TEST_P(ExecStreamTest, ThreeHundredAndNothingIsLeft) {
  ASSERT_EQ(ExitCodeOf("true"), 0);
  ASSERT_TRUE(Eventually([&] { return CountEntries(ExecRecords()) == 2; }));
  const size_t fds = DaemonFds();
  const std::string processes = Shell(id_, "ps -o args | grep -vc ps");
  std::vector<std::thread> callers;
  for (int thread = 0; thread < 4; ++thread) {
    callers.emplace_back([&, thread] {
      for (int i = 0; i < 75; ++i) {
        const bool cut = i % 10 == 9;
        const Stdio stdio{.in = i % 3 == 0, .tty = i % 5 == 4};
        StdioClient exec = Exec(Cat("echo ", thread, "-", i, "; exit ", i), stdio);
        if (!exec.ok()) return;
        if (cut) {
          exec.connection().Cut();
          continue;
        }
        EXPECT_TRUE(exec.AwaitEnd());
        EXPECT_EQ(exec.exit_code(), i) << exec.status();
        EXPECT_THAT(exec.out(), StartsWith(Cat(thread, "-", i)));
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_TRUE(Eventually([&] { return CountEntries(ExecRecords()) == 2; }))
      << CountEntries(ExecRecords()) - 2 << " records";
  EXPECT_TRUE(Eventually([&] { return DaemonFds() <= fds; })) << DaemonFds() << " of " << fds;
  // A runtime that was stopped half way leaves an init that ends when it misses its parent.
  EXPECT_TRUE(Eventually([&] { return Shell(id_, "ps -o args | grep -vc ps") == processes; }))
      << Shell(id_, "ps -o pid,stat,args");
  EXPECT_THAT(Shell(id_, "ps -o stat,args"), Not(HasSubstr("Z ")));
  for (const char* group : {"pids", "memory"}) {
    const std::string dir = Cat("/sys/fs/cgroup/", group, daemon().CgroupOf(id_));
    if (!PathExists(dir)) continue;
    EXPECT_TRUE(Eventually([&] {
      bool found = false;
      if (DIR* open = ::opendir(dir.c_str())) {
        while (const dirent* entry = ::readdir(open)) {
          found |= std::string_view(entry->d_name).starts_with("exec-");
        }
        ::closedir(open);
      }
      return !found;
    })) << dir;
  }
}

TEST_P(ExecStreamTest, AKilledDaemonsExecsAreEnded) {
  StdioClient exec = Exec("sleep 4246");
  ASSERT_TRUE(exec.ok());
  ASSERT_TRUE(Eventually([&] { return Runs("sleep 4246"); }));
  KillAndRestart();
  EXPECT_FALSE(Runs("sleep 4246"));
  EXPECT_EQ(ExitCodeOf("exit 8"), 8);
}

CRISP_FOR_EACH_RUNTIME(ExecStreamTest);

}  // namespace
}  // namespace crisp::test
