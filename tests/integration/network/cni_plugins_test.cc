// The network room with the real CNI plugins (bridge, host-local, loopback, portmap, bandwidth),
// inside a network and a mount namespace of the test's own: the machine's interfaces, firewall
// rules and files are never touched. Each case is run in a process of its own by ctest; run by
// hand, all cases share the namespaces.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/mount.h"
#include "base/netns_handle.h"
#include "network/network.h"

namespace crisp::network {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kPluginDir = "/usr/lib/cni";
constexpr const char* kBridge = "crispit0";

std::string RunTool(std::vector<std::string> argv) {
  RunOptions run;
  run.argv = std::move(argv);
  run.deadline = MonoNow() + std::chrono::seconds(20);
  auto output = Run(run);
  return output.ok() ? output->stdout_data + output->stderr_data : output.status().ToString();
}

std::string WhyNot() {
  if (::geteuid() != 0) return "needs root";
  for (const char* plugin : {"bridge", "host-local", "loopback", "portmap", "bandwidth"}) {
    if (!PathExists(Cat(kPluginDir, '/', plugin)))
      return Cat(kPluginDir, '/', plugin, " is missing");
  }
  if (!PathExists("/usr/sbin/iptables")) return "iptables is not installed";
  return {};
}

// Once per process, before any thread is made: threads inherit the namespaces.
Status EnterPrivateNamespaces() {
  static Status entered = []() -> Status {
    if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return Errno("unshare");
    CRISP_RETURN_IF_ERROR(Mount("none", "/", "", MS_REC | MS_PRIVATE, ""));
    CRISP_RETURN_IF_ERROR(Mount("crisp-test", "/run", "tmpfs", 0, ""));  // also xtables.lock
    CRISP_RETURN_IF_ERROR(EnsureDirectory("/run/ns"));
    return BringLoopbackUp();
  }();
  return entered;
}

Result<UniqueFd> Listen(uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(fd.get(), 8) != 0) {
    return Errno("listen on ", port);
  }
  return fd;
}

// Connects and returns what the server says.
std::string Ask(const std::string& ip, uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return Errno("connect ", ip, ":", port).ToString();
  }
  auto text = ReadAll(fd.get());
  return text.ok() ? *text : text.status().ToString();
}

std::vector<std::string> Interfaces() {
  std::vector<std::string> out;
  struct if_nameindex* all = ::if_nameindex();
  for (auto* i = all; i != nullptr && i->if_index != 0; ++i) out.emplace_back(i->if_name);
  ::if_freenameindex(all);
  return out;
}

// A pod with a pinned network namespace and a server on port 80 that says `greeting`.
class Pod {
 public:
  explicit Pod(std::string greeting) : greeting_(std::move(greeting)) {
    attachment.sandbox = SandboxId::MakeRandom();
    attachment.netns_path = Cat("/run/ns/", attachment.sandbox.str());
    attachment.pod_name = greeting_;
    attachment.pod_namespace = "default";
    attachment.pod_uid = "uid-1";
    EXPECT_TRUE(PinNamespaces({{CLONE_NEWNET, attachment.netns_path}}, BringLoopbackUp).ok());
  }
  ~Pod() {
    Unpin();
    if (server_.joinable()) server_.join();
  }
  void Serve() {
    ASSERT_TRUE(Inside([&]() -> Status {
                  listener_ = CRISP_TRY(Listen(80));
                  return OkStatus();
                }).ok());
    server_ = std::thread([this] {
      for (;;) {
        UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client) return;
        (void)WriteAll(client.get(), greeting_);
      }
    });
  }
  Status Inside(const std::function<Status()>& work) const {
    return CRISP_TRY(NetnsHandle::Open(attachment.netns_path)).Run(work);
  }
  std::vector<std::string> InterfacesInside() const {
    std::vector<std::string> out;
    EXPECT_TRUE(Inside([&] {
                  out = Interfaces();
                  return OkStatus();
                }).ok());
    return out;
  }
  // The server's socket holds the namespace too.
  void Unpin() {
    if (listener_) ::shutdown(listener_.get(), SHUT_RDWR);
    if (server_.joinable()) server_.join();
    listener_.Reset();
    EXPECT_TRUE(EnsureUnpinned(attachment.netns_path).ok());
  }

  Attachment attachment;

 private:
  const std::string greeting_;
  UniqueFd listener_;
  std::thread server_;
};

class CniPluginsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNot(); !why.empty()) GTEST_SKIP() << why;
    ::signal(SIGPIPE, SIG_IGN);
    if (const Status status = EnterPrivateNamespaces(); !status.ok()) {
      GTEST_SKIP() << status.ToString();
    }
    std::string name = testing::TempDir() + "crisp-cni-XXXXXX";
    dir_ = ::mkdtemp(name.data());
    ASSERT_TRUE(EnsureDirectory(dir_ + "/net.d").ok());
    loop_ = EpollLoop::Create().value();
    loop_thread_ = std::thread([this] { loop_->Run(); });
  }
  void TearDown() override {
    network_.reset();
    if (loop_) loop_->Stop();
    if (loop_thread_.joinable()) loop_thread_.join();
    if (!dir_.empty()) {
      EXPECT_TRUE(RemoveTreeAt(dir_).ok());
    }
  }

  void OpenNetwork(const std::string& more_plugins = "",
                   const std::vector<std::string>& plugin_dirs = {kPluginDir}) {
    const std::string config =
        Cat(R"({"cniVersion": ")", GetParam(), R"(", "name": "crisp-it", "plugins": [
           {"type": "bridge", "bridge": ")",
            kBridge, R"(", "isGateway": true, "ipMasq": true,
            "hairpinMode": true,
            "ipam": {"type": "host-local", "dataDir": ")",
            dir_, R"(/ipam",
                     "ranges": [[{"subnet": "10.213.7.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
           {"type": "loopback"},
           {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true},
           {"type": "bandwidth", "capabilities": {"bandwidth": true}})",
            more_plugins, "]}");
    ASSERT_TRUE(WriteFile(dir_ + "/net.d/10-crisp.conflist", config).ok());
    Options options;
    options.config_dir = dir_ + "/net.d";
    options.plugin_dirs = plugin_dirs;
    options.cache_dir = dir_ + "/cache";
    options.loop = loop_.get();
    options.telemetry = &telemetry_;
    network_ = Network::Open(options).value();
    ASSERT_TRUE(network_->readiness().ready) << network_->readiness().message;
  }

  // Addresses that host-local holds: files named by address.
  std::vector<std::string> Leases() const {
    auto dir = DirFd::Open(dir_ + "/ipam/crisp-it");
    if (!dir.ok()) return {};
    std::vector<std::string> names = dir->List().value();
    std::erase_if(names, [](const std::string& name) { return !name.starts_with("10."); });
    return names;
  }
  void ExpectNothingLeft(const PodAddresses& addresses) const {
    for (const std::string& name : Interfaces()) {
      EXPECT_THAT(name, Not(StartsWith("veth")));
      EXPECT_THAT(name, Not(StartsWith("bwp")));  // what the bandwidth plugin makes
    }
    const std::string rules = RunTool({"iptables-save"});
    EXPECT_THAT(rules, Not(HasSubstr(addresses.primary)));
    EXPECT_THAT(rules, Not(HasSubstr("CNI-DN-")));
    EXPECT_TRUE(Leases().empty());
    EXPECT_TRUE(network_->ListCached().value().empty());
  }

  std::string dir_;
  std::unique_ptr<EpollLoop> loop_;
  std::thread loop_thread_;
  Telemetry telemetry_;
  std::unique_ptr<Network> network_;
};

TEST_P(CniPluginsTest, APodIsReachedAndLeavesNothing) {
  OpenNetwork();
  Pod pod("hello");
  pod.attachment.port_mappings = {{"tcp", 80, 12000, ""}, {"udp", 53, 0, ""}};
  const auto addresses = network_->Add(pod.attachment, {});
  ASSERT_TRUE(addresses.ok()) << addresses.status().ToString();
  EXPECT_THAT(addresses->primary, StartsWith("10.213.7."));
  EXPECT_TRUE(addresses->additional.empty());
  EXPECT_THAT(Leases(), testing::ElementsAre(addresses->primary));
  EXPECT_THAT(pod.InterfacesInside(), Contains("eth0"));
  pod.Serve();
  EXPECT_EQ(Ask(addresses->primary, 80), "hello");  // the pod's own address
  EXPECT_EQ(Ask("127.0.0.1", 12000), "hello");      // the host's port, by loopback
  EXPECT_EQ(Ask("10.213.7.1", 12000), "hello");     // and by an address of the host

  // Another process (a new daemon) knows the addresses and can detach.
  network_.reset();
  OpenNetwork();
  EXPECT_EQ(network_->CachedAddresses(pod.attachment.sandbox).value().primary, addresses->primary);
  ASSERT_TRUE(network_->Del(pod.attachment, {}).ok());
  EXPECT_THAT(pod.InterfacesInside(), Not(Contains("eth0")));
  ExpectNothingLeft(*addresses);
  EXPECT_THAT(Ask("127.0.0.1", 12000), HasSubstr("UNAVAILABLE"));
  EXPECT_TRUE(network_->Del(pod.attachment, {}).ok());
}

TEST_P(CniPluginsTest, PodsReachEachOther) {
  OpenNetwork();
  Pod one("one"), two("two");
  Result<PodAddresses> first = Internal("not run"), second = Internal("not run");
  std::thread a([&] { first = network_->Add(one.attachment, {}); });
  std::thread b([&] { second = network_->Add(two.attachment, {}); });
  a.join();
  b.join();
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  ASSERT_TRUE(second.ok()) << second.status().ToString();
  EXPECT_NE(first->primary, second->primary);
  one.Serve();
  std::string answer;
  ASSERT_TRUE(two.Inside([&] {
                   answer = Ask(first->primary, 80);
                   return OkStatus();
                 })
                  .ok());
  EXPECT_EQ(answer, "one");
  ASSERT_TRUE(network_->Del(one.attachment, {}).ok());
  ASSERT_TRUE(network_->Del(two.attachment, {}).ok());
  ExpectNothingLeft(*first);
  ExpectNothingLeft(*second);
}

TEST_P(CniPluginsTest, DelAfterTheNamespaceIsGone) {
  OpenNetwork();
  Pod pod("gone");
  pod.attachment.port_mappings = {{"tcp", 80, 12001, ""}};
  const auto addresses = network_->Add(pod.attachment, {});
  ASSERT_TRUE(addresses.ok()) << addresses.status().ToString();
  pod.Unpin();
  const Status deleted = network_->Del(pod.attachment, {});
  ASSERT_TRUE(deleted.ok()) << deleted.ToString();
  // The kernel ends a namespace, and the pair with it, in the background.
  for (int i = 0; i < 300 && Interfaces().size() > 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  // The bridge plugin (1.1) learns the addresses of its masquerading rules from eth0 alone, and
  // leaves them when the namespace is gone (README, "Order of undo"). Everything else must go.
  EXPECT_THAT(RunTool({"iptables-save"}), Not(HasSubstr("dport 12001")));
  RunTool({"iptables", "-t", "nat", "-F"});
  RunTool({"iptables", "-t", "nat", "-X"});
  ExpectNothingLeft(*addresses);
}

TEST_P(CniPluginsTest, AnAddThatFailsHalfWayIsUndone) {
  // A plugin of the test's own, after the real ones: it fails until it is told not to.
  const std::string plugin = dir_ + "/bin/half-way";
  ASSERT_TRUE(EnsureDirectory(dir_ + "/bin").ok());
  ASSERT_TRUE(
      WriteFile(plugin, "#!/bin/sh\necho '{\"code\":11,\"msg\":\"no\"}'; exit 1\n", 0755).ok());
  OpenNetwork(R"(, {"type": "half-way"})", {dir_ + "/bin", kPluginDir});
  Pod pod("half");
  pod.attachment.port_mappings = {{"tcp", 80, 12002, ""}};
  EXPECT_FALSE(network_->Add(pod.attachment, {}).ok());
  EXPECT_EQ(Leases().size(), 1u);
  // DEL stops at the plugin that fails and can be repeated when it works.
  EXPECT_FALSE(network_->Del(pod.attachment, {}).ok());
  EXPECT_EQ(network_->ListCached().value().size(), 1u);
  ASSERT_TRUE(WriteFile(plugin, "#!/bin/sh\nexit 0\n", 0755).ok());
  const Status deleted = network_->Del(pod.attachment, {});
  ASSERT_TRUE(deleted.ok()) << deleted.ToString();
  ExpectNothingLeft({.primary = "10.213.7.", .additional = {}});
}

TEST_P(CniPluginsTest, AnAddWithoutAllItsPluginsIsNotBegun) {
  OpenNetwork(R"(, {"type": "no-such-plugin"})");
  Pod pod("missing");
  EXPECT_EQ(network_->Add(pod.attachment, {}).status().code(), Code::kFailedPrecondition);
  EXPECT_TRUE(network_->ListCached().value().empty());
  EXPECT_TRUE(network_->Del(pod.attachment, {}).ok());
  EXPECT_TRUE(Leases().empty());
}

TEST_P(CniPluginsTest, APluginsOwnErrorIsPassedOn) {
  OpenNetwork();
  Pod pod("twice");
  pod.attachment.netns_path = "/run/ns/missing";
  const auto added = network_->Add(pod.attachment, {});
  ASSERT_FALSE(added.ok());
  EXPECT_THAT(added.status().message(), StartsWith("network crisp-it: cni ADD bridge: "));
  EXPECT_THAT(added.status().message(), HasSubstr("/run/ns/missing"));
  const Status deleted = network_->Del(pod.attachment, {});
  EXPECT_TRUE(deleted.ok()) << deleted.ToString();
}

TEST_P(CniPluginsTest, BandwidthAnnotationsBecomeLimits) {
  OpenNetwork();
  Pod pod("slow");
  pod.attachment.annotations = {{"kubernetes.io/ingress-bandwidth", "8M"},
                                {"kubernetes.io/egress-bandwidth", "4M"}};
  const auto addresses = network_->Add(pod.attachment, {});
  if (!addresses.ok() && addresses.status().message().find("ifb") != std::string::npos) {
    (void)network_->Del(pod.attachment, {});
    GTEST_SKIP() << "the kernel has no ifb: " << addresses.status().message();
  }
  ASSERT_TRUE(addresses.ok()) << addresses.status().ToString();
  const std::string queues = RunTool({"tc", "qdisc", "show"});
  EXPECT_THAT(queues, HasSubstr("rate 8Mbit"));
  EXPECT_THAT(queues, HasSubstr("rate 4Mbit"));
  const Status deleted = network_->Del(pod.attachment, {});
  ASSERT_TRUE(deleted.ok()) << deleted.ToString();
  ExpectNothingLeft(*addresses);
}

INSTANTIATE_TEST_SUITE_P(CniVersions, CniPluginsTest, testing::Values("0.3.1", "0.4.0", "1.0.0"),
                         [](const auto& version) {
                           std::string name = Cat('v', version.param);
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace crisp::network
