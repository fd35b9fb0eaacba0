// What clients do wrong, on purpose or by bad luck.
#include <gmock/gmock.h>

#include <filesystem>
#include <thread>

#include "base/log.h"
#include "fake_sessions.h"
#include "server/streaming/delivery.h"
#include "tests/support/spdy_client.h"

namespace crisp::streaming {
namespace {

using ::testing::HasSubstr;

class RobustnessTest : public StreamingServerTest {
 protected:
  std::string Answer(const std::string& request) {
    TestClient client(server().port());
    EXPECT_TRUE(client.Write(request));
    return client.ReadToEnd();
  }
  // The server still does its work.
  void ExpectAlive() {
    TestClient client(server().port());
    ASSERT_TRUE(client.Write(WebSocketUpgrade(ExecUrl({"hello"}), "v5.channel.k8s.io")));
    client.ReadHead();
    WebSocketConversation talk(&client);
    talk.ReadToClose();
    EXPECT_EQ(talk.close_code(), 1000);
    EXPECT_EQ(talk.channels[1], "hello");
  }
};

size_t OpenDescriptors() {
  size_t out = 0;
  for ([[maybe_unused]] const auto& unused : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++out;
  }
  return out;
}

TEST_F(RobustnessTest, UrlHasSchemeHostPortAndPath) {
  EXPECT_THAT(ExecUrl({"echo"}), HasSubstr(Cat("http://127.0.0.1:", server().port(), "/exec/")));
  EXPECT_THAT(ForwardUrl(), HasSubstr("/portforward/"));
}

TEST_F(RobustnessTest, WildcardAddressIsGivenAsLoopback) {
  options_.address = "0.0.0.0:0";
  EXPECT_THAT(ExecUrl({"echo"}), HasSubstr("http://127.0.0.1:"));
}

TEST_F(RobustnessTest, Ipv6) {
  options_.address = "[::1]:0";
  options_.starters = FakeStarters(&log_);
  auto opened = StreamingServer::Open(options_);
  if (!opened.ok()) GTEST_SKIP() << "no IPv6 here: " << opened.status().ToString();
  EXPECT_THAT((*opened)->MakeUrl(runtime::v1::ExecRequest()).value(), HasSubstr("http://[::1]:"));
}

TEST_F(RobustnessTest, TokensAreGoodOnce) {
  const std::string url = ExecUrl({"hello"});
  const std::string first = Answer(WebSocketUpgrade(url, "unheard-of"));
  EXPECT_THAT(first, HasSubstr("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_THAT(Answer(WebSocketUpgrade(url, "v5.channel.k8s.io")), HasSubstr("HTTP/1.1 404"));
  std::string wrong = ExecUrl({"hello"});
  wrong.replace(wrong.find("/exec/"), 6, "/attach/");
  EXPECT_THAT(Answer(SpdyUpgrade(wrong, "v4.channel.k8s.io")), HasSubstr("HTTP/1.1 404"));
  EXPECT_THAT(Answer("GET /exec/AAAAAAAA HTTP/1.1\r\n\r\n"), HasSubstr("HTTP/1.1 404"));
  EXPECT_THAT(Answer("GET / HTTP/1.1\r\n\r\n"), HasSubstr("unknown, used or expired"));
  EXPECT_EQ(Refused("unknown_token"), 4u);
  EXPECT_EQ(Refused("no_common_protocol"), 1u);
}

TEST_F(RobustnessTest, TooManyTokens) {
  options_.max_tokens = 2;
  ExecUrl({"echo"});
  ExecUrl({"echo"});
  const auto third = server().MakeUrl(runtime::v1::ExecRequest());
  EXPECT_EQ(third.status().code(), Code::kResourceExhausted);
}

TEST_F(RobustnessTest, ExpiredToken) {
  std::atomic<int> minutes = 0;
  const MonoTime begin = MonoNow();
  options_.token_clock = [&] { return begin + std::chrono::minutes(minutes.load()); };
  const std::string url = ExecUrl({"hello"});
  minutes = 1;
  EXPECT_THAT(Answer(SpdyUpgrade(url, "v4.channel.k8s.io")), HasSubstr("HTTP/1.1 404"));
}

TEST_F(RobustnessTest, QueriesAreIgnored) {
  TestClient client(server().port());
  ASSERT_TRUE(client.Write(
      WebSocketUpgrade(ExecUrl({"hello"}) + "?command=other&stdout=false", "v5.channel.k8s.io")));
  EXPECT_THAT(client.ReadHead(), HasSubstr("101 Switching"));
}

TEST_F(RobustnessTest, NotHttpAndHeaderBombs) {
  EXPECT_THAT(Answer("\x16\x03\x01\x02\r\n\r\n"), HasSubstr("HTTP/1.1 400"));
  std::string bomb = "GET /exec/x HTTP/1.1\r\n";
  for (int i = 0; i < 10000; ++i) bomb += "A: aaaaaaaaaaaaaaaaaaaaaaaa\r\n";
  TestClient client(server().port());
  client.Write(bomb);
  EXPECT_THAT(client.ReadToEnd(), HasSubstr("HTTP/1.1 431"));
  EXPECT_EQ(Refused("large_request"), 1u);
  ExpectAlive();
}

TEST_F(RobustnessTest, SlowRequests) {
  options_.request_deadline = std::chrono::milliseconds(100);
  TestClient silent(server().port());
  TestClient slow(server().port());
  ASSERT_TRUE(slow.Write("GET /exec/x HT"));
  silent.ReadToEnd();
  slow.ReadToEnd();
  EXPECT_TRUE(silent.at_end() && slow.at_end());
  EXPECT_EQ(Refused("slow_request"), 2u);
  ExpectAlive();
}

TEST_F(RobustnessTest, TooManyWaitingConnections) {
  options_.max_waiting = 4;
  std::vector<std::unique_ptr<TestClient>> silent;
  for (int i = 0; i < 8; ++i) silent.push_back(std::make_unique<TestClient>(server().port()));
  silent[0]->ReadToEnd();
  EXPECT_TRUE(silent[0]->at_end());
  for (int i = 0; i < 1000 && Refused("too_many_waiting") < 4; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_GE(Refused("too_many_waiting"), 4u);
  ExpectAlive();
}

TEST_F(RobustnessTest, TooManySessions) {
  options_.max_sessions = 2;
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(std::make_unique<TestClient>(server().port()));
    clients.back()->Write(WebSocketUpgrade(ExecUrl({"stuck"}), "v5.channel.k8s.io"));
    ASSERT_THAT(clients.back()->ReadHead(), HasSubstr("101"));
  }
  EXPECT_THAT(Answer(WebSocketUpgrade(ExecUrl({"hello"}), "v5.channel.k8s.io")),
              HasSubstr("HTTP/1.1 503"));
  clients.pop_back();
  ASSERT_TRUE(log_.Await("ended"));
  for (int i = 0; i < 1000 && ActiveSessions() > 1; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ExpectAlive();
}

TEST_F(RobustnessTest, IdleSessionsEnd) {
  options_.idle_timeout = std::chrono::milliseconds(200);
  TestClient client(server().port());
  ASSERT_TRUE(client.Write(WebSocketUpgrade(ExecUrl({"echo"}), "v5.channel.k8s.io")));
  client.ReadHead();
  const MonoTime begin = MonoNow();
  for (int i = 0; i < 8; ++i) {  // a ping keeps it alive
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ASSERT_TRUE(client.Write(MaskedFrame(9, "")));
  }
  client.ReadToEnd();
  EXPECT_TRUE(client.at_end());
  EXPECT_GE(MonoNow() - begin, std::chrono::milliseconds(550));
  EXPECT_TRUE(log_.Await("closed"));
}

// Its end is behind input that the session does not take, and more than crispd reads meanwhile.
TEST_F(RobustnessTest, AClientThatLeavesAPausedSession) {
  for (const bool half : {true, false}) {
    TestClient client(server().port());
    ASSERT_TRUE(client.Write(WebSocketUpgrade(ExecUrl({"stuck"}), "v5.channel.k8s.io")));
    client.ReadHead();
    // More than is held, and what stays in the socket leaves room in its window: an end behind a
    // full one does not arrive (RFC 9293 section 3.8.6).
    for (size_t sent = 0; sent < Delivery::kHeld_bytes + (32 << 10); sent += 32 << 10) {
      ASSERT_TRUE(client.Write(MaskedFrame(2, std::string(32 << 10, '\0'))));
    }
    ASSERT_TRUE(log_.Await("begun", half ? 1 : 2));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(log_.Get("closed"), half ? 0u : 1u) << "while the client was there";
    half ? client.Shutdown() : client.Close();
    EXPECT_TRUE(log_.Await("closed", half ? 1 : 2));
    EXPECT_THAT(log_.Text("closed"), HasSubstr("the client closed the connection"));
  }
  EXPECT_TRUE(AwaitNoSessions());
}

// A whole conversation in one piece, cut off after every byte.
TEST_F(RobustnessTest, CutAtEveryByte) {
  options_.drain = std::chrono::milliseconds(20);
  ExecUrl({"warm-up"});
  const size_t before = OpenDescriptors();
  for (const bool spdy : {true, false}) {
    for (size_t cut = 0;; ++cut) {
      const std::string url = ExecUrl({"echo"});
      std::string bytes;
      if (spdy) {
        test::SpdyClient client;
        for (const char* type : {"error", "stdin", "stdout", "stderr"}) {
          client.SynStream({{"streamtype", type}});
        }
        client.Ping(1);
        client.Data(3, "data", true);
        client.GoAway();
        bytes = SpdyUpgrade(url, "v4.channel.k8s.io") + client.TakeOutput();
      } else {
        bytes = WebSocketUpgrade(url, "v5.channel.k8s.io") +
                MaskedFrame(2, std::string("\0data", 5)) + MaskedFrame(9, "ping") +
                MaskedFrame(2, std::string("\xff\0", 2)) + MaskedFrame(8, "\x03\xe8");
      }
      if (cut > bytes.size()) break;
      TestClient client(server().port());
      ASSERT_TRUE(client.Write(bytes.substr(0, cut)));
      if (cut % 3 == 0) client.Shutdown();
      if (cut % 3 != 2) client.Close();
    }
  }
  ExpectAlive();
  EXPECT_TRUE(AwaitNoSessions());
  EXPECT_EQ(log_.Get("begun"), log_.Get("ended"));
  for (int i = 0; i < 500 && OpenDescriptors() > before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_LE(OpenDescriptors(), before);
}

TEST_F(RobustnessTest, ByteByByte) {
  test::SpdyClient spdy;
  for (const char* type : {"error", "stdin", "stdout", "stderr"}) {
    spdy.SynStream({{"streamtype", type}});
  }
  spdy.Data(3, "data", true);
  TestClient client(server().port());
  for (const char c : SpdyUpgrade(ExecUrl({"echo"}), "v4.channel.k8s.io") + spdy.TakeOutput()) {
    ASSERT_TRUE(client.Write({&c, 1}));
  }
  ASSERT_THAT(client.ReadHead(), HasSubstr("101"));
  ASSERT_TRUE(spdy.Feed(client.ReadToEnd()).ok());
  EXPECT_EQ(spdy.stream(5).data, "data");
}

TEST_F(RobustnessTest, ShutdownEndsSessions) {
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<TestClient>(server().port()));
    clients.back()->Write(WebSocketUpgrade(ExecUrl({"stuck"}), "v5.channel.k8s.io"));
    ASSERT_THAT(clients.back()->ReadHead(), HasSubstr("101"));
  }
  TestClient waiting(server().port());
  ASSERT_TRUE(log_.Await("begun", 4));
  // Half of the clients read and close in time.
  std::thread polite([&] {
    for (int i = 0; i < 2; ++i) {
      WebSocketConversation talk(clients[static_cast<size_t>(i)].get());
      talk.ReadToClose();
      EXPECT_EQ(talk.close_code(), 1001);
      clients[static_cast<size_t>(i)]->Close();
    }
  });
  const MonoTime begin = MonoNow();
  server_->Shutdown(MonoNow() + std::chrono::milliseconds(500));
  EXPECT_LT(MonoNow() - begin, std::chrono::seconds(3));
  polite.join();
  EXPECT_EQ(log_.Get("ended"), 4u);
  EXPECT_EQ(server_->MakeUrl(runtime::v1::ExecRequest()).status().code(), Code::kUnavailable);
  EXPECT_FALSE(TestClient(server_->port()).connected());
  server_.reset();
}

TEST_F(RobustnessTest, ShutdownAtOnce) {
  TestClient client(server().port());
  client.Write(WebSocketUpgrade(ExecUrl({"flood", "100000000"}), "v5.channel.k8s.io"));
  ASSERT_TRUE(log_.Await("begun"));
  server_->Shutdown(MonoNow());
  EXPECT_EQ(log_.Get("ended"), 1u);
}

TEST_F(RobustnessTest, BadAddress) {
  for (const char* bad : {"", "localhost:0", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"}) {
    options_.address = bad;
    EXPECT_EQ(StreamingServer::Open(options_).status().code(), Code::kInvalidArgument) << bad;
  }
  options_.address = "127.0.0.1:0";
  Open();
  Options second = options_;
  second.address = Cat("127.0.0.1:", server_->port());
  EXPECT_EQ(StreamingServer::Open(second).status().sys_errno(), EADDRINUSE);
}

}  // namespace
}  // namespace crisp::streaming
