#include "image/pull/http_client.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/core/unique_fd.h"

namespace crisp::image {
namespace {

using testing::HasSubstr;
using testing::Not;

// A server that never says a word: connections wait in its backlog.
class SilentServer {
 public:
  explicit SilentServer(int backlog) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_.get(), address(), sizeof(address_)), 0);
    EXPECT_EQ(::listen(socket_.get(), backlog), 0);
    socklen_t size = sizeof(address_);
    EXPECT_EQ(::getsockname(socket_.get(), address(), &size), 0);
  }
  UniqueFd Connect() {
    UniqueFd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(out.get(), address(), sizeof(address_)), 0);
    return out;
  }
  std::string host() const { return Cat("127.0.0.1:", ntohs(address_.sin_port)); }

 private:
  sockaddr* address() { return reinterpret_cast<sockaddr*>(&address_); }

  UniqueFd socket_;
  sockaddr_in address_{};
};

class HttpClientTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { HttpClient::GlobalInit(); }
  static Status Get(const std::string& url) {
    HttpClient client(/*stall_seconds=*/1);
    HttpRequest request;
    request.url = url;
    return client.Perform(std::move(request)).status();
  }
};

// As behind a firewall that drops: the next connection gets no answer from a full backlog.
TEST_F(HttpClientTest, AHostThatDoesNotAnswerCannotBeReached) {
  SilentServer server(/*backlog=*/0);
  const UniqueFd only = server.Connect();
  const Status status = Get("http://" + server.host() + "/v2/");
  EXPECT_EQ(status.code(), Code::kUnavailable) << status.ToString();
  EXPECT_EQ(status.sys_errno(), ECONNREFUSED);
  EXPECT_THAT(status.message(), HasSubstr(server.host()));
  EXPECT_THAT(status.message(), Not(HasSubstr("too little came")));
}

TEST_F(HttpClientTest, AHandshakeWithoutAnAnswerIsNoConnection) {
  SilentServer server(/*backlog=*/8);
  const Status status = Get("https://" + server.host() + "/v2/");
  EXPECT_EQ(status.code(), Code::kUnavailable) << status.ToString();
  EXPECT_EQ(status.sys_errno(), ECONNREFUSED);
}

TEST_F(HttpClientTest, SilenceOnAConnectionIsAStall) {
  SilentServer server(/*backlog=*/8);
  const Status status = Get("http://" + server.host() + "/v2/");
  EXPECT_EQ(status.code(), Code::kDeadlineExceeded) << status.ToString();
  EXPECT_EQ(status.sys_errno(), ETIMEDOUT);
}

}  // namespace
}  // namespace crisp::image
