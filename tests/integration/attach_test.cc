// Attach through a streaming URL (streaming.md section 6.6).
#include "tests/support/pod_test.h"
#include "tests/support/stream_client.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;

class AttachTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
  }

  void StartShell(const std::vector<std::string>& command, bool once, bool tty = false) {
    config_ = ContainerConfig("c", command);
    config_.set_stdin(true);
    config_.set_stdin_once(once);
    config_.set_tty(tty);
    id_ = StartContainer(pod_, config_, sandbox_);
  }
  Result<std::string> AttachUrl(Stdio stdio) {
    v1::AttachRequest request;
    request.set_container_id(id_);
    request.set_stdin(stdio.in);
    request.set_stdout(stdio.out);
    request.set_stderr(stdio.err && !stdio.tty);
    request.set_tty(stdio.tty);
    return CRISP_TRY(client().Call(request)).url();
  }
  StdioClient Attach(Stdio stdio = {.in = true}) { return StdioClient(AttachUrl(stdio), stdio); }

  v1::PodSandboxConfig sandbox_;
  v1::ContainerConfig config_;
  std::string pod_;
  std::string id_;
};

// As critest does it.
TEST_P(AttachTest, StdinOnceEndsTheShell) {
  StartShell({"/bin/sh"}, /*once=*/true);
  StdioClient attached = Attach();
  ASSERT_TRUE(attached.ok());
  attached.Send("printf hello\n");
  EXPECT_TRUE(attached.AwaitOut("hello"));
  EXPECT_EQ(attached.out(), "hello");
  attached.EndInput();
  EXPECT_TRUE(attached.AwaitEnd());
  EXPECT_EQ(attached.err(), "");
  EXPECT_EQ(attached.exit_code(), 0);
  EXPECT_EQ(AwaitExit(id_).exit_code(), 0);
}

TEST_P(AttachTest, StdinOnceEndsAlsoWithALostClient) {
  StartShell({"sh", "-c", "cat; exit 5"}, /*once=*/true);
  StdioClient attached = Attach();
  ASSERT_TRUE(attached.ok());
  attached.Send("typed\n");
  EXPECT_TRUE(attached.AwaitOut("typed\n"));
  attached.connection().Cut();
  EXPECT_EQ(AwaitExit(id_).exit_code(), 5);
}

TEST_P(AttachTest, TwoAtOnceSeeTheSame) {
  StartShell({"cat"}, /*once=*/false);
  StdioClient one = Attach();
  StdioClient two = Attach();
  ASSERT_TRUE(one.ok() && two.ok());
  // A client is told nothing when it is attached: it has been once it hears itself.
  two.Send("two is there\n");
  EXPECT_TRUE(two.AwaitOut("two is there\n"));
  one.Send("from one\n");
  EXPECT_TRUE(one.AwaitOut("from one\n"));
  EXPECT_TRUE(two.AwaitOut("from one\n"));
  two.Send("from two\n");
  EXPECT_TRUE(one.AwaitOut("from two\n"));
  one.EndInput();
  two.Send("still open\n");
  EXPECT_TRUE(two.AwaitOut("still open\n"));
  EXPECT_THAT(TryStop(id_, 0), IsOk());
  EXPECT_TRUE(one.AwaitEnd());
  EXPECT_TRUE(two.AwaitEnd());
  EXPECT_EQ(one.exit_code(), 0) << "the end of a container is a good end: " << one.status();
}

TEST_P(AttachTest, ALostClientLeavesTheContainer) {
  StartShell({"cat"}, /*once=*/false);
  {
    StdioClient attached = Attach();
    ASSERT_TRUE(attached.ok());
    attached.Send("first\n");
    EXPECT_TRUE(attached.AwaitOut("first\n"));
    attached.connection().Cut();
  }
  StdioClient attached = Attach();
  ASSERT_TRUE(attached.ok());
  attached.Send("second\n");
  EXPECT_TRUE(attached.AwaitOut("second\n"));
  EXPECT_EQ(attached.out(), "second\n") << "no replay";
  EXPECT_EQ(StatusOf(id_).state(), v1::CONTAINER_RUNNING);
}

TEST_P(AttachTest, OutputsAreApartAndLogged) {
  StartShell({"sh", "-c", "read x; echo out; echo err >&2; read x; exit 3"}, /*once=*/true);
  StdioClient attached = Attach();
  ASSERT_TRUE(attached.ok());
  attached.Send("\n");
  EXPECT_TRUE(attached.AwaitOut("out\n"));
  attached.Send("\n");
  EXPECT_TRUE(attached.AwaitEnd());
  EXPECT_EQ(attached.out(), "out\n");
  EXPECT_EQ(attached.err(), "err\n");
  EXPECT_EQ(attached.exit_code(), 0) << "the exit code is not reported by attach";
  EXPECT_EQ(AwaitExit(id_).exit_code(), 3);
  EXPECT_EQ(LogText(LogPath(sandbox_, config_)), "out\n");
  EXPECT_EQ(LogText(LogPath(sandbox_, config_), "stderr"), "err\n");
}

TEST_P(AttachTest, ATerminalWithSizes) {
  StartShell({"sh"}, /*once=*/true, /*tty=*/true);
  const Stdio tty{.in = true, .tty = true};
  {
    StdioClient attached = Attach(tty);
    ASSERT_TRUE(attached.ok());
    attached.Resize(100, 40);
    attached.Send("stty size\n");
    EXPECT_TRUE(attached.AwaitOut("40 100\r\n"));
    attached.Resize(132, 50);
    attached.Send("stty size\n");
    EXPECT_TRUE(attached.AwaitOut("50 132\r\n"));
    attached.EndInput();  // as crictl does for its detach keys
    EXPECT_TRUE(attached.AwaitEnd());
    EXPECT_EQ(attached.exit_code(), 0);
  }
  StdioClient attached = Attach(tty);
  ASSERT_TRUE(attached.ok());
  attached.Send("exit 7\n");
  EXPECT_TRUE(attached.AwaitEnd());
  EXPECT_EQ(AwaitExit(id_).exit_code(), 7);
}

TEST_P(AttachTest, AfterARestartOfTheDaemon) {
  StartShell({"cat"}, /*once=*/false);
  StdioClient before = Attach();
  ASSERT_TRUE(before.ok());
  before.Send("before\n");
  EXPECT_TRUE(before.AwaitOut("before\n"));
  KillAndRestart();
  StdioClient attached = Attach();
  ASSERT_TRUE(attached.ok());
  attached.Send("after\n");
  EXPECT_TRUE(attached.AwaitOut("after\n"));
  EXPECT_EQ(attached.out(), "after\n");
}

TEST_P(AttachTest, WrongCalls) {
  StartShell({"cat"}, /*once=*/false);
  EXPECT_THAT(AttachUrl({.in = false, .out = false, .err = false}),
              HasCode(Code::kInvalidArgument));
  v1::AttachRequest request;
  request.set_stdout(true);
  EXPECT_THAT(client().Call(request), HasCode(Code::kInvalidArgument));
  request.set_container_id("0123456789ab");
  EXPECT_THAT(client().Call(request), HasCode(Code::kNotFound));
  request.set_container_id(id_);
  request.set_tty(true);
  request.set_stderr(true);
  EXPECT_THAT(client().Call(request), HasCode(Code::kInvalidArgument));
  const auto url = AttachUrl({});
  EXPECT_THAT(TryStop(id_, 0), IsOk());
  EXPECT_THAT(AttachUrl({}), HasCode(Code::kFailedPrecondition));
  StdioClient late(url, {});
  ASSERT_TRUE(late.ok());
  EXPECT_TRUE(late.AwaitEnd());
  EXPECT_THAT(late.status(), HasSubstr("error attaching to container: "));
  EXPECT_THAT(late.status(), HasSubstr("has exited"));
}

TEST_P(AttachTest, ASlowClientIsCutOffAndTheContainerIsNot) {
  StartShell({"sh", "-c", "read x; seq 1 3000000; exit 6"}, /*once=*/true);
  StdioClient slow = Attach();
  ASSERT_TRUE(slow.ok());
  slow.Send("\n");
  ASSERT_TRUE(slow.connection().RunUntil([] { return true; }));
  EXPECT_EQ(AwaitExit(id_, std::chrono::seconds(60)).exit_code(), 6);
  EXPECT_TRUE(slow.AwaitEnd());
  EXPECT_NE(slow.exit_code(), 0) << slow.status();
  const std::string log = LogText(LogPath(sandbox_, config_));
  EXPECT_TRUE(log.ends_with("\n3000000\n"));
}

CRISP_FOR_EACH_RUNTIME(AttachTest);

}  // namespace
}  // namespace crisp::test
