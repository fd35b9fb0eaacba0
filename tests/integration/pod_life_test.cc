// The life of pods through the socket: namespaces, network, files, names.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <thread>

#include "base/core/file.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string Host(const std::string& path) {
  char target[256];
  const ssize_t length = ::readlink(path.c_str(), target, sizeof(target));
  return length < 0 ? "" : std::string(target, static_cast<size_t>(length));
}

// What a TCP server on `address`:`port` sends until it closes, or the error.
std::string ReadFrom(const std::string& address, int port) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  timeval limit{5, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    return Errno("connect").message();
  }
  const Result<std::string> text = ReadAll(fd.get());
  return text.ok() ? *text : text.status().message();
}

class PodLifeTest : public PodTest {};

void SetPidMode(v1::PodSandboxConfig* sandbox, v1::ContainerConfig* container,
                v1::NamespaceMode mode) {
  sandbox->mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(mode);
  container->mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      mode);
}

TEST_P(PodLifeTest, TwoContainersWithPidNamespacesOfTheirOwn) {
  const auto sandbox = SandboxConfig("web");
  const std::string pod = RunPod(sandbox);
  const std::string one = StartContainer(pod, ContainerConfig("one", {"top"}), sandbox);
  const std::string two = StartContainer(pod, ContainerConfig("two", {"sleep", "1000"}), sandbox);
  EXPECT_THAT(Shell(one, "tr '\\0' ' ' < /proc/1/cmdline"), StartsWith("top"));
  EXPECT_THAT(Shell(two, "tr '\\0' ' ' < /proc/1/cmdline"), StartsWith("sleep"));
  for (const char* kind : {"net", "ipc", "uts"}) {
    const std::string script = Cat("readlink /proc/self/ns/", kind);
    EXPECT_EQ(Shell(one, script), Shell(two, script)) << kind;
    EXPECT_NE(Shell(one, script), Host(Cat("/proc/self/ns/", kind)) + "\n") << kind;
  }
  for (const char* kind : {"pid", "mnt"}) {
    const std::string script = Cat("readlink /proc/self/ns/", kind);
    EXPECT_NE(Shell(one, script), Shell(two, script)) << kind;
  }
  EXPECT_THAT(TryStopPod(pod), IsOk());
  EXPECT_EQ(StatusOf(one).state(), v1::CONTAINER_EXITED);
  EXPECT_EQ(StatusOf(one).exit_code(), 137);
  EXPECT_EQ(PodStatusOf(pod).state(), v1::SANDBOX_NOTREADY);
  EXPECT_EQ(PodStatusOf(pod).network().ip(), "");
  EXPECT_THAT(TryRemovePod(pod), IsOk());
}

TEST_P(PodLifeTest, TwoContainersInOnePidNamespace) {
  auto sandbox = SandboxConfig("shared");
  auto one_config = ContainerConfig("one", {"top"});
  auto two_config = ContainerConfig("two", {"sleep", "1000"});
  SetPidMode(&sandbox, &one_config, v1::POD);
  SetPidMode(&sandbox, &two_config, v1::POD);
  const std::string pod = RunPod(sandbox);
  const std::string one = StartContainer(pod, one_config, sandbox);
  const std::string two = StartContainer(pod, two_config, sandbox);
  EXPECT_EQ(Shell(one, "readlink /proc/self/ns/pid"), Shell(two, "readlink /proc/self/ns/pid"));
  EXPECT_THAT(Shell(one, "cat /proc/1/cmdline"), Not(StartsWith("top")));
  EXPECT_THAT(Shell(two, "ps -o args"), HasSubstr("top"));
  // Process 1 shows nothing of the host (and under AppArmor nothing at all).
  EXPECT_THAT(Shell(one, "ls /proc/1/root/ 2>/dev/null; true"), Not(HasSubstr("etc")));
  // Orphans are reaped by process 1.
  Shell(one, "(sh -c 'sleep 0.1' &) ; sleep 0.4");
  EXPECT_THAT(Shell(one, "ps -o stat,args"), Not(HasSubstr("Z ")));
  // One container ends, the other and the namespace live on.
  EXPECT_THAT(TryStop(one, 0), IsOk());
  EXPECT_EQ(StatusOf(two).state(), v1::CONTAINER_RUNNING);
  EXPECT_EQ(Shell(two, "echo alive"), "alive\n");
}

TEST_P(PodLifeTest, HostPidNamespaceAndTarget) {
  auto sandbox = SandboxConfig("hostpid");
  auto config = ContainerConfig("one", {"top"});
  SetPidMode(&sandbox, &config, v1::NODE);
  const std::string pod = RunPod(sandbox);
  const std::string one = StartContainer(pod, config, sandbox);
  EXPECT_EQ(Shell(one, "readlink /proc/self/ns/pid"), Host("/proc/self/ns/pid") + "\n");

  auto own = ContainerConfig("own", {"sleep", "1000"});
  const std::string target = StartContainer(pod, own, sandbox);
  auto debug = ContainerConfig("debug", {"top"});
  auto* options = debug.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  options->set_pid(v1::TARGET);
  options->set_target_id(target);
  const std::string ephemeral = StartContainer(pod, debug, sandbox);
  EXPECT_EQ(Shell(ephemeral, "readlink /proc/self/ns/pid"),
            Shell(target, "readlink /proc/self/ns/pid"));
  options->set_target_id("ffffffffffff");
  debug.mutable_metadata()->set_name("debug2");
  EXPECT_FALSE(TryCreate(pod, debug, sandbox).ok());
}

// As `kubectl debug --target` makes them: process 1 of the debugger is no init of the namespace,
// and what it leaves would live on under the target's.
TEST_P(PodLifeTest, ADebuggersChildrenEndWithIt) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  const std::string target = StartContainer(pod, ContainerConfig("app", {"top"}), sandbox);
  auto debug = ShellConfig("debug", "trap '' TERM; sleep 4343 & exec sleep 4344");
  auto* options = debug.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  options->set_pid(v1::TARGET);
  options->set_target_id(target);
  const std::string debugger = StartContainer(pod, debug, sandbox);
  const auto sees_child = [&] {
    return Shell(target, "ps -o args").find("sleep 4343") != std::string::npos;
  };
  EXPECT_TRUE(Eventually(sees_child));
  EXPECT_THAT(TryStop(debugger, 0), IsOk());
  EXPECT_TRUE(Eventually([&] { return !sees_child(); }));
}

pid_t ProcessNamed(const std::string& name) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto comm = ReadFile(entry.path().string() + "/comm");
    if (comm.ok() && Trim(*comm) == name) return std::atoi(entry.path().filename().c_str());
  }
  return 0;
}

// Its exit is told once, and RunPodSandbox is not done yet.
TEST_P(PodLifeTest, AnInitProcessThatDiesBeforeItsPodIsReady) {
  const auto pause = Patient(std::chrono::milliseconds(1500));
  KillAndRestart(Cat("run_pod_sandbox.init.after=sleep:",
                     std::chrono::duration_cast<std::chrono::milliseconds>(pause).count()));
  auto sandbox = SandboxConfig("pod");
  auto config = ContainerConfig("c", {"top"});
  SetPidMode(&sandbox, &config, v1::POD);
  auto running = std::async(std::launch::async, [&] { return TryRunPod(sandbox); });
  pid_t init = 0;
  EXPECT_TRUE(Eventually([&] { return (init = ProcessNamed("crisp-init")) != 0; }));
  Eventually([] { return false; }, std::chrono::milliseconds(300));  // the step itself ends
  ASSERT_GT(init, 1);
  ASSERT_EQ(::kill(init, SIGKILL), 0);
  EXPECT_EQ(running.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  const std::string pod = Must(running.get());
  EXPECT_TRUE(Eventually([&] { return PodStatusOf(pod).state() == v1::SANDBOX_NOTREADY; }));
}

TEST_P(PodLifeTest, HostNetworkAndIpc) {
  auto sandbox = SandboxConfig("hostnet");
  sandbox.clear_hostname();
  auto config = ContainerConfig("one", {"top"});
  for (auto* options :
       {sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options(),
        config.mutable_linux()->mutable_security_context()->mutable_namespace_options()}) {
    options->set_network(v1::NODE);
    options->set_ipc(v1::NODE);
  }
  const std::string pod = RunPod(sandbox);
  const std::string one = StartContainer(pod, config, sandbox);
  for (const char* kind : {"net", "ipc", "uts"}) {
    EXPECT_EQ(Shell(one, Cat("readlink /proc/self/ns/", kind)),
              Host(Cat("/proc/self/ns/", kind)) + "\n")
        << kind;
  }
  const auto status = PodStatusOf(pod);
  EXPECT_EQ(status.network().ip(), "");
  EXPECT_EQ(status.linux().namespaces().options().network(), v1::NODE);
}

TEST_P(PodLifeTest, AddressAndPortMapping) {
  auto sandbox = SandboxConfig("ports");
  auto* mapping = sandbox.add_port_mappings();
  mapping->set_container_port(8080);
  mapping->set_host_port(12000);
  auto* only_declared = sandbox.add_port_mappings();
  only_declared->set_container_port(9090);
  const std::string pod = RunPod(sandbox);
  const std::string ip = PodStatusOf(pod).network().ip();
  EXPECT_THAT(ip, StartsWith("10.88.77."));
  const std::string one = StartContainer(
      pod, ShellConfig("server", "while true; do echo hello | nc -l -p 8080; done"), sandbox);
  EXPECT_THAT(Shell(one, "ip addr show eth0"), HasSubstr(ip));
  EXPECT_TRUE(Eventually([&] { return ReadFrom(ip, 8080) == "hello\n"; })) << "directly";
  EXPECT_TRUE(Eventually([&] { return ReadFrom("127.0.0.1", 12000) == "hello\n"; }))
      << "through the host's port: " << ReadFrom("127.0.0.1", 12000);
  EXPECT_THAT(TryStopPod(pod), IsOk());
  EXPECT_THAT(ReadFrom("127.0.0.1", 12000), HasSubstr("connect"));
}

TEST_P(PodLifeTest, Surroundings) {
  auto sandbox = SandboxConfig("env");
  sandbox.set_hostname("my-host");
  auto* dns = sandbox.mutable_dns_config();
  dns->add_servers("10.10.10.10");
  dns->add_searches("google.com");
  dns->add_searches("example.com");
  dns->add_options("ndots:8");
  auto& sysctls = *sandbox.mutable_linux()->mutable_sysctls();
  sysctls["net.ipv4.ip_forward"] = "1";
  sysctls["kernel.shm_rmid_forced"] = "1";
  sysctls["fs.mqueue.msg_max"] = "20";
  const std::string pod = RunPod(sandbox);
  const std::string one = StartContainer(pod, ContainerConfig("one", {"top"}), sandbox);
  const std::string two = StartContainer(pod, ContainerConfig("two", {"top"}), sandbox);
  EXPECT_EQ(Shell(one, "hostname; cat /etc/hostname; echo $HOSTNAME"),
            "my-host\nmy-host\nmy-host\n");
  const std::string resolv = Shell(one, "cat /etc/resolv.conf");
  EXPECT_THAT(resolv, HasSubstr("nameserver 10.10.10.10\n"));
  EXPECT_THAT(resolv, HasSubstr("search google.com example.com\n"));
  EXPECT_THAT(resolv, HasSubstr("options ndots:8\n"));
  EXPECT_THAT(Shell(one, "cat /etc/hosts"), HasSubstr("localhost"));
  EXPECT_EQ(Shell(one,
                  "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced "
                  "/proc/sys/fs/mqueue/msg_max"),
            "1\n1\n20\n");
  EXPECT_THAT(Shell(one, "grep ' /dev/shm ' /proc/mounts"), HasSubstr("size=65536k"));
  EXPECT_EQ(Shell(one, "stat -c %a /dev/shm"), "1777\n");
  Shell(one, "echo shared > /dev/shm/x");
  EXPECT_EQ(Shell(two, "cat /dev/shm/x"), "shared\n");
  EXPECT_THAT(Shell(one, "ip -o link show lo"), HasSubstr("UP"));
}

TEST_P(PodLifeTest, EmptyDnsConfigIsAnEmptyFile) {
  auto sandbox = SandboxConfig("nodns");
  sandbox.mutable_dns_config();
  const std::string pod = RunPod(sandbox);
  const std::string one = StartContainer(pod, ContainerConfig("one", {"top"}), sandbox);
  EXPECT_EQ(Shell(one, "cat /etc/resolv.conf"), "");
}

TEST_P(PodLifeTest, WrongSysctlsAreRefused) {
  auto sandbox = SandboxConfig("sysctl");
  auto& sysctls = *sandbox.mutable_linux()->mutable_sysctls();
  sysctls["vm.swappiness"] = "1";
  EXPECT_THAT(TryRunPod(sandbox), HasCode(Code::kInvalidArgument));
  sysctls.clear();
  sysctls["net.ipv4.ip_forward"] = "1";
  sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(
      v1::NODE);
  EXPECT_THAT(TryRunPod(sandbox), HasCode(Code::kInvalidArgument));
}

TEST_P(PodLifeTest, NamesAreReservedAndFreedAgain) {
  const auto sandbox = SandboxConfig("twice");
  const std::string pod = RunPod(sandbox);
  const auto again = TryRunPod(sandbox);
  EXPECT_THAT(again, HasCode(Code::kAlreadyExists));
  // Newest kubelets look for both parts (cri-api: RunPodSandbox recovery).
  EXPECT_THAT(again.status().message(), HasSubstr("failed to reserve sandbox name"));
  EXPECT_THAT(again.status().message(), HasSubstr("is reserved for"));
  EXPECT_THAT(again.status().message(), HasSubstr(pod));

  auto next = sandbox;
  next.mutable_metadata()->set_attempt(1);
  const std::string second = RunPod(next);
  EXPECT_NE(second, pod);

  const std::string one = CreateContainer(pod, ContainerConfig("c", {"top"}), sandbox);
  EXPECT_THAT(TryCreate(pod, ContainerConfig("c", {"top"}), sandbox),
              HasCode(Code::kAlreadyExists));
  EXPECT_THAT(TryRemove(one), IsOk());
  EXPECT_THAT(TryCreate(pod, ContainerConfig("c", {"top"}), sandbox), IsOk());

  EXPECT_THAT(TryRemovePod(pod), IsOk());
  EXPECT_THAT(TryRunPod(sandbox), IsOk());
}

TEST_P(PodLifeTest, StopAndRemoveAreIdempotent) {
  const auto sandbox = SandboxConfig("idem");
  const std::string pod = RunPod(sandbox);
  const std::string one = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox);
  EXPECT_THAT(TryStop(one, 0), IsOk());
  EXPECT_THAT(TryStop(one, 0), IsOk());
  EXPECT_THAT(TryRemove(one), IsOk());
  EXPECT_THAT(TryRemove(one), IsOk());
  EXPECT_THAT(TryStop(one, 0), IsOk());
  EXPECT_THAT(TryStopPod(pod), IsOk());
  EXPECT_THAT(TryStopPod(pod), IsOk());
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  EXPECT_THAT(TryStopPod(pod), IsOk());
}

TEST_P(PodLifeTest, ConcurrentRemovesOfAReadyPodAllSucceed) {
  const auto sandbox = SandboxConfig("burst");
  const std::string pod = RunPod(sandbox);
  StartContainer(pod, ContainerConfig("c", {"top"}), sandbox);
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back(
        [&, i] { EXPECT_THAT(i % 2 ? TryStopPod(pod) : TryRemovePod(pod), IsOk()); });
  }
  for (std::thread& caller : callers) caller.join();
  v1::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(pod);
  EXPECT_THAT(client().Call(request), HasCode(Code::kNotFound));
}

TEST_P(PodLifeTest, StatusAndFilters) {
  auto sandbox = SandboxConfig("status");
  (*sandbox.mutable_annotations())["note"] = "two\nlines";
  (*sandbox.mutable_labels())["role"] = "a";
  const std::string pod = RunPod(sandbox, GetParam());
  auto other = SandboxConfig("other");
  (*other.mutable_labels())["role"] = "b";
  const std::string second = RunPod(other);
  EXPECT_THAT(TryStopPod(second), IsOk());

  const auto status = PodStatusOf(pod.substr(0, 13));
  EXPECT_EQ(status.id(), pod);
  EXPECT_EQ(status.metadata().DebugString(), sandbox.metadata().DebugString());
  EXPECT_EQ(status.state(), v1::SANDBOX_READY);
  EXPECT_GT(status.created_at(), int64_t{1'600'000'000'000'000'000});
  EXPECT_EQ(status.runtime_handler(), GetParam());
  EXPECT_EQ(status.annotations().at("note"), "two\nlines");
  EXPECT_EQ(status.annotations().size(), sandbox.annotations().size());
  EXPECT_EQ(status.labels().size(), sandbox.labels().size());
  EXPECT_EQ(status.linux().namespaces().options().pid(), v1::CONTAINER);

  const auto list = [&](const std::function<void(v1::PodSandboxFilter*)>& fill) {
    v1::ListPodSandboxRequest request;
    fill(request.mutable_filter());
    std::vector<std::string> ids;
    const auto response = client().Call(request);
    EXPECT_THAT(response, IsOk());
    for (const auto& item : response->items()) ids.push_back(item.id());
    return ids;
  };
  using testing::ElementsAre;
  using testing::IsEmpty;
  using testing::UnorderedElementsAre;
  EXPECT_THAT(list([](auto*) {}), UnorderedElementsAre(pod, second));
  EXPECT_THAT(list([&](auto* f) { f->set_id(pod.substr(0, 10)); }), ElementsAre(pod));
  EXPECT_THAT(list([&](auto* f) { f->set_id("0123456789abcdef"); }), IsEmpty());
  EXPECT_THAT(list([](auto* f) { f->mutable_state()->set_state(v1::SANDBOX_NOTREADY); }),
              ElementsAre(second));
  EXPECT_THAT(list([](auto* f) { (*f->mutable_label_selector())["role"] = "a"; }),
              ElementsAre(pod));
  EXPECT_THAT(list([](auto* f) {
                (*f->mutable_label_selector())["role"] = "a";
                (*f->mutable_label_selector())["io.kubernetes.pod.name"] = "other";
              }),
              IsEmpty());
}

TEST_P(PodLifeTest, BothHandlersSideBySide) {
  for (const char* handler : {"runc", "crun"}) {
    const auto sandbox = SandboxConfig(Cat("handler-", handler));
    const auto pod = TryRunPod(sandbox, handler);
    ASSERT_THAT(pod, IsOk());
    const std::string one = StartContainer(*pod, ContainerConfig("c", {"top"}), sandbox);
    EXPECT_EQ(Shell(one, "echo $((6 * 7))"), "42\n");
  }
}

CRISP_FOR_EACH_RUNTIME(PodLifeTest);

}  // namespace
}  // namespace crisp::test
