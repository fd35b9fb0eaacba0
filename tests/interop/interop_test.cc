// Streaming with clients that crisp did not write: Node's `ws`, `spdy-transport`, and the official
// JavaScript client of Kubernetes. The clients check what they see (tests/interop/*.mjs); here is
// what they talk to.

#include "base/core/child_process.h"
#include "tests/support/pod_test.h"

#ifndef CRISP_INTEROP_DIR
#error "CRISP_INTEROP_DIR is the folder that tests/interop/install filled"
#endif

namespace crisp::test {
namespace {

// What the clients' "exec" cases expect.
constexpr char kAnswerOneLine[] = "read line; echo got:$line; echo err >&2; exit 3";
constexpr char kEchoUntilEnd[] =
    "while read line; do test \"$line\" = end && exit 0; echo got:$line; done";

std::string Quoted(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += Cat(out.empty() ? "" : ",", "\"", text, "\"");
  return out;
}

class InteropTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    node_ = FindProgram("node");
    if (node_.empty()) GTEST_SKIP() << "no node on this machine: run deploy/install-deps.sh --test";
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
  }

  // A container whose first process runs `script`, with stdin kept open.
  std::string StartShell(const std::string& name, const std::string& script) {
    auto config = ShellConfig(name, script);
    config.set_stdin(true);
    return StartContainer(pod_, config, sandbox_);
  }

  std::string ExecUrl(const std::string& container, const std::string& script, bool tty = false) {
    v1::ExecRequest request;
    request.set_container_id(container);
    for (const std::string& word : {std::string("sh"), std::string("-c"), script}) {
      request.add_cmd(word);
    }
    request.set_stdin(true);
    request.set_stdout(true);
    request.set_stderr(!tty);
    request.set_tty(tty);
    return Must(client().Call(request), "Exec").url();
  }
  std::string AttachUrl(const std::string& container) {
    v1::AttachRequest request;
    request.set_container_id(container);
    request.set_stdin(true);
    request.set_stdout(true);
    request.set_stderr(true);
    return Must(client().Call(request), "Attach").url();
  }
  std::string ForwardUrl(const std::vector<int>& ports) {
    v1::PortForwardRequest request;
    request.set_pod_sandbox_id(pod_);
    for (const int port : ports) request.add_port(port);
    return Must(client().Call(request), "PortForward").url();
  }

  // Runs one case of one client with `urls` and further members of its JSON argument.
  void RunClient(const std::string& program, const std::string& name,
                 const std::vector<std::string>& urls, const std::string& more = "") {
    RunOptions run;
    run.argv = {node_, Cat(CRISP_INTEROP_DIR, "/", program, ".mjs"), name,
                Cat("{\"urls\":[", Quoted(urls), "]", more.empty() ? "" : ",", more, "}")};
    run.deadline = MonoNow() + std::chrono::seconds(40);
    auto output = ::crisp::Run(run);
    ASSERT_THAT(output, IsOk());
    EXPECT_TRUE(output->status.success())
        << program << " " << name << ": " << output->stdout_data << output->stderr_data;
  }

  // Two HTTP servers in the pod, and the words that the clients look for.
  void StartHttpServers() {
    StartShell("web",
               "mkdir -p /tmp/www && echo content-of-the-pod >/tmp/www/index.html && "
               "httpd -p 8080 -h /tmp/www && httpd -p 8081 -h /tmp/www && exec sleep 1000");
    ASSERT_TRUE(Eventually([&] { return PortAnswers(); }));
  }
  static constexpr char kForwardArguments[] =
      R"("content":"content-of-the-pod","ports":[8080,8081])";

  std::string node_;
  v1::PodSandboxConfig sandbox_;
  std::string pod_;

 private:
  bool PortAnswers() {
    v1::ListContainersRequest request;
    request.mutable_filter()->set_pod_sandbox_id(pod_);
    const auto list = client().Call(request);
    if (!list.ok() || list->containers().empty()) return false;
    const auto got = TryExec(list->containers(0).id(),
                             {"sh", "-c", "wget -qO- http://127.0.0.1:8081/index.html"});
    return got.ok() && got->exit_code() == 0;
  }
};

TEST_P(InteropTest, WebSocketExec) {
  const std::string id = StartShell("c", "exec sleep 1000");
  for (const char* protocol : {"", "channel.k8s.io", "base64.channel.k8s.io", "v4.channel.k8s.io",
                               "v4.base64.channel.k8s.io", "v5.channel.k8s.io"}) {
    SCOPED_TRACE(protocol);
    RunClient("ws_client", "exec", {ExecUrl(id, kAnswerOneLine)},
              Cat("\"protocol\":\"", protocol, "\""));
  }
}

TEST_P(InteropTest, WebSocketCloseSignalEndsStdin) {
  RunClient("ws_client", "close", {ExecUrl(StartShell("c", "exec sleep 1000"), "cat")});
}

TEST_P(InteropTest, WebSocketTerminal) {
  const std::string id = StartShell("c", "exec sleep 1000");
  RunClient("ws_client", "tty", {ExecUrl(id, "exec sh", /*tty=*/true)});
}

TEST_P(InteropTest, WebSocketAttach) {
  for (const char* protocol : {"v4.channel.k8s.io", "v5.channel.k8s.io"}) {
    const std::string id = StartShell(protocol, kEchoUntilEnd);
    RunClient("ws_client", "attach", {AttachUrl(id)}, Cat("\"protocol\":\"", protocol, "\""));
    EXPECT_EQ(AwaitExit(id).exit_code(), 0);
  }
}

TEST_P(InteropTest, WebSocketForward) {
  StartHttpServers();
  for (const char* protocol : {"", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"}) {
    SCOPED_TRACE(protocol);
    RunClient("ws_client", "forward", {ForwardUrl({8080, 8081})},
              Cat("\"protocol\":\"", protocol, "\",", kForwardArguments));
  }
}

TEST_P(InteropTest, AUrlIsGoodOnce) {
  const std::string url = ExecUrl(StartShell("c", "exec sleep 1000"), kAnswerOneLine);
  RunClient("ws_client", "exec", {url}, R"("protocol":"v5.channel.k8s.io")");
  RunClient("ws_client", "refused", {url}, R"("code":404)");
}

TEST_P(InteropTest, SpdyExec) {
  const std::string id = StartShell("c", "exec sleep 1000");
  RunClient("spdy_client", "exec", {ExecUrl(id, kAnswerOneLine)},
            R"("protocols":["v5.channel.k8s.io","v4.channel.k8s.io","channel.k8s.io"],)"
            R"("chosen":"v4.channel.k8s.io")");
  RunClient("spdy_client", "exec", {ExecUrl(id, kAnswerOneLine)},
            R"("protocols":["v2.channel.k8s.io"],"chosen":"v2.channel.k8s.io")");
}

TEST_P(InteropTest, SpdyForward) {
  StartHttpServers();
  RunClient("spdy_client", "forward", {ForwardUrl({})}, kForwardArguments);
}

TEST_P(InteropTest, KubernetesClientExec) {
  const std::string id = StartShell("c", "exec sleep 1000");
  RunClient("kube_client", "exec", {ExecUrl(id, kAnswerOneLine)});
}

TEST_P(InteropTest, KubernetesClientAttach) {
  const std::string id = StartShell("c", kEchoUntilEnd);
  RunClient("kube_client", "attach", {AttachUrl(id)});
  EXPECT_EQ(AwaitExit(id).exit_code(), 0);
}

TEST_P(InteropTest, KubernetesClientForward) {
  StartHttpServers();
  RunClient("kube_client", "forward", {ForwardUrl({8080})},
            R"("content":"content-of-the-pod","ports":[8080])");
}

CRISP_FOR_EACH_RUNTIME(InteropTest);

}  // namespace
}  // namespace crisp::test
