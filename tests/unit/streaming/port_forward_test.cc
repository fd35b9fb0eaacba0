// Port-forward over SPDY, SPDY in WebSocket, and WebSocket channels.
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "fake_sessions.h"
#include "server/streaming/delivery.h"
#include "server/streaming/spdy_forward.h"
#include "server/streaming/websocket_forward.h"
#include "tests/support/patience.h"
#include "tests/support/spdy_client.h"

namespace crisp::streaming {
namespace {

using test::SpdyClient;
using ::testing::HasSubstr;

// What `value` is when it moves no more.
uint64_t Settled(const std::function<uint64_t()>& value, uint64_t at_least) {
  uint64_t last = 0;
  EXPECT_TRUE(test::Eventually([&] {
    const uint64_t before = std::exchange(last, value());
    return last >= at_least && last == before;
  }));
  return last;
}

// Also when its other end does not read: it gives up soon, and its end does not wait for that.
void WriteForAMoment(const TestClient& client) {
  const timeval patience{0, 300000};
  ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const linger reset{1, 0};
  ::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

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
  // False when the server has gone.
  bool Send() {
    const std::string bytes = spdy_.TakeOutput();
    if (!tunnelled()) return client_->Write(bytes);
    if (bytes.size() > 64 << 10) return client_->Write(MaskedFrame(2, bytes));
    std::string frames;
    for (size_t at = 0; at < bytes.size(); at += 7) {  // boundaries mean nothing
      frames += MaskedFrame(2, std::string_view(bytes).substr(at, 7));
    }
    return client_->Write(frames);
  }
  void Flush() { ASSERT_TRUE(Send()); }
  struct Pair {
    spdy::StreamId error;
    spdy::StreamId data;
  };
  Pair OpenPair(int port, int request) {
    const Pair pair = MakePair(port, request);
    Flush();
    return pair;
  }
  Pair MakePair(int port, int request) {
    const test::SpdyHeaders tail = {{"port", std::to_string(port)},
                                    {"requestid", std::to_string(request)}};
    test::SpdyHeaders headers = tail;
    headers.emplace_back("streamtype", "error");
    const spdy::StreamId error = spdy_.SynStream(headers);
    spdy_.Finish(error);
    headers.back().second = "data";
    return {error, spdy_.SynStream(headers)};
  }
  spdy::StreamId MakeStream(const char* type, int request) {
    return spdy_.SynStream(
        {{"port", "80"}, {"requestid", std::to_string(request)}, {"streamtype", type}});
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

// kubectl opens the error streams of all its connections, and the data streams as these are
// answered.
TEST_P(ForwardTest, ManyConnectionsAtOnce) {
  Connect();
  std::vector<Pair> pairs;
  for (int i = 0; i < 300; ++i) {
    pairs.push_back({MakeStream("error", i), 0});
    spdy_.Finish(pairs.back().error);
  }
  Flush();
  ReadUntil([&] { return spdy_.stream(pairs.back().error).replied; });
  for (int i = 0; i < 300; ++i) {
    pairs[static_cast<size_t>(i)].data = MakeStream("data", i);
    spdy_.Data(pairs[static_cast<size_t>(i)].data, Cat("to ", i), /*fin=*/true);
  }
  Flush();
  ReadUntil([&] {
    return std::all_of(pairs.begin(), pairs.end(),
                       [&](const Pair& p) { return spdy_.stream(p.error).finished; });
  });
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(spdy_.stream(pairs[static_cast<size_t>(i)].data).data, Cat("to ", i));
  }
}

TEST_P(ForwardTest, DataStreamsAloneAreFewAndHoldLittle) {
  Connect();
  std::vector<spdy::StreamId> alone;
  for (int i = 0; i <= static_cast<int>(SpdyForward::kMaxUnpaired); ++i) {
    alone.push_back(MakeStream("data", i));
  }
  const std::string much(8000, 'x');
  spdy_.Data(alone[0], much);
  spdy_.Data(alone[0], much);
  spdy_.Data(alone[1], much, true);
  Flush();
  ReadUntil([&] { return spdy_.stream(alone[0]).reset.has_value(); });
  EXPECT_EQ(spdy_.stream(alone.back()).reset, 3u) << "REFUSED_STREAM";
  EXPECT_EQ(spdy_.stream(alone[0]).reset, 5u) << "CANCEL";
  const auto error = MakeStream("error", 1);
  const auto next = MakeStream("data", 1000);  // two places are free
  const auto other = MakeStream("data", 1001);
  const auto one_more = MakeStream("data", 1002);
  Flush();
  ReadUntil([&] { return spdy_.stream(error).finished && spdy_.stream(one_more).reset; });
  EXPECT_EQ(spdy_.stream(alone[1]).data, much);
  EXPECT_FALSE(spdy_.stream(next).reset || spdy_.stream(other).reset);
}

TEST_P(ForwardTest, LargeHeaders) {
  Connect();
  const auto id = spdy_.SynStream(
      {{"port", "80"}, {"requestid", std::string(65, '7')}, {"streamtype", "data"}});
  Flush();
  ReadUntil([&] { return spdy_.stream(id).reset.has_value(); });
  EXPECT_EQ(spdy_.stream(id).reset, 1u);
  spdy_.SynStream({{"port", "80"}, {"x", std::string(5000, 'x')}, {"streamtype", "data"}});
  Flush();
  ReadUntil([&] { return spdy_.goaway().has_value(); });
}

// Each of them holds less than one session may, all together would hold a hundred megabytes.
TEST_P(ForwardTest, StuckConnectionsShareOneBound) {
  Connect();
  std::vector<Pair> stuck;
  for (int i = 0; i < 400; ++i) stuck.push_back(MakePair(2, i));
  Flush();
  ASSERT_TRUE(log_.Await("begun", stuck.size()));
  const uint64_t before = BytesIn();
  WriteForAMoment(*client_);
  size_t written = 0;
  for (const Pair& pair : stuck) {
    spdy_.Data(pair.data, std::string(Delivery::kHeld_bytes - 4096, 'x'));
    if (!Send()) break;
    ++written;
  }
  EXPECT_LT(written, stuck.size()) << "the link is read on";
  EXPECT_LE(BytesIn() - before, SpdyForward::kHeld_bytes + (256 << 10));
  client_->Close();
  EXPECT_TRUE(AwaitNoSessions());
}

// The link is not read while much is held, and read on when sessions have taken it; data streams
// that wait for their error streams do not keep it from that.
TEST_P(ForwardTest, WhatIsHeldBackIsNotLost) {
  Connect();
  constexpr size_t kSize = 1 << 20;
  for (int i = 1; i <= static_cast<int>(SpdyForward::kMaxUnpaired); ++i) {
    spdy_.Data(MakeStream("data", 1000 + i), std::string(8000, 'x'));
  }
  std::vector<Pair> pairs;
  for (int i = 0; i < 64; ++i) pairs.push_back(MakePair(80, i));
  Flush();
  ASSERT_TRUE(log_.Await("begun", pairs.size()));
  std::thread writer([&] {
    for (const Pair& pair : pairs) {
      test::SpdyClient spdy;  // frames of data need no state
      spdy.Data(pair.data, std::string(kSize, 'x'), /*fin=*/true);
      const std::string bytes = spdy.TakeOutput();
      ASSERT_TRUE(client_->Write(tunnelled() ? MaskedFrame(2, bytes) : bytes));
    }
  });
  EXPECT_LT(Settled([&] { return BytesIn(); }, SpdyForward::kHeld_bytes), pairs.size() * kSize)
      << "nothing was held back";
  ReadUntil([&] {
    return std::all_of(pairs.begin(), pairs.end(),
                       [&](const Pair& p) { return spdy_.stream(p.error).finished; });
  });
  writer.join();
  for (const Pair& pair : pairs) EXPECT_EQ(spdy_.stream(pair.data).received, kSize);
}

// A client that does not read: what its connections want to send waits in small pieces.
TEST_P(ForwardTest, AClientThatDoesNotReadCostsLittle) {
  Connect();
  for (int i = 0; i < 200; ++i) MakePair(3, i);
  Flush();
  ASSERT_TRUE(log_.Await("begun", 200));
  // What waits; in this order, so that it is never more than that.
  const uint64_t waiting = Settled(
      [&] {
        const uint64_t given = log_.Get("given_bytes");
        const uint64_t sent = log_.Get("sent_bytes");
        return given - std::min<uint64_t>(given, sent);
      },
      1);
  EXPECT_LT(waiting, 3u << 20);
  client_->Close();
  EXPECT_TRUE(AwaitNoSessions());
}

// What a pair that is gone had sent must be finished on this connection; a client that reads none
// of it and makes new ones is no client.
TEST_P(ForwardTest, AClientThatOnlyAsksIsCutOff) {
  Connect();
  int begun = 0;
  for (int round = 0; round < 400 && ActiveSessions() > 0; ++round) {
    std::vector<Pair> pairs;
    for (int i = 0; i < 50; ++i) pairs.push_back(MakePair(3, begun++));
    if (!Send()) break;
    ASSERT_TRUE(test::Eventually(
        [&] { return log_.Get("begun") == static_cast<size_t>(begun) || ActiveSessions() == 0; }));
    for (const Pair& pair : pairs) {
      spdy_.Reset(pair.data);
      spdy_.Reset(pair.error);
    }
    if (!Send()) break;
  }
  EXPECT_TRUE(AwaitNoSessions()) << "its pieces are gathered for ever";
  EXPECT_EQ(log_.Get("begun"), log_.Get("ended"));
}

class LegacyForwardTest : public StreamingServerTest {};

TEST_F(LegacyForwardTest, StuckPortsShareOneBound) {
  TestClient client(server().port());
  ASSERT_TRUE(
      client.Write(WebSocketUpgrade(ForwardUrl(std::vector<int>(32, 2)), "v4.channel.k8s.io")));
  ASSERT_THAT(client.ReadHead(), HasSubstr("101 Switching Protocols"));
  ASSERT_TRUE(log_.Await("begun", 32));
  const uint64_t before = BytesIn();
  WriteForAMoment(client);
  for (char port = 0; port < 32; ++port) {
    std::string data(Delivery::kHeld_bytes - 4096, 'x');
    data[0] = static_cast<char>(2 * port);
    if (!client.Write(MaskedFrame(2, data))) break;
  }
  const uint64_t read = Settled([&] { return BytesIn(); }, WebSocketForward::kHeld_bytes);
  EXPECT_LE(read - before, WebSocketForward::kHeld_bytes + (256 << 10));
  client.Close();
  EXPECT_TRUE(AwaitNoSessions());
}

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
