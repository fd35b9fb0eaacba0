#include "server/spdy/connection.h"

#include <gtest/gtest.h>

#include "recorder.h"
#include "tests/support/spdy_client.h"

namespace crisp::spdy {
namespace {

using test::SpdyClient;
using Lines = std::vector<std::string>;

class ConnectionTest : public ::testing::Test {
 protected:
  // Client to server and back.
  void Exchange() {
    const Status fed = server_->Feed(client_.TakeOutput());
    EXPECT_TRUE(fed.ok()) << fed.ToString();
    const Status answered = client_.Feed(server_->TakeOutput());
    EXPECT_TRUE(answered.ok()) << answered.ToString();
  }
  // A replied stream.
  StreamId Open(bool fin = false) {
    const StreamId id = client_.SynStream({{"streamtype", "data"}}, fin);
    Exchange();
    EXPECT_TRUE(server_->Reply(id).ok());
    Exchange();
    events_.lines.clear();
    return id;
  }
  void Send(StreamId id, std::string_view payload, bool fin = false) {
    Result<std::string> head = server_->StartData(id, payload.size(), fin);
    ASSERT_TRUE(head.ok()) << head.status().ToString();
    const Status fed = client_.Feed(*head + std::string(payload));
    EXPECT_TRUE(fed.ok()) << fed.ToString();
  }

  Recorder events_;
  std::unique_ptr<Connection> server_ = std::make_unique<Connection>(&events_);
  SpdyClient client_;
};

TEST_F(ConnectionTest, StreamStates) {
  const StreamId id = client_.SynStream({});
  EXPECT_EQ(server_->FindStream(id), std::nullopt);
  Exchange();
  std::optional<StreamState> state = server_->FindStream(id);
  ASSERT_TRUE(state.has_value());
  EXPECT_FALSE(state->replied || state->local_closed || state->remote_closed);
  EXPECT_EQ(server_->StartData(id, 1).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(server_->Finish(id).code(), Code::kFailedPrecondition);
  ASSERT_TRUE(server_->Reply(id).ok());
  EXPECT_EQ(server_->Reply(id).code(), Code::kFailedPrecondition);
  EXPECT_TRUE(server_->FindStream(id)->replied);
  Exchange();
  EXPECT_EQ(client_.log(), Lines{"SYN_REPLY 1"});
  EXPECT_EQ(server_->stream_count(), 1u);
  EXPECT_EQ(server_->last_good_stream(), 1u);
}

TEST_F(ConnectionTest, HalfCloseClientFirst) {
  const StreamId id = Open();
  client_.Data(id, "last", true);
  Exchange();
  EXPECT_EQ(events_.lines, Lines{"data 1 last fin"});
  EXPECT_TRUE(server_->FindStream(id)->remote_closed);
  Send(id, "still");
  Send(id, " here", true);
  EXPECT_EQ(server_->FindStream(id), std::nullopt);
  EXPECT_EQ(client_.stream(id).data, "still here");
  EXPECT_TRUE(client_.stream(id).finished);
  EXPECT_EQ(server_->StartData(id, 1).status().code(), Code::kNotFound);
  EXPECT_TRUE(server_->Finish(id).ok());
  EXPECT_EQ(server_->output_bytes(), 0u);
}

TEST_F(ConnectionTest, HalfCloseServerFirst) {
  const StreamId id = Open();
  ASSERT_TRUE(server_->Finish(id).ok());
  EXPECT_TRUE(server_->FindStream(id)->local_closed);
  EXPECT_EQ(server_->StartData(id, 1).status().code(), Code::kFailedPrecondition);
  EXPECT_TRUE(server_->Finish(id).ok());  // once is enough
  client_.Data(id, "more");
  client_.Finish(id);
  Exchange();
  EXPECT_EQ(client_.log(), (Lines{"SYN_REPLY 1", "DATA 1 0 FIN"}));
  EXPECT_EQ(events_.lines, Lines{"data 1 more fin"});
  EXPECT_EQ(server_->FindStream(id), std::nullopt);
  EXPECT_EQ(server_->stream_count(), 0u);
}

TEST_F(ConnectionTest, FinWithTheStream) {
  const StreamId id = client_.SynStream({{"streamtype", "error"}}, true);
  Exchange();
  EXPECT_EQ(events_.lines, Lines{"stream 1 streamtype=error fin"});
  client_.Data(id, "not allowed");
  ASSERT_TRUE(server_->Reply(id).ok());
  Exchange();
  EXPECT_EQ(events_.lines.size(), 1u);
  Send(id, "text", true);
  EXPECT_EQ(server_->stream_count(), 0u);
}

TEST_F(ConnectionTest, ClientReset) {
  const StreamId id = Open();
  client_.Reset(id, ResetStatus::kCancel);
  client_.Reset(id, ResetStatus::kCancel);
  client_.Data(id, "late");
  Exchange();
  EXPECT_EQ(events_.lines, Lines{"reset 1 5"});
  EXPECT_EQ(server_->StartData(id, 1).status().code(), Code::kNotFound);
  EXPECT_EQ(server_->Reply(id).code(), Code::kNotFound);
  server_->Reset(id, ResetStatus::kCancel);  // no answer to a reset
  EXPECT_EQ(server_->output_bytes(), 0u);
}

TEST_F(ConnectionTest, ServerReset) {
  const StreamId refused = client_.SynStream({{"port", "0"}});
  Exchange();
  server_->Reset(refused, ResetStatus::kProtocolError);
  server_->Reset(refused, ResetStatus::kProtocolError);
  client_.Data(refused, "in flight", true);
  Exchange();
  EXPECT_EQ(client_.log(), Lines{"RST_STREAM 1 1"});
  EXPECT_EQ(events_.lines, Lines{"stream 1 port=0"});
}

TEST_F(ConnectionTest, ResetWithinAFrameDropsItsRest) {
  const StreamId id = Open();
  client_.Data(id, "0123456789", true);
  events_.on_data = [&](StreamId stream) { server_->Reset(stream, ResetStatus::kCancel); };
  const std::string wire = client_.TakeOutput();
  ASSERT_TRUE(server_->Feed(std::string_view(wire).substr(0, 10)).ok());
  ASSERT_TRUE(server_->Feed(std::string_view(wire).substr(10)).ok());
  EXPECT_EQ(events_.lines, Lines{"data 1 01"});
  client_.Ping(1);
  Exchange();
  EXPECT_EQ(client_.pings().size(), 1u);
}

TEST_F(ConnectionTest, PingsOfTheClientAreEchoed) {
  client_.Ping(1);
  client_.Ping(2);
  client_.Ping(0xfffffffd);
  Exchange();
  EXPECT_EQ(client_.log(), (Lines{"PING 1", "PING 4294967293"}));
}

TEST_F(ConnectionTest, WrongIdsAreRefusedAndTheirHeadersCount) {
  client_.SynStreamAs(5, {{"x", "1"}});
  client_.SynStreamAs(3, {{"x-lower", "2"}});
  client_.SynStreamAs(6, {{"x-even", "3"}});
  client_.SynStreamAs(7, {{"x-lower", "uses what came before"}, {"x-even", "3"}});
  Exchange();
  EXPECT_EQ(events_.lines,
            (Lines{"stream 5 x=1", "stream 7 x-lower=uses what came before x-even=3"}));
  EXPECT_EQ(client_.log(), (Lines{"RST_STREAM 3 1", "RST_STREAM 6 1"}));
}

TEST_F(ConnectionTest, AnIdTwiceEndsBoth) {
  const StreamId id = Open();
  client_.SynStreamAs(id, {{"x", "again"}});
  client_.Data(id, "for whom?");
  Exchange();
  EXPECT_EQ(events_.lines, Lines{"reset 1 1"});
  EXPECT_EQ(client_.stream(id).reset, 1u);
}

TEST_F(ConnectionTest, TooManyStreams) {
  server_ = std::make_unique<Connection>(&events_, Options{.max_streams = 2});
  const StreamId first = Open();
  Open();
  const StreamId third = client_.SynStream({{"x-third", "1"}});
  Exchange();
  EXPECT_TRUE(events_.lines.empty());
  EXPECT_EQ(client_.stream(third).reset, 3u);
  server_->Reset(first, ResetStatus::kCancel);
  client_.SynStream({{"x-third", "2"}});
  Exchange();
  EXPECT_EQ(events_.lines, Lines{"stream 7 x-third=2"});
}

TEST_F(ConnectionTest, UnidirectionalStreamsAreRefused) {
  client_.SynStreamAs(1, {}, kFlagUnidirectional);
  Exchange();
  EXPECT_EQ(client_.log(), Lines{"RST_STREAM 1 3"});
  EXPECT_TRUE(events_.lines.empty());
}

TEST_F(ConnectionTest, GoawayNamesTheLastStreamAndEndsTheIntake) {
  Open();
  Open();
  server_->Goaway(GoawayStatus::kOk);
  server_->Goaway(GoawayStatus::kInternalError);
  client_.SynStream({{"x", "too late"}});
  client_.Data(1, "old streams go on");
  Exchange();
  EXPECT_EQ(events_.lines, Lines{"data 1 old streams go on"});
  ASSERT_TRUE(client_.goaway().has_value());
  EXPECT_EQ(client_.goaway()->last_good_stream, 3u);
  EXPECT_EQ(client_.goaway()->status, 0u);
  EXPECT_EQ(client_.log().back(), "GOAWAY 3 0");
  Send(3, "bye", true);
}

TEST_F(ConnectionTest, GoawayOfTheClient) {
  Open();
  client_.GoAway(0, 0);
  Exchange();
  EXPECT_EQ(events_.lines, Lines{"goaway"});
}

TEST_F(ConnectionTest, StartDataKeepsOrderWithControlFrames) {
  const StreamId id = client_.SynStream({});
  client_.Ping(9);
  ASSERT_TRUE(server_->Feed(client_.TakeOutput()).ok());
  ASSERT_TRUE(server_->Reply(id).ok());
  Result<std::string> head = server_->StartData(id, 4);
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(server_->output_bytes(), 0u);
  ASSERT_TRUE(client_.Feed(*head + "data").ok());
  EXPECT_EQ(client_.log(), (Lines{"PING 9", "SYN_REPLY 1", "DATA 1 4"}));
}

TEST_F(ConnectionTest, StartDataRefusesWhatNoFrameHolds) {
  const StreamId id = Open();
  EXPECT_EQ(server_->StartData(id, kMaxPayloadBytes + 1).status().code(), Code::kInvalidArgument);
  Result<std::string> head = server_->StartData(id, kMaxPayloadBytes, true);
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(ToHex(*head), "0000000101ffffff");
}

// The views lie within what was fed: nothing was copied.
TEST_F(ConnectionTest, DataIsNotCopied) {
  const StreamId id = Open();
  client_.Data(id, std::string(100000, 'a'));
  client_.Data(id, std::string(100000, 'b'), true);
  const std::string wire = client_.TakeOutput();
  ASSERT_TRUE(server_->Feed(wire).ok());
  ASSERT_EQ(events_.pieces.size(), 2u);
  EXPECT_EQ(events_.pieces[0].data(), wire.data() + kFrameHeaderBytes);
  EXPECT_EQ(events_.pieces[0].size(), 100000u);
  EXPECT_EQ(events_.pieces[1].data(), wire.data() + 2 * kFrameHeaderBytes + 100000);
}

TEST_F(ConnectionTest, AFrameOfTheLargestSizeArrivesInPieces) {
  const StreamId id = Open();
  class Counter : public Recorder {
   public:
    void OnData(StreamId, std::string_view data, bool fin) override {
      bytes += data.size();
      fins += fin ? 1 : 0;
    }
    uint64_t bytes = 0;
    int fins = 0;
  } counter;
  Connection server(&counter);
  SpdyClient client;
  ASSERT_EQ(client.SynStream({}), id);
  ASSERT_TRUE(server.Feed(client.TakeOutput()).ok());
  ASSERT_TRUE(server.Feed(FromHex("0000000101ffffff")).ok());
  const std::string piece(65536, 'x');
  for (uint64_t left = kMaxPayloadBytes; left > 0;) {
    const std::string_view part = std::string_view(piece).substr(0, left);
    ASSERT_TRUE(server.Feed(part).ok());
    left -= part.size();
    ASSERT_EQ(counter.bytes, kMaxPayloadBytes - left);  // at once
    ASSERT_EQ(counter.fins, left == 0 ? 1 : 0);
  }
}

}  // namespace
}  // namespace crisp::spdy
