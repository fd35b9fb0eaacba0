// Streaming, with an OCI runtime that starts commands on this machine.
#include "pod/streaming.h"

#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <future>
#include <thread>

#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "pod_fixtures.h"
#include "recording_runtime.h"
#include "tests/support/patience.h"

namespace crisp::pod {
namespace {

using test::Eventually;
using testing::HasSubstr;

constexpr const char* kContainer =
    "c000000000000000000000000000000000000000000000000000000000000000";
constexpr const char* kSandbox = "a000000000000000000000000000000000000000000000000000000000000000";

class LocalRuntime final : public RecordingRuntime {
 public:
  explicit LocalRuntime(Reaper* reaper) : reaper_(reaper) {}
  Result<pid_t> ExecDetached(const oci::ExecRequest& request) override {
    process_json = CRISP_TRY(ReadFile(request.process_json_path));
    SpawnOptions spawn;
    spawn.argv = CRISP_TRY(oci::ProcessFromSpecJson(Cat("{\"process\":", process_json, "}"))).args;
    if (request.stdin_fd >= 0) spawn.fds.emplace_back(request.stdin_fd, 0);
    if (request.stdout_fd >= 0) spawn.fds.emplace_back(request.stdout_fd, 1);
    if (request.stderr_fd >= 0) spawn.fds.emplace_back(request.stderr_fd, 2);
    spawn.reaper = reaper_;
    ChildProcess child = CRISP_TRY(ChildProcess::Spawn(spawn));
    const pid_t pid = child.pid();
    child.Detach();
    return pid;
  }
  std::string process_json;

 private:
  Reaper* const reaper_;
};

class StreamingTest : public testing::Test {
 protected:
  StreamingTest() {
    ::signal(SIGPIPE, SIG_IGN);
    char pattern[] = "/tmp/crisp-streaming-XXXXXX";
    dir_ = ::mkdtemp(pattern);
    loop_ = std::move(EpollLoop::Create()).value();
    thread_ = std::thread([this] { loop_->Run(); });
    Options options;
    options.root = dir_ + "/root";
    options.state = dir_ + "/state";
    options.loop = loop_.get();
    options.reaper = &reaper_;
    options.exec_lane = &lane_;
    options.telemetry = &telemetry_;
    options.cgroup_layout = &layout_;
    env_ = std::make_unique<Environment>(std::move(options));
    streaming_ = std::make_unique<Streaming>(env_.get());
    sandbox_ =
        std::make_shared<Sandbox>(MakeSandboxRow("pod", kSandbox), &runtime_, env_->roots, nullptr);
    EXPECT_TRUE(env_->registry.Add(sandbox_).ok());
    ContainerRow row = MakeContainerRow("c", kContainer);
    row.sandbox = sandbox_->id();
    container_ = std::make_shared<Container>(row, sandbox_, env_->roots);
    EXPECT_TRUE(env_->registry.Add(container_).ok());
    EXPECT_TRUE(EnsureDirectory(container_->paths().state()).ok());
    EXPECT_TRUE(EnsureDirectory(container_->paths().bundle()).ok());
    EXPECT_TRUE(WriteFile(container_->paths().config_json(),
                          R"({"process":{"args":["top"],"env":["A=b"],"cwd":"/"}})")
                    .ok());
  }
  ~StreamingTest() override {
    lane_.Shutdown();
    loop_->Stop();
    thread_.join();
    EXPECT_TRUE(RemoveTreeAt(dir_).ok());
  }

  static v1::ExecRequest Request(const std::string& script) {
    v1::ExecRequest request;
    request.set_container_id(kContainer);
    for (const char* word : {"/bin/sh", "-c", script.c_str()}) request.add_cmd(word);
    request.set_stdin(true);
    request.set_stdout(true);
    request.set_stderr(true);
    return request;
  }
  Result<std::unique_ptr<ExecStreams>> Open(v1::ExecRequest request, CancelToken cancel = {},
                                            TerminalSize size = {}) {
    std::promise<Result<std::unique_ptr<ExecStreams>>> answer;
    streaming_->OpenExec(std::move(request), size, cancel,
                         [&](auto result) { answer.set_value(std::move(result)); });
    return answer.get_future().get();
  }
  static int ExitOf(ExecStreams* streams) {
    std::promise<int> exit;
    streams->OnExit([&](int code) { exit.set_value(code); });
    return exit.get_future().get();
  }
  // Until its end.
  static std::string Read(const UniqueFd& fd) {
    EXPECT_TRUE(SetNonBlocking(fd.get(), false).ok());
    return ReadAll(fd.get()).value();
  }
  size_t Records() const {
    size_t count = 0;
    if (DIR* open = ::opendir(container_->paths().execs().c_str())) {
      while (const dirent* entry = ::readdir(open)) count += entry->d_name[0] != '.';
      ::closedir(open);
    }
    return count;
  }
  static size_t OpenFds() {
    size_t count = 0;
    DIR* open = ::opendir("/proc/self/fd");
    while (::readdir(open) != nullptr) ++count;
    ::closedir(open);
    return count;
  }
  void SetState(ContainerState state) {
    container_->Update([&](ContainerRow& row) { row.state = state; });
  }

  std::string dir_;
  Telemetry telemetry_;
  Reaper reaper_;
  CgroupLayout layout_;
  std::unique_ptr<EpollLoop> loop_;
  std::thread thread_;
  Lane lane_{"exec", 4, 1000, &telemetry_};
  LocalRuntime runtime_{&reaper_};
  std::unique_ptr<Environment> env_;
  std::unique_ptr<Streaming> streaming_;
  SandboxPtr sandbox_;
  ContainerPtr container_;
};

TEST_F(StreamingTest, ChecksOfExec) {
  v1::ExecRequest request = Request("true");
  EXPECT_TRUE(streaming_->CheckExec(request).ok());
  request.set_container_id("c0");
  EXPECT_TRUE(streaming_->CheckExec(request).ok()) << "a prefix is enough";
  request.set_tty(true);
  EXPECT_EQ(streaming_->CheckExec(request).code(), Code::kInvalidArgument) << "tty and stderr";
  request.set_stderr(false);
  EXPECT_TRUE(streaming_->CheckExec(request).ok());
  request.set_stdin(false);
  request.set_stdout(false);
  EXPECT_EQ(streaming_->CheckExec(request).code(), Code::kInvalidArgument) << "no stream";
  request = Request("true");
  request.clear_cmd();
  EXPECT_EQ(streaming_->CheckExec(request).code(), Code::kInvalidArgument) << "no command";
  request = Request("true");
  request.set_container_id("");
  EXPECT_EQ(streaming_->CheckExec(request).code(), Code::kInvalidArgument);
  request.set_container_id("d");
  EXPECT_EQ(streaming_->CheckExec(request).code(), Code::kNotFound);
  request.set_container_id(kContainer);
  SetState(ContainerState::kExited);
  EXPECT_EQ(streaming_->CheckExec(request).code(), Code::kFailedPrecondition);
  EXPECT_THAT(streaming_->CheckExec(request).message(), HasSubstr("has exited"));
  SetState(ContainerState::kCreated);
  EXPECT_THAT(streaming_->CheckExec(request).message(), HasSubstr("is not running yet"));
}

TEST_F(StreamingTest, ChecksOfAttachAndPortForward) {
  v1::AttachRequest attach;
  EXPECT_EQ(streaming_->CheckAttach(attach).code(), Code::kInvalidArgument);
  attach.set_container_id(kContainer);
  EXPECT_EQ(streaming_->CheckAttach(attach).code(), Code::kInvalidArgument) << "no stream";
  attach.set_stdout(true);
  EXPECT_TRUE(streaming_->CheckAttach(attach).ok());
  attach.set_tty(true);
  attach.set_stderr(true);
  EXPECT_EQ(streaming_->CheckAttach(attach).code(), Code::kInvalidArgument);
  attach.set_tty(false);
  SetState(ContainerState::kExited);
  EXPECT_EQ(streaming_->CheckAttach(attach).code(), Code::kFailedPrecondition);

  v1::PortForwardRequest forward;
  EXPECT_EQ(streaming_->CheckPortForward(forward).code(), Code::kInvalidArgument);
  forward.set_pod_sandbox_id("b");
  EXPECT_EQ(streaming_->CheckPortForward(forward).code(), Code::kNotFound);
  forward.set_pod_sandbox_id(kSandbox);
  forward.add_port(65535);
  EXPECT_TRUE(streaming_->CheckPortForward(forward).ok());
  for (const int port : {0, -1, 65536}) {
    forward.set_port(0, port);
    EXPECT_EQ(streaming_->CheckPortForward(forward).code(), Code::kInvalidArgument) << port;
  }
  forward.clear_port();
  sandbox_->set_state(SandboxState::kNotReady);
  EXPECT_EQ(streaming_->CheckPortForward(forward).code(), Code::kFailedPrecondition);
}

TEST_F(StreamingTest, ACommandAndItsDescriptors) {
  auto streams = Open(Request("cat; echo err >&2; exit 42"));
  ASSERT_TRUE(streams.ok()) << streams.status().ToString();
  EXPECT_EQ(Records(), 1u);
  ASSERT_TRUE(WriteAll((*streams)->stdin_fd.get(), "input").ok());
  (*streams)->stdin_fd.Reset();
  EXPECT_EQ(Read((*streams)->stdout_fd), "input");
  EXPECT_EQ(Read((*streams)->stderr_fd), "err\n");
  EXPECT_EQ(ExitOf(streams->get()), 42);
  EXPECT_TRUE(Eventually([&] { return Records() == 0; }));
}

TEST_F(StreamingTest, OnlyWhatWasAskedFor) {
  v1::ExecRequest request = Request("cat; echo out; echo err >&2; kill -9 $$");
  request.set_stdin(false);
  request.set_stderr(false);
  auto streams = Open(request);
  ASSERT_TRUE(streams.ok());
  EXPECT_FALSE((*streams)->stdin_fd);
  EXPECT_FALSE((*streams)->stderr_fd);
  EXPECT_FALSE((*streams)->terminal);
  EXPECT_EQ(Read((*streams)->stdout_fd), "out\n") << "stdin was not empty";
  EXPECT_EQ(ExitOf(streams->get()), 137);
}

TEST_F(StreamingTest, AnExitThatIsOverAlreadyIsTold) {
  auto streams = Open(Request("exit 3"));
  ASSERT_TRUE(streams.ok());
  EXPECT_TRUE(Eventually([&] { return Records() == 0; }));
  EXPECT_EQ(ExitOf(streams->get()), 3);
}

TEST_F(StreamingTest, ASessionThatLeavesDoesNotEndTheCommand) {
  const std::string end = dir_ + "/end";
  auto streams =
      Open(Request("cat; head -c 5000000 /dev/zero || exit 1; echo x >&2 || exit 1; : > " + end));
  ASSERT_TRUE(streams.ok());
  (*streams)->OnExit([](int) { ADD_FAILURE() << "the session is gone"; });
  streams->reset();
  EXPECT_TRUE(Eventually([&] { return PathExists(end); }));
  EXPECT_TRUE(Eventually([&] { return Records() == 0; }));
}

TEST_F(StreamingTest, ABackgroundChildKeepsItsOutput) {
  const std::string end = dir_ + "/end";
  auto streams = Open(Request("(sleep 0.3; echo late && : > " + end + ") & exit 0"));
  ASSERT_TRUE(streams.ok());
  EXPECT_EQ(ExitOf(streams->get()), 0);
  streams->reset();
  EXPECT_TRUE(Eventually([&] { return PathExists(end); }));
}

TEST_F(StreamingTest, WhatTheTerminalsProcessIsTold) {
  v1::ExecRequest request = Request("exit 0");
  request.set_tty(true);
  request.set_stderr(false);
  ASSERT_TRUE(Open(request, {}, {132, 50}).ok());
  EXPECT_THAT(runtime_.process_json, HasSubstr(R"("consoleSize":{"height":50,"width":132})"));
  EXPECT_THAT(runtime_.process_json, HasSubstr(R"("terminal":true)"));
  EXPECT_THAT(runtime_.process_json, HasSubstr(R"("env":["A=b","TERM=xterm"])"));
  ASSERT_TRUE(WriteFile(container_->paths().config_json(),
                        R"({"process":{"args":["top"],"env":["TERM=vt100"],"cwd":"/"}})")
                  .ok());
  ASSERT_TRUE(Open(request).ok());
  EXPECT_THAT(runtime_.process_json, testing::Not(HasSubstr("xterm")));
  EXPECT_THAT(runtime_.process_json, testing::Not(HasSubstr("consoleSize")));
  EXPECT_TRUE(Eventually([&] { return Records() == 0; }));
}

TEST_F(StreamingTest, WhatIsNotStartedLeavesNothing) {
  v1::ExecRequest request = Request("true");
  request.set_cmd(0, "/no/such/program");
  const auto failed = Open(request);
  EXPECT_THAT(failed.status().message(), HasSubstr("/no/such/program"));
  CancelSource source;
  source.Cancel();
  EXPECT_EQ(Open(Request("true"), source.token()).status().code(), Code::kCancelled);
  SetState(ContainerState::kExited);
  EXPECT_EQ(Open(Request("true")).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(Records(), 0u);
}

TEST_F(StreamingTest, ManyLeaveNothing) {
  ASSERT_TRUE(Open(Request("true")).ok());
  ASSERT_TRUE(Eventually([&] { return Records() == 0; }));
  const size_t before = OpenFds();
  for (int i = 0; i < 100; ++i) {
    auto streams = Open(Request("echo out"));
    ASSERT_TRUE(streams.ok());
    if (i % 2 == 0) {
      EXPECT_EQ(ExitOf(streams->get()), 0);
    }
  }
  EXPECT_TRUE(Eventually([&] { return Records() == 0; }));
  EXPECT_TRUE(Eventually([&] { return OpenFds() <= before; })) << OpenFds() << " of " << before;
}

TEST_F(StreamingTest, Sockets) {
  EXPECT_EQ(streaming_->MakePodSocket(kSandbox, AF_INET).status().code(), Code::kNotFound)
      << "its namespace is not there";
  SandboxRow row = MakeSandboxRow("host", std::string(64, 'b'));
  row.config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(
      v1::NODE);
  ASSERT_TRUE(
      env_->registry.Add(std::make_shared<Sandbox>(row, &runtime_, env_->roots, nullptr)).ok());
  const auto socket = streaming_->MakePodSocket("bbb", AF_INET);
  ASSERT_TRUE(socket.ok());
  EXPECT_NE(::fcntl(socket->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(socket->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(StreamingTest, AttachWithoutAMonitor) {
  v1::AttachRequest request;
  request.set_container_id(kContainer);
  request.set_stdout(true);
  std::promise<Status> answer;
  streaming_->OpenAttach(request, {},
                         [&](auto result) { answer.set_value(std::move(result).status()); });
  const Status status = answer.get_future().get();
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("it has exited, or its monitor is gone"));
}

}  // namespace
}  // namespace crisp::pod
