// Exec: the order of the end, and every order in which ends come.
#include <pty.h>

#include "fake_pods.h"
#include "server/streaming/sessions.h"
#include "session_fixtures.h"

namespace crisp::streaming {
namespace {

namespace v1 = ::runtime::v1;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kSuccess = R"({"metadata":{},"status":"Success"})";

// The command's side of an exec.
struct Command {
  UniqueFd in, out, err;
  std::string terminal;  // its name
  std::function<void(int)> on_exit;
  bool released = false;
  bool stdin_closed_by_session = false;
  pod::TerminalSize size;
};

class FakeStreams final : public pod::ExecStreams {
 public:
  explicit FakeStreams(Command* command) : command_(command) {}
  ~FakeStreams() override {
    command_->on_exit = nullptr;
    command_->released = true;
  }
  void OnExit(std::function<void(int)> callback) override { command_->on_exit = callback; }

 private:
  Command* const command_;
};

class ExecSessionTest : public SessionTest {
 protected:
  ExecSessionTest() {
    request_.set_container_id("c");
    request_.add_cmd("cat");
    request_.set_stdin(true);
    request_.set_stdout(true);
    request_.set_stderr(true);
    pods_.on_exec = [this](v1::ExecRequest, pod::TerminalSize size, CancelToken cancel,
                           pod::Done<std::unique_ptr<pod::ExecStreams>> done) {
      command_.size = size;
      cancel_ = cancel;
      answer_ = std::move(done);
      if (!late_) Open();
    };
  }

  void Start() {
    StartExecSession({&io_, &pods_, &telemetry_}, request_,
                     std::make_unique<FakeChannels>(&client_), [this] {
                       EXPECT_TRUE(client_.gone());
                       ++ended_;
                     });
  }

  void Open() {
    auto streams = std::make_unique<FakeStreams>(&command_);
    if (request_.tty()) {
      int master = -1, slave = -1;
      char name[64];
      ASSERT_EQ(::openpty(&master, &slave, name, nullptr, nullptr), 0);
      command_.terminal = name;
      streams->terminal = UniqueFd(master);
      command_.out = UniqueFd(slave);
      ASSERT_TRUE(SetNonBlocking(master).ok());
      ASSERT_TRUE(SetNonBlocking(slave).ok());
    } else {
      if (request_.stdin()) Connect(&command_.in, &streams->stdin_fd);
      if (request_.stdout()) Connect(&streams->stdout_fd, &command_.out);
      if (request_.stderr()) Connect(&streams->stderr_fd, &command_.err);
    }
    answer_(std::unique_ptr<pod::ExecStreams>(std::move(streams)));
  }
  static void Connect(UniqueFd* reading, UniqueFd* writing) {
    FdPair pipe = NonBlockingPipe();
    *reading = std::move(pipe.first);
    *writing = std::move(pipe.second);
  }

  void StartRunning() {
    Start();
    ASSERT_TRUE(RunUntil([&] { return command_.on_exit != nullptr; }));
  }
  void Writes(const UniqueFd& to, std::string_view text) {
    EXPECT_TRUE(WriteAll(to.get(), text).ok());
  }
  void Exits(int code) {
    command_.out.Reset();
    command_.err.Reset();
    command_.in.Reset();
    ASSERT_TRUE(command_.on_exit);
    command_.on_exit(code);
  }
  bool AwaitEnd() {
    return RunUntil([&] { return ended_ > 0; });
  }
  std::string& error() { return client_.received[Channel::kError]; }

  rpc::FakePods pods_;
  Telemetry telemetry_;
  v1::ExecRequest request_;
  Command command_;
  CancelToken cancel_;
  pod::Done<std::unique_ptr<pod::ExecStreams>> answer_;
  bool late_ = false;
  int ended_ = 0;
};

TEST_F(ExecSessionTest, OutputThenStatusThenClose) {
  StartRunning();
  Writes(command_.out, "out");
  Writes(command_.err, "err");
  Exits(0);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_EQ(client_.received[Channel::kStdout], "out");
  EXPECT_EQ(client_.received[Channel::kStderr], "err");
  EXPECT_EQ(error(), kSuccess);
  EXPECT_THAT(client_.events, testing::UnorderedElementsAre("finish stdout", "finish stderr",
                                                            "finish error", "close", "gone"));
  EXPECT_THAT(std::vector(client_.events.begin() + 2, client_.events.end()),
              ElementsAre("finish error", "close", "gone"));
  EXPECT_EQ(ended_, 1);
  EXPECT_TRUE(command_.released);
}

TEST_F(ExecSessionTest, ExitCodes) {
  StartRunning();
  Exits(137);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_THAT(error(), HasSubstr(R"("causes":[{"reason":"ExitCode","message":"137"}])"));
}

TEST_F(ExecSessionTest, TextProtocols) {
  client_.format = ErrorFormat::kText;
  StartRunning();
  Exits(42);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_EQ(error(), "command terminated with non-zero exit code: exit status 42");
}

TEST_F(ExecSessionTest, TextProtocolsSayNothingOnSuccess) {
  client_.format = ErrorFormat::kText;
  StartRunning();
  Exits(0);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_EQ(error(), "");
  EXPECT_THAT(client_.events, testing::Contains("finish error"));
}

TEST_F(ExecSessionTest, OnlyWhatWasAskedForIsFinished) {
  request_.set_stderr(false);
  request_.set_stdin(false);
  StartRunning();
  Exits(0);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_THAT(client_.events, ElementsAre("finish stdout", "finish error", "close", "gone"));
}

TEST_F(ExecSessionTest, InputAndItsEnd) {
  StartRunning();
  client_.Sends(Channel::kStdin, "typed");
  EXPECT_EQ(ReadNow(command_.in.get()), "typed");
  client_.Ends(Channel::kStdin);
  char c;
  EXPECT_EQ(::read(command_.in.get(), &c, 1), 0) << "no end of input";
  Exits(0);
  EXPECT_TRUE(AwaitEnd());
}

TEST_F(ExecSessionTest, InputBeforeTheStartIsKept) {
  late_ = true;
  Start();
  client_.Sends(Channel::kStdin, "early");
  client_.Ends(Channel::kStdin);
  Open();
  ASSERT_TRUE(RunUntil([&] { return command_.on_exit != nullptr; }));
  EXPECT_EQ(ReadNow(command_.in.get()), "early");
  char c;
  EXPECT_EQ(::read(command_.in.get(), &c, 1), 0);
  Exits(0);
  EXPECT_TRUE(AwaitEnd());
}

TEST_F(ExecSessionTest, AnOpenInputDoesNotHoldAFinishedCommand) {
  StartRunning();
  client_.Sends(Channel::kStdin, "x");
  const MonoTime start = MonoNow();
  Exits(0);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_LT(MonoNow() - start, std::chrono::milliseconds(250));
}

TEST_F(ExecSessionTest, InputThatNobodyReadsDoesNotHoldItEither) {
  StartRunning();
  while (!client_.paused) client_.Sends(Channel::kStdin, std::string(65536, 'x'));
  UniqueFd held = std::move(command_.in);
  Exits(0);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_FALSE(client_.paused);
}

TEST_F(ExecSessionTest, TheEndOfOutputIsNotTheEnd) {
  StartRunning();
  command_.out.Reset();
  command_.err.Reset();
  EXPECT_TRUE(RunUntil([&] { return client_.events.size() == 2; }));
  RunFor(std::chrono::milliseconds(50));
  EXPECT_EQ(ended_, 0);
  Exits(3);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_THAT(error(), HasSubstr("exit status 3"));
}

TEST_F(ExecSessionTest, TheExitMayComeLongBeforeTheEndOfOutput) {
  StartRunning();
  client_.reads = false;
  const size_t size = Fill(command_.out.get(), 'o');
  Exits(0);
  RunFor(std::chrono::milliseconds(50));
  EXPECT_EQ(ended_, 0);
  client_.ReadAgain();
  EXPECT_TRUE(AwaitEnd());
  EXPECT_EQ(client_.received[Channel::kStdout].size(), size);
  EXPECT_EQ(error(), kSuccess);
}

TEST_F(ExecSessionTest, ABackgroundChildDoesNotHoldTheSession) {
  StartRunning();
  Writes(command_.out, "started\n");
  UniqueFd held = std::move(command_.out);
  Exits(0);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_EQ(client_.received[Channel::kStdout], "started\n");
  EXPECT_EQ(error(), kSuccess);
}

TEST_F(ExecSessionTest, ACommandThatCannotBeStarted) {
  pods_.on_exec = [](v1::ExecRequest, pod::TerminalSize, CancelToken,
                     pod::Done<std::unique_ptr<pod::ExecStreams>> done) {
    done(InvalidArgument("exec in container c: no such file"));
  };
  Start();
  EXPECT_TRUE(AwaitEnd());
  EXPECT_THAT(error(),
              HasSubstr(R"("message":"Internal error occurred: error executing command in )"
                        R"(container: exec in container c: no such file")"));
  EXPECT_THAT(client_.events,
              ElementsAre("finish stdout", "finish stderr", "finish error", "close", "gone"));
}

TEST_F(ExecSessionTest, AClientThatVanishesLeavesTheCommand) {
  StartRunning();
  client_.Vanishes();
  EXPECT_EQ(ended_, 1);
  EXPECT_TRUE(command_.released);
  EXPECT_THAT(client_.events, ElementsAre("gone")) << "nothing is sent to nobody";
  RunFor(std::chrono::milliseconds(20));
}

TEST_F(ExecSessionTest, AClientThatVanishesWhileItIsStarted) {
  late_ = true;
  Start();
  client_.Vanishes();
  EXPECT_EQ(ended_, 1);
  EXPECT_TRUE(cancel_.cancelled());
  Open();
  EXPECT_TRUE(RunUntil([&] { return command_.released; })) << "it runs on, on its own";
}

TEST_F(ExecSessionTest, AClientThatVanishesInEveryStateOfOutput) {
  for (int stage = 0; stage < 3; ++stage) {
    SCOPED_TRACE(stage);
    client_ = FakeClient(&io_);
    command_ = Command();
    const int before = ended_;
    StartRunning();
    client_.reads = false;
    Writes(command_.out, "x");
    if (stage > 0) {
      EXPECT_TRUE(RunUntil([&] { return !client_.on_the_way.empty(); }));
    }
    if (stage > 1) {
      Exits(0);
      RunFor(std::chrono::milliseconds(20));
    }
    client_.Vanishes();
    EXPECT_EQ(ended_, before + 1);
    RunFor(std::chrono::milliseconds(20));
    EXPECT_EQ(ended_, before + 1);
  }
}

TEST_F(ExecSessionTest, AClientThatVanishesBeforeItHasTheStatus) {
  StartRunning();
  command_.out.Reset();
  command_.err.Reset();
  EXPECT_TRUE(RunUntil([&] { return client_.events.size() == 2; }));
  client_.reads = false;
  Exits(0);
  EXPECT_TRUE(RunUntil([&] { return !client_.on_the_way.empty(); }));
  EXPECT_TRUE(command_.released);
  client_.Vanishes();
  EXPECT_EQ(ended_, 1);
  EXPECT_THAT(client_.events, testing::Not(testing::Contains("close")));
}

class TerminalSessionTest : public ExecSessionTest {
 protected:
  TerminalSessionTest() {
    request_.set_tty(true);
    request_.set_stderr(false);
  }
  std::string Size() {
    winsize size{};
    EXPECT_EQ(::ioctl(command_.out.get(), TIOCGWINSZ, &size), 0);
    return Cat(size.ws_col, 'x', size.ws_row);
  }
};

TEST_F(TerminalSessionTest, TheFirstSizeIsKnownAtTheStart) {
  Start();
  client_.Sends(Channel::kResize, R"({"Width":100,"Height":40})");
  EXPECT_EQ(command_.size.columns, 100);
  EXPECT_EQ(command_.size.rows, 40);
  ASSERT_TRUE(RunUntil([&] { return command_.on_exit != nullptr; }));
  client_.Sends(Channel::kResize, "\n{\"Width\":132,\"Height\":50}\n");
  EXPECT_EQ(Size(), "132x50");
  client_.Sends(Channel::kResize, "nonsense");
  client_.Sends(Channel::kResize, R"({"Width":1,"Height":1})");
  EXPECT_EQ(Size(), "132x50");
  Exits(0);
  EXPECT_TRUE(AwaitEnd());
}

TEST_F(TerminalSessionTest, ASizeThatComesWhileItIsStarted) {
  late_ = true;
  Start();
  ASSERT_TRUE(RunUntil([&] { return answer_ != nullptr; })) << "it waits for a size for ever";
  EXPECT_EQ(command_.size.columns, 0);
  client_.Sends(Channel::kResize, R"({"Width":90,"Height":30})");
  Open();
  ASSERT_TRUE(RunUntil([&] { return command_.on_exit != nullptr; }));
  EXPECT_EQ(Size(), "90x30");
  Exits(0);
  EXPECT_TRUE(AwaitEnd());
}

TEST_F(TerminalSessionTest, BothWaysAndTheHangUp) {
  StartRunning();
  client_.Sends(Channel::kStdin, "typed\n");
  EXPECT_EQ(ReadNow(command_.out.get()), "typed\n");
  Writes(command_.out, "shown\n");
  EXPECT_TRUE(RunUntil([&] { return client_.received[Channel::kStdout] == "typed\r\nshown\r\n"; }));
  client_.Ends(Channel::kStdin);
  RunFor(std::chrono::milliseconds(20));
  EXPECT_EQ(ended_, 0) << "the end of input is no hang-up";
  Exits(7);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_THAT(error(), HasSubstr("exit status 7"));
  EXPECT_THAT(client_.events, ElementsAre("finish stdout", "finish error", "close", "gone"));
}

TEST_F(TerminalSessionTest, ACommandThatLetsGoOfItsTerminalForAMoment) {
  StartRunning();
  command_.out.Reset();
  RunFor(std::chrono::milliseconds(20));
  EXPECT_TRUE(client_.events.empty()) << client_.events.front();
  command_.out.Reset(::open(command_.terminal.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(command_.out.valid());
  Writes(command_.out, "shown\n");
  EXPECT_TRUE(RunUntil([&] { return client_.received[Channel::kStdout] == "shown\r\n"; }));
  client_.Sends(Channel::kStdin, "typed\n");
  EXPECT_EQ(ReadNow(command_.out.get()), "typed\n");
  Exits(7);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_THAT(error(), HasSubstr("exit status 7"));
}

}  // namespace
}  // namespace crisp::streaming
