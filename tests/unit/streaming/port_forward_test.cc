// Port-forward over SPDY, SPDY in WebSocket, and WebSocket channels.
#include <gmock/gmock.h>

#include <algorithm>
#include <functional>

#include "fake_sessions.h"
#include "tests/support/spdy_client.h"

namespace crisp::streaming {
namespace {

using test::SpdyClient;
using ::testing::HasSubstr;

// Bytes of SPDY on a socket, or in messages of a WebSocket.
class ForwardTest : public StreamingServerTest, public ::testing::WithParamInterface<bool> {
 protected:
  bool tunnelled() const { return GetParam(); }
  void Connect() {
    const std::string url = ForwardUrl();
    client_ = std::make_unique<TestClient>(server().port());
    ASSERT_TRUE(client_->Write(tunnelled() ? WebSocketUpgrade(url, "SPDY/3.1+portforward.k8s.io")
                                           : SpdyUpgrade(url, "portforward.k8s.io")));
    ASSERT_THAT(client_->ReadHead(), HasSubstr("101 Switching Protocols"));
  }
  void Flush() {
    std::string bytes = spdy_.TakeOutput();
    if (!tunnelled()) {
      ASSERT_TRUE(client_->Write(bytes));
      return;
    }
    for (size_t at = 0; at < bytes.size(); at += 7) {  // boundaries mean nothing
      ASSERT_TRUE(client_->Write(MaskedFrame(2, std::string_view(bytes).substr(at, 7))));
    }
  }
  struct Pair {
    spdy::StreamId error;
    spdy::StreamId data;
  };
  Pair OpenPair(int port, int request) {
    const test::SpdyHeaders tail = {{"port", std::to_string(port)},
                                    {"requestid", std::to_string(request)}};
    test::SpdyHeaders headers = tail;
    headers.emplace_back("streamtype", "error");
    const spdy::StreamId error = spdy_.SynStream(headers);
    spdy_.Finish(error);
    headers.back().second = "data";
    const spdy::StreamId data = spdy_.SynStream(headers);
    Flush();
    return {error, data};
  }
  // Reads until `enough`, or the end.
  void ReadUntil(const std::function<bool()>& enough) {
    while (!enough()) {
      std::string part = client_->Read();
      if (part.empty()) break;
      if (!tunnelled()) {
        ASSERT_TRUE(spdy_.Feed(part).ok());
        continue;
      }
      frames_ += part;
      for (const ServerFrame& frame : TakeFrames(&frames_)) {
        if (frame.opcode == 8) closed_ = frame.payload;
        if (frame.opcode == 2) {
          ASSERT_TRUE(spdy_.Feed(frame.payload).ok());
        }
      }
    }
    ASSERT_TRUE(enough());
  }

  std::unique_ptr<TestClient> client_;
  SpdyClient spdy_;
  std::string frames_;
  std::string closed_;
};

INSTANTIATE_TEST_SUITE_P(Carriers, ForwardTest, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Tunnel" : "Spdy"; });

TEST_P(ForwardTest, ManyConnectionsWithHalfClose) {
  Connect();
  std::vector<Pair> pairs;
  for (int i = 0; i < 50; ++i) pairs.push_back(OpenPair(80, i));
  for (int i = 0; i < 50; ++i) {
    spdy_.Data(pairs[static_cast<size_t>(i)].data, Cat("to ", i), /*fin=*/true);
  }
  Flush();
  ReadUntil([&] {
    return std::all_of(pairs.begin(), pairs.end(), [&](const Pair& p) {
      return spdy_.stream(p.data).finished && spdy_.stream(p.error).finished;
    });
  });
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(spdy_.stream(pairs[static_cast<size_t>(i)].data).data, Cat("to ", i));
    EXPECT_EQ(spdy_.stream(pairs[static_cast<size_t>(i)].error).data, "");
  }
  EXPECT_TRUE(log_.Await("ended", 50));
  spdy_.GoAway();
  Flush();
  ReadUntil([&] { return spdy_.goaway().has_value(); });
  EXPECT_TRUE(AwaitNoSessions());
}

TEST_P(ForwardTest, ErrorTextAndReset) {
  Connect();
  const Pair bad = OpenPair(1, 0);
  ReadUntil([&] { return spdy_.stream(bad.data).reset.has_value(); });
  EXPECT_EQ(spdy_.stream(bad.error).data, "it does not work");
  const Pair good = OpenPair(80, 1);
  spdy_.Data(good.data, "still works", true);
  Flush();
  ReadUntil([&] { return spdy_.stream(good.error).finished; });
  EXPECT_EQ(spdy_.stream(good.data).data, "still works");
}

TEST_P(ForwardTest, BadStreamsAreReset) {
  Connect();
  const auto none = spdy_.SynStream({{"streamtype", "data"}});
  const auto zero = spdy_.SynStream({{"port", "0"}, {"streamtype", "data"}});
  const auto large = spdy_.SynStream({{"port", "65536"}, {"streamtype", "data"}});
  const auto type = spdy_.SynStream({{"port", "80"}, {"streamtype", "stdin"}});
  Flush();
  ReadUntil([&] { return spdy_.stream(type).reset.has_value(); });
  for (const auto id : {none, zero, large, type}) {
    EXPECT_FALSE(spdy_.stream(id).replied);
    EXPECT_EQ(spdy_.stream(id).reset, 1u);
  }
}

TEST_P(ForwardTest, AncientClientsWithoutRequestId) {
  Connect();
  const auto error = spdy_.SynStream({{"port", "80"}, {"streamtype", "error"}});
  const auto data = spdy_.SynStream({{"port", "80"}, {"streamtype", "data"}});
  spdy_.Data(data, "old", true);
  Flush();
  ReadUntil([&] { return spdy_.stream(error).finished; });
  EXPECT_EQ(spdy_.stream(data).data, "old");
}

TEST_P(ForwardTest, HalfAPairTimesOut) {
  options_.streams_deadline = std::chrono::milliseconds(50);
  Connect();
  const auto error = spdy_.SynStream({{"port", "80"}, {"requestid", "0"}, {"streamtype", "error"}});
  Flush();
  ReadUntil([&] { return spdy_.stream(error).finished; });
  EXPECT_THAT(spdy_.stream(error).data, HasSubstr("timed out waiting for streams"));
}

TEST_P(ForwardTest, TwiceTheSameStream) {
  Connect();
  const test::SpdyHeaders headers = {{"port", "80"}, {"requestid", "0"}, {"streamtype", "error"}};
  const auto first = spdy_.SynStream(headers);
  const auto second = spdy_.SynStream(headers);
  Flush();
  ReadUntil([&] { return spdy_.stream(first).finished && spdy_.stream(second).reset; });
  EXPECT_THAT(spdy_.stream(first).data, HasSubstr("exists already"));
}

TEST_P(ForwardTest, ClientGivesOneUp) {
  Connect();
  const Pair stuck = OpenPair(2, 0);
  ASSERT_TRUE(log_.Await("begun"));
  spdy_.Reset(stuck.data);
  Flush();
  EXPECT_TRUE(log_.Await("closed"));
  const Pair good = OpenPair(80, 1);
  spdy_.Data(good.data, "x", true);
  Flush();
  ReadUntil([&] { return spdy_.stream(good.error).finished; });
}

TEST_P(ForwardTest, ClientVanishes) {
  Connect();
  for (int i = 0; i < 10; ++i) OpenPair(2, i);
  ASSERT_TRUE(log_.Await("begun", 10));
  client_->Close();
  EXPECT_TRUE(log_.Await("ended", 10));
  EXPECT_TRUE(AwaitNoSessions());
}

TEST_P(ForwardTest, AStuckOneStopsTheOthersAndTheirMemory) {
  Connect();
  const Pair stuck = OpenPair(2, 0);
  const Pair good = OpenPair(80, 1);
  spdy_.Data(stuck.data, std::string(200 << 10, 'x'));
  spdy_.Data(good.data, "passes", true);
  Flush();
  ReadUntil([&] { return spdy_.stream(good.error).finished; });
  EXPECT_EQ(spdy_.stream(good.data).data, "passes");
}

TEST_P(ForwardTest, FloodIsWhole) {
  Connect();
  const Pair flood = OpenPair(3, 0);
  ReadUntil([&] { return spdy_.stream(flood.error).finished; });
  EXPECT_EQ(Checksum(spdy_.stream(flood.data).data), Checksum(Pattern(0, 8 << 20)));
}

class LegacyForwardTest : public StreamingServerTest {};

TEST_F(LegacyForwardTest, ChannelPairs) {
  for (const std::string protocol : {"v4.channel.k8s.io", ""}) {
    TestClient client(server().port());
    ASSERT_TRUE(client.Write(WebSocketUpgrade(ForwardUrl({8080, 1}), protocol)));
    ASSERT_THAT(client.ReadHead(), HasSubstr("101 Switching Protocols"));
    WebSocketConversation talk(&client);
    for (const std::string& hello :
         {std::string("\x00\x90\x1f", 3), std::string("\x01\x90\x1f", 3),
          std::string("\x02\x01\x00", 3), std::string("\x03\x01\x00", 3)}) {
      EXPECT_EQ(talk.Next().payload, hello);
    }
    EXPECT_EQ(talk.Next().payload, "\x03it does not work");
    ASSERT_TRUE(client.Write(MaskedFrame(2, std::string("\0data", 5))));
    EXPECT_EQ(talk.Next().payload, std::string("\0data", 5));
    client.Close();
  }
  EXPECT_TRUE(AwaitNoSessions());
}

TEST_F(LegacyForwardTest, Base64AndTheEnd) {
  TestClient client(server().port());
  ASSERT_TRUE(client.Write(WebSocketUpgrade(ForwardUrl({1}), "v4.base64.channel.k8s.io")));
  client.ReadHead();
  WebSocketConversation talk(&client);
  EXPECT_EQ(talk.Next().payload, "0AQA=");
  EXPECT_EQ(talk.Next().payload, "1AQA=");
  EXPECT_EQ(talk.Next().payload, "1aXQgZG9lcyBub3Qgd29yaw==");
  const ServerFrame last = talk.Next();
  EXPECT_EQ(last.opcode, 8);
  EXPECT_EQ(last.payload, "\x03\xe8");
}

TEST_F(LegacyForwardTest, NeedsPorts) {
  TestClient client(server().port());
  ASSERT_TRUE(client.Write(WebSocketUpgrade(ForwardUrl(), "v4.channel.k8s.io")));
  EXPECT_THAT(client.ReadToEnd(), HasSubstr("400 Bad Request"));
}

}  // namespace
}  // namespace crisp::streaming
