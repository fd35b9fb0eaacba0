// Streams (exec, attach, port-forward) while what they stand on misbehaves: the OCI runtime of an
// exec, the monitor of an attach, the daemon of all three.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/netns_handle.h"
#include "tests/fault/fault_fixture.h"
#include "tests/support/stream_client.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;

class StreamFaultTest : public WriterFaultTest {
 protected:
  Result<std::string> ExecUrl(const std::vector<std::string>& command, Stdio stdio) {
    return test::ExecUrl(&client(), id_, command, stdio);
  }
  void ExpectExecWorks(Stdio stdio = {}) {
    StdioClient exec(ExecUrl({"echo", "works"}, stdio), stdio);
    ASSERT_TRUE(exec.ok());
    EXPECT_TRUE(exec.AwaitEnd());
    EXPECT_THAT(exec.out(), HasSubstr("works"));
    EXPECT_EQ(exec.exit_code(), 0) << exec.status();
  }
  bool Runs(const std::string& what) {
    return Shell(id_, "ps -o args").find(what) != std::string::npos;
  }
  // Of commands that run, or are thought to.
  size_t Records() {
    const auto dir = DirFd::Open(daemon().Path(Cat("run/containers/", id_, "/execs")));
    return dir.ok() ? Must(dir->List()).size() : 0;
  }
};

// --- Exec ----------------------------------------------------------------------------------------

class ExecStreamFaultTest : public StreamFaultTest {
 protected:
  // The client is told, whatever it was, and nothing runs on.
  void Meet(const std::string& fault, bool works) {
    SCOPED_TRACE(fault);
    const std::vector<std::string> command = works ? std::vector<std::string>{"echo", "works"}
                                                   : std::vector<std::string>{"sleep", "7777"};
    ASSERT_THAT(runtime().Arm("exec", fault), IsOk());
    const MonoTime begin = MonoNow();
    StdioClient exec(ExecUrl(command, stdio_), stdio_);
    ASSERT_TRUE(exec.ok());
    if (fault != "missing") {
      EXPECT_TRUE(Eventually([&] { return runtime().Calls("exec") > 0; })) << "it was not reached";
    }
    if (fault == "stuck") {
      LiveBeside();
      ExpectExecWorks(stdio_);
    }
    EXPECT_TRUE(exec.AwaitEnd());
    EXPECT_LT(MonoNow() - begin, limit());
    if (works) {
      EXPECT_THAT(exec.out(), HasSubstr("works"));
      EXPECT_EQ(exec.exit_code(), 0) << exec.status();
    } else {
      EXPECT_THAT(exec.status(), HasSubstr("error executing command in container: "));
      EXPECT_THAT(exec.status(), HasSubstr("\"reason\":\"InternalError\""));
    }
    ASSERT_THAT(runtime().Disarm(), IsOk());
    EXPECT_FALSE(Runs("sleep 7777"));
    ExpectExecWorks(stdio_);
    EXPECT_TRUE(Eventually([&] { return Records() == 0; }));
  }

  Stdio stdio_;
};

TEST_P(ExecStreamFaultTest, RuntimeMisbehaves) {
  stdio_.tty = GetParam() == "terminal";
  struct Fault {
    const char* what;
    bool works;
    bool sampled;  // also without CRISP_FAULT_ALL; with a terminal the crash alone
  };
  const Fault faults[] = {
      {"missing", false, true},
      {"exit 1 on purpose", false, false},
      {"crash 11", false, true},
      {"hang", false, false},
      {"stuck", false, true},
      {"after 1 on purpose", false, true},
      {"nothing", false, true},
      {"rubbish 100000", false, false},
      // Its stderr is the command's, and is read from when the command runs; a terminal's is not.
      {"flood 100000000", stdio_.tty, false},
      {"slow 300", true, false},
  };
  StartWriter();
  for (const Fault& fault : faults) {
    const bool sampled = fault.sampled && (!stdio_.tty || fault.what[0] == 'c');
    if (sampled || WantsAllFaults()) Meet(fault.what, fault.works);
    if (HasFatalFailure()) return;
  }
  CleanUpAndLive();
}
INSTANTIATE_TEST_SUITE_P(Exec, ExecStreamFaultTest, testing::Values("pipes", "terminal"),
                         FaultCaseName);

// --- Attach --------------------------------------------------------------------------------------

class AttachFaultTest : public StreamFaultTest {
 protected:
  Result<std::string> AttachUrl() {
    v1::AttachRequest request;
    request.set_container_id(id_);
    request.set_stdout(true);
    request.set_stderr(true);
    return CRISP_TRY(client().Call(request)).url();
  }
  pid_t MonitorPid() {
    const std::string status = Must(ReadFile(Cat("/proc/", PidOf(id_), "/status")));
    const size_t at = status.find("PPid:");
    return at == std::string::npos ? 0 : std::atoi(status.c_str() + at + 5);
  }
};

// New clients are told in time, those of before wait for what comes, and with SIGCONT all goes on.
TEST_P(AttachFaultTest, MonitorIsStopped) {
  StartWriter();
  const pid_t monitor = MonitorPid();
  ASSERT_GT(monitor, 2);
  StdioClient before(AttachUrl(), {});
  ASSERT_TRUE(before.ok());
  EXPECT_TRUE(before.AwaitOut("line\n"));
  ASSERT_EQ(::kill(monitor, SIGSTOP), 0);
  const MonoTime begin = MonoNow();
  StdioClient refused(AttachUrl(), {});
  ASSERT_TRUE(refused.ok());
  {
    StdioClient leaving(AttachUrl(), {});
    ASSERT_TRUE(leaving.ok());
    leaving.connection().Cut();
  }
  LiveBeside();
  EXPECT_TRUE(refused.AwaitEnd());
  EXPECT_LT(MonoNow() - begin, limit());
  EXPECT_THAT(refused.status(), HasSubstr("error attaching to container: "));
  EXPECT_THAT(refused.status(), HasSubstr("the container's monitor does not answer"));
  EXPECT_EQ(refused.out(), "");
  // What had come until then.
  EXPECT_FALSE(before.connection().RunUntil([] { return false; }, std::chrono::milliseconds(100)));
  (void)before.TakeOut();
  ASSERT_EQ(::kill(monitor, SIGCONT), 0);
  StdioClient after(AttachUrl(), {});
  ASSERT_TRUE(after.ok());
  EXPECT_TRUE(after.AwaitOut("line\n"));
  EXPECT_TRUE(before.AwaitOut("line\n"));
  EXPECT_THAT(TryStop(id_, 0), IsOk());
  for (StdioClient* client : {&before, &after}) {
    EXPECT_TRUE(client->AwaitEnd());
    EXPECT_EQ(client->exit_code(), 0) << client->status();
  }
  CleanUpAndLive();
}
INSTANTIATE_TEST_SUITE_P(Attach, AttachFaultTest, testing::Values("monitor"), FaultCaseName);

// --- The daemon ----------------------------------------------------------------------------------

class DaemonFaultTest : public StreamFaultTest {
 protected:
  static constexpr uint16_t kPort = 8080;

  static void LimitReads(const UniqueFd& socket) {
    const timeval limit{PatientSeconds(10), 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  // A server in the pod without a thread: the kernel takes connections until they are accepted.
  UniqueFd Listen() {
    UniqueFd listener;
    const auto listen = [&]() -> Status {
      listener = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(kPort);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
        return Errno("bind");
      }
      return ::listen(listener.get(), 8) == 0 ? OkStatus() : Errno("listen");
    };
    const auto netns = Must(NetnsHandle::Open(daemon().Path(Cat("run/ns/", pod_, "/net"))));
    EXPECT_THAT(netns.Run(listen), IsOk());
    LimitReads(listener);  // accept too
    return listener;
  }
  struct Forward {
    std::unique_ptr<StreamClient> client;
    UniqueFd in_pod;
  };
  // A forwarded connection, both ends of which have heard each other.
  Result<Forward> TryForward(const UniqueFd& listener) {
    v1::PortForwardRequest request;
    request.set_pod_sandbox_id(pod_);
    const std::string url = CRISP_TRY(client().Call(request)).url();
    Forward out;
    out.client = CRISP_TRY(StreamClient::Connect(url, "portforward.k8s.io"));
    StreamClient& client = *out.client;
    const std::string port = Cat(kPort);
    (void)CRISP_TRY(client.OpenStream({{"port", port}, {"requestid", "0"}, {"streamtype", "error"}},
                                      /*fin=*/true));
    const spdy::StreamId data =
        CRISP_TRY(client.OpenStream({{"port", port}, {"requestid", "0"}, {"streamtype", "data"}}));
    client.spdy().Data(data, "question");
    (void)client.Flush();
    out.in_pod = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!out.in_pod) return Errno("accept");
    LimitReads(out.in_pod);
    char text[16];
    const ssize_t n = ::read(out.in_pod.get(), text, sizeof(text));
    EXPECT_EQ(std::string(text, n > 0 ? static_cast<size_t>(n) : 0), "question");
    CRISP_RETURN_IF_ERROR(WriteAll(out.in_pod.get(), "answer"));
    EXPECT_TRUE(client.RunUntil([&] { return client.spdy().stream(data).data == "answer"; }));
    return out;
  }
};

// Commands on record end, also one whose client had left it; the container runs on.
TEST_P(DaemonFaultTest, IsKilledUnderOpenStreams) {
  StartWriter();
  UniqueFd listener = Listen();
  Forward forward = Must(TryForward(listener));
  const Stdio stdio{.in = true};
  StdioClient exec(ExecUrl({"sh", "-c", "echo started; exec sleep 7777"}, stdio), stdio);
  ASSERT_TRUE(exec.ok());
  EXPECT_TRUE(exec.AwaitOut("started\n"));
  {
    StdioClient leaving(ExecUrl({"sh", "-c", "echo started; exec sleep 8888"}, stdio), stdio);
    ASSERT_TRUE(leaving.ok());
    EXPECT_TRUE(leaving.AwaitOut("started\n"));
    leaving.connection().Cut();
  }
  EXPECT_TRUE(Eventually([&] { return Runs("sleep 7777") && Runs("sleep 8888"); }));
  KillAndRestart();
  EXPECT_FALSE(Runs("sleep 7777"));
  EXPECT_FALSE(Runs("sleep 8888"));
  EXPECT_EQ(StatusOf(id_).state(), v1::CONTAINER_RUNNING);
  EXPECT_TRUE(Eventually([&] { return Records() == 0; }));
  EXPECT_FALSE(exec.AwaitEnd()) << "nobody is there to say how it ended";
  char byte;
  EXPECT_EQ(::read(forward.in_pod.get(), &byte, 1), 0) << "the end";
  ExpectExecWorks();
  EXPECT_THAT(TryForward(listener).status(), IsOk());
  forward = {};
  listener.Reset();
  CleanUpAndLive();
}
INSTANTIATE_TEST_SUITE_P(Streams, DaemonFaultTest, testing::Values("daemon"), FaultCaseName);

}  // namespace
}  // namespace crisp::test
