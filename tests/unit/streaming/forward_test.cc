// Port-forward: one connection, over real sockets on loopback.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "fake_pods.h"
#include "server/streaming/sessions.h"
#include "session_fixtures.h"

namespace crisp::streaming {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ForwardTest : public SessionTest {
 protected:
  ForwardTest() {
    pods_.on_socket = [](const std::string&, int family) -> Result<UniqueFd> {
      UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      if (!fd) return Errno("socket");
      return fd;
    };
  }

  // Listens on loopback; the port.
  uint16_t Listen(int family) {
    listener_ = UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    address.ss_family = static_cast<sa_family_t>(family);
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    if (family == AF_INET) v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (family == AF_INET6) v6->sin6_addr = in6addr_loopback;
    socklen_t size = family == AF_INET ? sizeof(*v4) : sizeof(*v6);
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return 0;
    EXPECT_EQ(::listen(listener_.get(), 5), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(family == AF_INET ? v4->sin_port : v6->sin6_port);
  }
  void Start(uint16_t port) {
    StartForward({&io_, &pods_, &telemetry_}, "pod-1", port,
                 std::make_unique<FakeChannels>(&client_), [this] { ++ended_; });
  }
  void StartConnected(int family = AF_INET) {
    const uint16_t port = Listen(family);
    ASSERT_NE(port, 0);
    Start(port);
    ASSERT_TRUE(RunUntil([&] {
      server_ = UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK));
      return server_.valid();
    }));
  }
  std::string ServerReads(size_t size) {
    std::string out;
    RunUntil([&] {
      out += ReadNow(server_.get());
      return out.size() >= size;
    });
    return out;
  }
  bool ServerSeesEnd() {
    return RunUntil([&] {
      char c;
      return ::recv(server_.get(), &c, 1, MSG_DONTWAIT) == 0;
    });
  }
  bool AwaitEnd(Duration limit = std::chrono::seconds(5)) {
    return RunUntil([&] { return ended_ > 0; }, limit);
  }
  std::string& data() { return client_.received[Channel::kData]; }
  std::string& error() { return client_.received[Channel::kError]; }

  rpc::FakePods pods_;
  Telemetry telemetry_;
  UniqueFd listener_;
  UniqueFd server_;
  int ended_ = 0;
};

TEST_F(ForwardTest, BothWays) {
  StartConnected();
  client_.Sends(Channel::kData, "GET /");
  EXPECT_EQ(ServerReads(5), "GET /");
  ASSERT_TRUE(WriteAll(server_.get(), "200 OK").ok());
  server_.Reset();
  EXPECT_TRUE(RunUntil([&] { return client_.events.size() >= 2; }));
  EXPECT_EQ(data(), "200 OK");
  EXPECT_THAT(client_.events, ElementsAre("finish data", "finish error"));
  client_.Ends(Channel::kData);
  EXPECT_TRUE(AwaitEnd(std::chrono::milliseconds(500)));
  EXPECT_THAT(client_.events, ElementsAre("finish data", "finish error", "close", "gone"));
  EXPECT_EQ(error(), "") << "any text makes the client close everything";
}

TEST_F(ForwardTest, DataBeforeTheConnectionIsKept) {
  const uint16_t port = Listen(AF_INET);
  Start(port);
  client_.Sends(Channel::kData, "early");
  client_.Ends(Channel::kData);
  ASSERT_TRUE(RunUntil([&] {
    server_ = UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK));
    return server_.valid();
  }));
  EXPECT_EQ(ServerReads(5), "early");
  EXPECT_TRUE(ServerSeesEnd());
}

TEST_F(ForwardTest, Ipv6WhenIpv4Refuses) {
  if (Listen(AF_INET6) == 0) GTEST_SKIP() << "no IPv6 on loopback";
  StartConnected(AF_INET6);
  ASSERT_TRUE(WriteAll(server_.get(), "six").ok());
  EXPECT_TRUE(RunUntil([&] { return data() == "six"; }));
}

TEST_F(ForwardTest, AClosedPort) {
  const uint16_t port = Listen(AF_INET);
  listener_.Reset();
  Start(port);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_THAT(error(),
              HasSubstr(Cat("error forwarding port ", port,
                            " to pod pod-1, uid : dial tcp 127.0.0.1:", port, ": connect: ")));
  EXPECT_THAT(client_.events, ElementsAre("finish data", "finish error", "close", "gone"));
}

TEST_F(ForwardTest, APodThatIsNotReady) {
  pods_.on_socket = [](const std::string&, int) -> Result<UniqueFd> {
    return FailedPrecondition("sandbox pod-1 is not ready");
  };
  Start(80);
  EXPECT_TRUE(AwaitEnd());
  EXPECT_EQ(error(), "error forwarding port 80 to pod pod-1, uid : sandbox pod-1 is not ready");
}

TEST_F(ForwardTest, TheAnswerIsRelayedAfterTheClientsEnd) {
  StartConnected();
  client_.Sends(Channel::kData, "question");
  client_.Ends(Channel::kData);
  EXPECT_EQ(ServerReads(8), "question");
  EXPECT_TRUE(ServerSeesEnd());
  RunFor(std::chrono::milliseconds(1300));
  EXPECT_EQ(ended_, 0) << "a server may take its time";
  ASSERT_TRUE(WriteAll(server_.get(), "answer").ok());
  server_.Reset();
  EXPECT_TRUE(AwaitEnd());
  EXPECT_EQ(data(), "answer");
}

TEST_F(ForwardTest, AfterTheServersEndTheClientHasASecond) {
  StartConnected();
  ::shutdown(server_.get(), SHUT_WR);
  EXPECT_TRUE(RunUntil([&] { return client_.events.size() >= 2; }));
  client_.Sends(Channel::kData, "more");
  EXPECT_EQ(ServerReads(4), "more");
  EXPECT_EQ(ended_, 0);
  const MonoTime start = MonoNow();
  EXPECT_TRUE(AwaitEnd());
  EXPECT_LT(MonoNow() - start, std::chrono::milliseconds(1500));
  EXPECT_TRUE(ServerSeesEnd());
}

TEST_F(ForwardTest, AResetIsAnEndAndNoError) {
  StartConnected();
  linger hard{1, 0};
  ::setsockopt(server_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  server_.Reset();
  EXPECT_TRUE(RunUntil([&] { return client_.events.size() >= 2; }));
  client_.Sends(Channel::kData, "to nobody");
  EXPECT_TRUE(AwaitEnd());
  EXPECT_EQ(error(), "");
}

TEST_F(ForwardTest, AClientThatVanishesClosesTheConnection) {
  StartConnected();
  client_.Vanishes();
  EXPECT_EQ(ended_, 1);
  EXPECT_TRUE(ServerSeesEnd());
}

TEST_F(ForwardTest, AClientThatVanishesWhileConnecting) {
  Start(Listen(AF_INET));
  client_.Vanishes();
  EXPECT_EQ(ended_, 1);
  RunFor(std::chrono::milliseconds(30));
}

// There may be hundreds on one connection, and it is their channels that know how much they hold.
TEST_F(ForwardTest, KeepsLittleItself) {
  Start(Listen(AF_INET));
  EXPECT_EQ(client_.Sends(Channel::kData, std::string(65536, 'x')), 4096u);
  EXPECT_TRUE(client_.paused);
}

TEST_F(ForwardTest, AsksHowMuchItMaySend) {
  client_.send_limit = 100;
  client_.reads = false;
  StartConnected();
  ASSERT_TRUE(WriteAll(server_.get(), std::string(1000, 'x')).ok());
  EXPECT_TRUE(RunUntil([&] { return !client_.on_the_way.empty(); }));
  EXPECT_EQ(data(), "");
  std::exchange(client_.on_the_way, {}).front()();
  EXPECT_EQ(data().size(), 100u);
  client_.ReadAgain();
  EXPECT_TRUE(RunUntil([&] { return data().size() == 1000; }));
}

TEST_F(ForwardTest, ASlowServerHoldsTheClientBack) {
  StartConnected();
  size_t sent = 0;
  while (!client_.paused && sent < (64u << 20)) {
    sent += client_.Sends(Channel::kData, std::string(65536, 'x'));
  }
  EXPECT_TRUE(client_.paused);
  client_.Ends(Channel::kData);
  size_t received = 0;
  EXPECT_TRUE(RunUntil([&] {
    received += ReadNow(server_.get()).size();
    return received >= sent;
  }));
  EXPECT_EQ(received, sent);
  EXPECT_FALSE(client_.paused);
}

}  // namespace
}  // namespace crisp::streaming
