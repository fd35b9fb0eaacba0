// Large transfers, and who waits for whom.
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <thread>

#include "fake_sessions.h"
#include "server/streaming/delivery.h"
#include "tests/support/spdy_client.h"

namespace crisp::streaming {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSize = 64 << 20;

class TransferTest : public StreamingServerTest {
 protected:
  // A SPDY exec with its four streams; ids 1 (error), 3, 5, 7.
  std::unique_ptr<TestClient> Spdy(std::vector<std::string> command, int receive_buffer = 0) {
    const std::string url = ExecUrl(std::move(command));
    auto client = std::make_unique<TestClient>(server().port(), receive_buffer);
    EXPECT_TRUE(client->Write(SpdyUpgrade(url, "v4.channel.k8s.io")));
    EXPECT_THAT(client->ReadHead(), HasSubstr("101"));
    for (const char* type : {"error", "stdin", "stdout", "stderr"}) {
      spdy_.SynStream({{"streamtype", type}});
    }
    EXPECT_TRUE(client->Write(spdy_.TakeOutput()));
    return client;
  }
  test::SpdyClient spdy_;
};

TEST_F(TransferTest, StdoutOverSpdy) {
  const auto client = Spdy({"flood", std::to_string(kSize)});
  uint64_t received = 0;
  bool same = true;
  for (;;) {
    const std::string part = client->Read();
    if (part.empty()) break;
    ASSERT_TRUE(spdy_.Feed(part).ok());
    const std::string data = spdy_.TakeData(5);
    same = same && data == Pattern(received, data.size());
    received += data.size();
  }
  EXPECT_EQ(received, kSize);
  EXPECT_TRUE(same);
  EXPECT_EQ(spdy_.stream(1).data, kSuccess);
}

TEST_F(TransferTest, StdinOverSpdy) {
  const auto client = Spdy({"sink"});
  uint64_t checksum = Checksum("");
  for (uint64_t sent = 0; sent < kSize / 4; sent += 256 << 10) {
    const std::string data = Pattern(sent, 256 << 10);
    checksum = Checksum(data, checksum);
    spdy_.Data(3, data);
    ASSERT_TRUE(client->Write(spdy_.TakeOutput()));
  }
  spdy_.Finish(3);
  ASSERT_TRUE(client->Write(spdy_.TakeOutput()));
  ASSERT_TRUE(spdy_.Feed(client->ReadToEnd()).ok());
  EXPECT_EQ(spdy_.stream(5).data, std::to_string(checksum));
}

TEST_F(TransferTest, BothWaysOverWebSocket) {
  TestClient client(server().port());
  ASSERT_TRUE(client.Write(WebSocketUpgrade(ExecUrl({"echo"}), "v5.channel.k8s.io")));
  client.ReadHead();
  std::thread writer([&] {
    for (uint64_t sent = 0; sent < kSize / 4; sent += 64 << 10) {
      ASSERT_TRUE(client.Write(MaskedFrame(2, Cat('\0', Pattern(sent, 64 << 10)))));
    }
    ASSERT_TRUE(client.Write(MaskedFrame(2, std::string("\xff\0", 2))));
  });
  WebSocketConversation talk(&client);
  talk.ReadToClose();
  writer.join();
  EXPECT_EQ(talk.close_code(), 1000);
  EXPECT_EQ(talk.channels[1].size(), kSize / 4);
  EXPECT_TRUE(talk.channels[1] == Pattern(0, kSize / 4));
}

// A session that takes no input: pings are still answered until its share of memory is full; then
// TCP makes the client wait.
TEST_F(TransferTest, PausedInputIsBounded) {
  const auto client = Spdy({"stuck"});
  ASSERT_TRUE(log_.Await("begun"));
  spdy_.Data(3, std::string(Delivery::kHeld_bytes / 2, 'x'));
  spdy_.Ping(1);
  ASSERT_TRUE(client->Write(spdy_.TakeOutput()));
  while (spdy_.pings().empty()) {
    const std::string part = client->Read();
    ASSERT_FALSE(part.empty());
    ASSERT_TRUE(spdy_.Feed(part).ok());
  }
  const timeval short_patience{0, 300000};
  ::setsockopt(client->fd(), SOL_SOCKET, SO_SNDTIMEO, &short_patience, sizeof(short_patience));
  uint64_t sent = 0;
  spdy_.Data(3, std::string(256 << 10, 'x'));
  const std::string block = spdy_.TakeOutput();
  while (sent < kSize && client->Write(block)) sent += block.size();
  EXPECT_LT(sent, kSize);
  EXPECT_LT(telemetry_.GetCounter("crisp_streaming_bytes_total", "", {{"direction", "in"}}).value(),
            Delivery::kHeld_bytes * 4);
  EXPECT_EQ(log_.Get("input_bytes"), 0u);
  const linger reset{1, 0};
  ::setsockopt(client->fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  client->Close();
  EXPECT_TRUE(AwaitNoSessions());
}

// A client that does not read makes the session wait, and nobody else.
TEST_F(TransferTest, SlowClientHoldsOnlyItsOwnSession) {
  const auto slow = Spdy({"flood", std::to_string(kSize)}, 4096);
  ASSERT_TRUE(log_.Await("sends"));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const size_t sends = log_.Get("sends");
  EXPECT_LT(sends, kSize / (256 << 10) / 2);
  TestClient other(server().port());
  ASSERT_TRUE(other.Write(WebSocketUpgrade(ExecUrl({"hello"}), "v5.channel.k8s.io")));
  other.ReadHead();
  WebSocketConversation talk(&other);
  talk.ReadToClose();
  EXPECT_EQ(talk.close_code(), 1000);
  EXPECT_LE(log_.Get("sends"), sends + 1);
  slow->Close();
  EXPECT_TRUE(AwaitNoSessions());
}

}  // namespace
}  // namespace crisp::streaming
