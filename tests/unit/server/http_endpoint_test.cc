#include "server/metrics/http_endpoint.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <thread>

#include "base/core/file.h"

namespace crisp::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpEndpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    loop_ = std::move(EpollLoop::Create()).value();
    endpoint_ =
        std::move(HttpEndpoint::Open("127.0.0.1:0", loop_.get(), [this] { return body_; })).value();
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void TearDown() override {
    loop_->Stop();
    thread_.join();
  }

  UniqueFd Connect() {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    Connect(socket.get());
    return socket;
  }
  void Connect(int socket) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(endpoint_->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  std::string Ask(const std::string& request) {
    const UniqueFd socket = Connect();
    EXPECT_TRUE(WriteAll(socket.get(), request).ok());
    const Result<std::string> answer = ReadAll(socket.get());
    return answer.ok() ? *answer : answer.status().ToString();
  }

  std::string body_ = "metric 1\n";
  std::unique_ptr<EpollLoop> loop_;
  std::unique_ptr<HttpEndpoint> endpoint_;
  std::thread thread_;
};

TEST_F(HttpEndpointTest, AnswersGetAndHead) {
  const std::string answer = Ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 9\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\nmetric 1\n"));
  EXPECT_TRUE(Ask("HEAD /metrics?x=1 HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
}

TEST_F(HttpEndpointTest, RequestInPiecesAndLargeAnswer) {
  body_ = std::string(8 << 20, 'x');
  const UniqueFd socket = Connect();
  ASSERT_TRUE(WriteAll(socket.get(), "GET /met").ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ASSERT_TRUE(WriteAll(socket.get(), "rics HTTP/1.0\r\n\r\n").ok());
  const Result<std::string> answer = ReadAll(socket.get());
  ASSERT_TRUE(answer.ok());
  EXPECT_GT(answer->size(), body_.size());
}

TEST_F(HttpEndpointTest, RefusesTheRest) {
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask("POST /metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("GET /metrics SPDY/3\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("GET /" + std::string(9000, 'x')), StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpEndpointTest, ManyIdleConnectionsDoNotGrow) {
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 40; ++i) idle.push_back(Connect());
  idle.clear();  // closed by us: dropped there
  for (int i = 0; i < 50; ++i) {
    if (Ask("GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200")) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  FAIL() << "no answer after idle connections went away";
}

// The client that cannot be accepted keeps the listener readable, and the loop is the daemon's.
TEST_F(HttpEndpointTest, WithoutDescriptorsTheLoopRests) {
  clockid_t clock;
  ASSERT_EQ(::pthread_getcpuclockid(thread_.native_handle(), &clock), 0);
  const auto used = [&] {
    timespec time{};
    ::clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  UniqueFd lowest(::dup(socket.get()));
  const rlimit none_left{static_cast<rlim_t>(lowest.get()), limit.rlim_max};
  lowest.Reset();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none_left), 0);
  Connect(socket.get());
  const auto before = used();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const auto spent = used() - before;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_LT(spent, std::chrono::milliseconds(100)) << "of 500";
  ASSERT_TRUE(WriteAll(socket.get(), "GET /metrics HTTP/1.1\r\n\r\n").ok());
  const Result<std::string> answer = ReadAll(socket.get());
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_THAT(*answer, StartsWith("HTTP/1.1 200 "));
}

TEST(HttpEndpointOpenTest, BusyAddressIsNamed) {
  auto loop = std::move(EpollLoop::Create()).value();
  auto first = HttpEndpoint::Open("127.0.0.1:0", loop.get(), [] { return std::string(); });
  ASSERT_TRUE(first.ok());
  const std::string address = Cat("127.0.0.1:", (*first)->port());
  const auto second = HttpEndpoint::Open(address, loop.get(), [] { return std::string(); });
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr(address));
}

}  // namespace
}  // namespace crisp::metrics
