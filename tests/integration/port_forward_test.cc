// Port-forward through a streaming URL (streaming.md section 7). The servers in the pods are
// threads of the test, on sockets made in the pod's network namespace.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "base/core/file.h"
#include "base/netns_handle.h"
#include "tests/support/pod_test.h"
#include "tests/support/stream_client.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;

// Listens on loopback and gives each connection to `serve`, in a thread of its own.
class LoopbackServer {
 public:
  using Serve = std::function<void(UniqueFd connection)>;

  // `netns`: path of a pinned namespace; empty: here.
  LoopbackServer(const std::string& netns, int family, uint16_t port, Serve serve) {
    const auto listen = [&] { return Listen(family, port); };
    const Status listening = netns.empty() ? listen() : Must(NetnsHandle::Open(netns)).Run(listen);
    EXPECT_TRUE(listening.ok()) << listening.ToString();
    acceptor_ = std::thread([this, serve = std::move(serve)] {
      for (;;) {
        UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection) return;
        servers_.emplace_back([&serve](UniqueFd fd) { serve(std::move(fd)); },
                              std::move(connection));
      }
    });
  }
  ~LoopbackServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    for (std::thread& server : servers_) server.join();
  }

 private:
  Status Listen(int family, uint16_t port) {
    listener_ = UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!listener_) return Errno("socket");
    const int on = 1;
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_storage address{};
    address.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) {
      auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
      v4->sin_port = htons(port);
      v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
      auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
      v6->sin6_port = htons(port);
      v6->sin6_addr = in6addr_loopback;
    }
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
      return Errno("bind");
    }
    return ::listen(listener_.get(), 128) == 0 ? OkStatus() : Errno("listen");
  }

  UniqueFd listener_;
  std::thread acceptor_;
  std::vector<std::thread> servers_;
};

std::string ReadSome(const UniqueFd& fd) {
  char chunk[65536];
  const ssize_t n = ::read(fd.get(), chunk, sizeof(chunk));
  return std::string(chunk, n > 0 ? static_cast<size_t>(n) : 0);
}

void Says(UniqueFd fd, std::string_view text) { (void)WriteAll(fd.get(), text); }

class PortForwardTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
  }

  void Start() { pod_ = RunPod(sandbox_); }
  std::string Netns() { return daemon().Path(Cat("run/ns/", pod_, "/net")); }
  Result<std::unique_ptr<StreamClient>> TryConnect() {
    v1::PortForwardRequest request;
    request.set_pod_sandbox_id(pod_);
    return StreamClient::Connect(CRISP_TRY(client().Call(request)).url(), "portforward.k8s.io");
  }

  struct Pair {
    spdy::StreamId error = 0;
    spdy::StreamId data = 0;
  };
  Pair OpenPair(StreamClient* connection, int port) {
    const std::string id = Cat(next_request_++);
    Pair pair;
    pair.error = Must(connection->OpenStream(
        {{"port", Cat(port)}, {"requestid", id}, {"streamtype", "error"}}, /*fin=*/true));
    pair.data = Must(
        connection->OpenStream({{"port", Cat(port)}, {"requestid", id}, {"streamtype", "data"}}));
    return pair;
  }
  static bool AwaitPairEnd(StreamClient* connection, Pair pair) {
    return connection->RunUntil([&] {
      const auto& data = connection->spdy().stream(pair.data);
      const auto& error = connection->spdy().stream(pair.error);
      return (data.finished || data.reset) && (error.finished || error.reset);
    });
  }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  int next_request_ = 0;
};

TEST_P(PortForwardTest, OneConnection) {
  Start();
  LoopbackServer server(Netns(), AF_INET, 8080, [](UniqueFd fd) {
    const std::string text = "got " + ReadSome(fd);
    Says(std::move(fd), text);
  });
  auto connection = Must(TryConnect());
  ASSERT_NE(connection, nullptr);
  for (int i = 0; i < 3; ++i) {
    const Pair pair = OpenPair(connection.get(), 8080);
    connection->spdy().Data(pair.data, "question\n");
    EXPECT_TRUE(AwaitPairEnd(connection.get(), pair));
    EXPECT_EQ(connection->spdy().stream(pair.data).data, "got question\n");
    EXPECT_EQ(connection->spdy().stream(pair.error).data, "");
    connection->spdy().Finish(pair.data);
  }
  EXPECT_FALSE(connection->closed()) << "others may follow";
}

TEST_P(PortForwardTest, HalfClose) {
  Start();
  LoopbackServer server(Netns(), AF_INET, 8080, [](UniqueFd fd) {
    const std::string all = Must(ReadAll(fd.get()));
    ::usleep(1500000);
    Says(std::move(fd), Cat(all.size()));
  });
  auto connection = Must(TryConnect());
  ASSERT_NE(connection, nullptr);
  const Pair pair = OpenPair(connection.get(), 8080);
  connection->spdy().Data(pair.data, std::string(100000, 'x'), /*fin=*/true);
  EXPECT_TRUE(AwaitPairEnd(connection.get(), pair));
  EXPECT_EQ(connection->spdy().stream(pair.data).data, "100000")
      << "the answer after the client's end";
}

TEST_P(PortForwardTest, Ipv6) {
  Start();
  LoopbackServer server(Netns(), AF_INET6, 8081, [](UniqueFd fd) { Says(std::move(fd), "six"); });
  auto connection = Must(TryConnect());
  ASSERT_NE(connection, nullptr);
  const Pair pair = OpenPair(connection.get(), 8081);
  EXPECT_TRUE(AwaitPairEnd(connection.get(), pair));
  EXPECT_EQ(connection->spdy().stream(pair.data).data, "six");
}

TEST_P(PortForwardTest, AClosedPort) {
  Start();
  LoopbackServer elsewhere("", AF_INET, 81, [](UniqueFd) { ADD_FAILURE() << "not in the pod"; });
  auto connection = Must(TryConnect());
  ASSERT_NE(connection, nullptr);
  const Pair pair = OpenPair(connection.get(), 81);
  EXPECT_TRUE(AwaitPairEnd(connection.get(), pair));
  EXPECT_THAT(connection->spdy().stream(pair.error).data,
              HasSubstr(Cat("error forwarding port 81 to pod ", pod_)));
  EXPECT_THAT(connection->spdy().stream(pair.error).data,
              HasSubstr("dial tcp 127.0.0.1:81: connect: "));
}

TEST_P(PortForwardTest, FiftyInParallelOverOneConnection) {
  Start();
  LoopbackServer server(Netns(), AF_INET, 8080, [](UniqueFd fd) {
    const std::string letter = ReadSome(fd);
    Says(std::move(fd), std::string(1000000, letter.empty() ? '?' : letter[0]));
  });
  auto connection = Must(TryConnect());
  ASSERT_NE(connection, nullptr);
  const auto letter = [](int i) { return static_cast<char>('a' + i % 26); };
  std::vector<Pair> pairs;
  for (int i = 0; i < 50; ++i) pairs.push_back(OpenPair(connection.get(), 8080));
  for (int i = 0; i < 50; ++i) connection->spdy().Data(pairs[i].data, std::string(1, letter(i)));
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(AwaitPairEnd(connection.get(), pairs[i])) << i;
    const std::string& data = connection->spdy().stream(pairs[i].data).data;
    EXPECT_TRUE(data == std::string(1000000, letter(i))) << i << ": " << data.size();
    EXPECT_EQ(connection->spdy().stream(pairs[i].error).data, "");
  }
}

TEST_P(PortForwardTest, HundredMegabytesEachWay) {
  Start();
  std::string out;
  while (out.size() < (100u << 20)) out += "0123456789abcdef\n";
  std::promise<uint64_t> arrived;
  LoopbackServer server(Netns(), AF_INET, 8080, [&](UniqueFd fd) {
    uint64_t sum = Checksum("");
    for (std::string piece; !(piece = ReadSome(fd)).empty();) sum = Checksum(piece, sum);
    arrived.set_value(sum);
    Says(std::move(fd), out);
  });
  auto connection = Must(TryConnect());
  ASSERT_NE(connection, nullptr);
  const Pair pair = OpenPair(connection.get(), 8080);
  uint64_t sent = Checksum("");
  for (int i = 0; i < 100; ++i) {
    const std::string piece(1 << 20, static_cast<char>(i));
    sent = Checksum(piece, sent);
    connection->spdy().Data(pair.data, piece);
    ASSERT_TRUE(connection->RunUntil([] { return true; }));
  }
  connection->spdy().Finish(pair.data);
  EXPECT_TRUE(AwaitPairEnd(connection.get(), pair));
  EXPECT_EQ(arrived.get_future().get(), sent);
  EXPECT_TRUE(connection->spdy().stream(pair.data).data == out);
}

TEST_P(PortForwardTest, AServersResetHurtsNoOther) {
  Start();
  LoopbackServer bad(Netns(), AF_INET, 8080, [](UniqueFd fd) {
    (void)ReadSome(fd);
    const linger hard{1, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  });
  LoopbackServer good(Netns(), AF_INET, 8081, [](UniqueFd fd) {
    (void)ReadSome(fd);
    Says(std::move(fd), "fine");
  });
  auto connection = Must(TryConnect());
  ASSERT_NE(connection, nullptr);
  const Pair reset = OpenPair(connection.get(), 8080);
  const Pair other = OpenPair(connection.get(), 8081);
  connection->spdy().Data(reset.data, "x");
  EXPECT_TRUE(AwaitPairEnd(connection.get(), reset));
  EXPECT_EQ(connection->spdy().stream(reset.error).data, "") << "clients close everything on text";
  connection->spdy().Data(other.data, "x");
  EXPECT_TRUE(AwaitPairEnd(connection.get(), other));
  EXPECT_EQ(connection->spdy().stream(other.data).data, "fine");
}

TEST_P(PortForwardTest, HostNetwork) {
  sandbox_.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(
      v1::NODE);
  sandbox_.clear_hostname();
  Start();
  LoopbackServer server("", AF_INET, 12002, [](UniqueFd fd) { Says(std::move(fd), "host"); });
  auto connection = Must(TryConnect());
  ASSERT_NE(connection, nullptr);
  const Pair pair = OpenPair(connection.get(), 12002);
  EXPECT_TRUE(AwaitPairEnd(connection.get(), pair));
  EXPECT_EQ(connection->spdy().stream(pair.data).data, "host");
}

TEST_P(PortForwardTest, ALostClientClosesTheConnection) {
  Start();
  std::promise<void> closed;
  LoopbackServer server(Netns(), AF_INET, 8080, [&](UniqueFd fd) {
    (void)WriteAll(fd.get(), "up");
    while (!ReadSome(fd).empty()) {
    }
    closed.set_value();
  });
  auto connection = Must(TryConnect());
  ASSERT_NE(connection, nullptr);
  const Pair pair = OpenPair(connection.get(), 8080);
  EXPECT_TRUE(
      connection->RunUntil([&] { return connection->spdy().stream(pair.data).data == "up"; }));
  connection->Cut();
  EXPECT_EQ(closed.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST_P(PortForwardTest, WrongCalls) {
  Start();
  v1::PortForwardRequest request;
  EXPECT_THAT(client().Call(request), HasCode(Code::kInvalidArgument));
  request.set_pod_sandbox_id("0123456789ab");
  EXPECT_THAT(client().Call(request), HasCode(Code::kNotFound));
  request.set_pod_sandbox_id(pod_);
  request.add_port(70000);
  EXPECT_THAT(client().Call(request), HasCode(Code::kInvalidArgument));
  EXPECT_THAT(TryStopPod(pod_), IsOk());
  request.clear_port();
  EXPECT_THAT(client().Call(request), HasCode(Code::kFailedPrecondition));
}

CRISP_FOR_EACH_RUNTIME(PortForwardTest);

}  // namespace
}  // namespace crisp::test
