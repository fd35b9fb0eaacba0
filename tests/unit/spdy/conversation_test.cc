// Whole conversations: the documented one byte for byte, and others cut in every way.
#include <gtest/gtest.h>

#include "recorder.h"
#include "server/spdy/connection.h"
#include "tests/support/spdy_client.h"

namespace crisp::spdy {
namespace {

using test::SpdyClient;
using Lines = std::vector<std::string>;

// exec `echo hi` without stdin, over SPDY, as the Kubernetes clients do it.
TEST(ConversationTest, ExecWalkThroughByteForByte) {
  Recorder events;
  Connection server(&events);
  const auto feed = [&](std::string_view hex) {
    const Status status = server.Feed(FromHex(hex));
    EXPECT_TRUE(status.ok()) << status.ToString();
  };

  feed(
      "8003000100000028 00000001 00000000 0000"
      "78f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff");
  ASSERT_EQ(events.lines, Lines{"stream 1 streamtype=error"});
  ASSERT_TRUE(server.Reply(1).ok());
  EXPECT_EQ(ToHex(server.TakeOutput()), "80030002000000140000000178f9e3c6a7c202a6230600000000ffff");

  SpdyClient client;
  client.SynStream({{"streamtype", "error"}});
  client.TakeOutput();
  client.SynStream({{"streamtype", "stdout"}});
  client.SynStream({{"streamtype", "stderr"}});
  ASSERT_TRUE(server.Feed(client.TakeOutput()).ok());
  ASSERT_EQ(events.lines, (Lines{"stream 1 streamtype=error", "stream 3 streamtype=stdout",
                                 "stream 5 streamtype=stderr"}));
  ASSERT_TRUE(server.Reply(3).ok());
  ASSERT_TRUE(server.Reply(5).ok());
  EXPECT_EQ(ToHex(server.TakeOutput()),
            "800300020000000c00000003020100000000ffff"
            "800300020000000c00000005020100000000ffff");

  Result<std::string> head = server.StartData(3, 3);
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(ToHex(*head), "0000000300000003");
  ASSERT_TRUE(server.Finish(3).ok());
  ASSERT_TRUE(server.Finish(5).ok());
  head = server.StartData(1, 33);
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(ToHex(*head),
            "00000003010000000000000501000000"
            "0000000100000021");
  ASSERT_TRUE(server.Finish(1).ok());
  server.Goaway(GoawayStatus::kOk);
  EXPECT_EQ(ToHex(server.TakeOutput()),
            "0000000101000000"
            "80030007000000080000000500000000");
}

// A conversation of everything that a client may send.
std::string LongConversation(Lines* expected) {
  SpdyClient client;
  client.Settings({{4, 100}, {7, 65536}});
  const StreamId error = client.SynStream({{"streamtype", "error"}}, true);
  const StreamId in = client.SynStream({{"streamType", "stdin"}});
  const StreamId data = client.SynStream({{"port", "80"}, {"requestid", "0"}});
  client.Ping(1);
  client.Data(in, "hello ");
  client.Data(in, "");
  client.Data(in, "world");
  client.WindowUpdate(in, 11);
  client.HeadersFrame(in, {{"x-late", "ignored"}});
  client.SynStreamAs(2, {{"even", "id"}});
  client.SynStreamAs(in, {{"x-again", "the same id"}});
  client.Data(in, "for a stream that is gone", true);
  client.Data(data, std::string(700, 'd'), true);
  client.Data(data, "after fin");
  client.Data(99, "nobody's");
  const StreamId late = client.SynStream({{"x-late", "ignored"}, {"streamtype", "data"}});
  client.HeadersFrame(late, {}, true);
  client.Reset(error, ResetStatus::kCancel);
  client.Reset(77);
  client.Ping(2);
  client.Ping(3);
  client.GoAway();
  *expected = {"stream 1 streamtype=error fin",
               "stream 3 streamtype=stdin",
               "stream 5 port=80 requestid=0",
               "data 3 hello world",
               "reset 3 1",
               "data 5 " + std::string(700, 'd') + " fin",
               "stream 7 x-late=ignored streamtype=data",
               "data 7  fin",
               "reset 1 5",
               "goaway"};
  return client.TakeOutput();
}

struct Outcome {
  Lines events;
  std::string output;
};

// `next` gives the size of each piece.
Outcome Converse(std::string_view bytes, const std::function<size_t(size_t at)>& next) {
  Recorder events;
  Connection server(&events);
  events.on_stream = [&](StreamId id) { EXPECT_TRUE(server.Reply(id).ok()); };
  for (size_t at = 0; at < bytes.size();) {
    const std::string piece(bytes.substr(at, next(at)));  // its own memory: asan sees overreads
    const Status status = server.Feed(piece);
    EXPECT_TRUE(status.ok()) << status.ToString();
    at += piece.size();
  }
  return {events.lines, server.TakeOutput()};
}

TEST(ConversationTest, EveryCutGivesTheSame) {
  Lines expected;
  const std::string bytes = LongConversation(&expected);
  const Outcome whole = Converse(bytes, [&](size_t) { return bytes.size(); });
  EXPECT_EQ(whole.events, expected);
  for (size_t size : {1, 2, 3, 5, 7, 8, 9, 16, 64, 255}) {
    const Outcome cut = Converse(bytes, [&](size_t) { return size; });
    EXPECT_EQ(cut.events, expected) << size;
    EXPECT_EQ(cut.output, whole.output) << size;
  }
  for (size_t first = 1; first < bytes.size(); ++first) {  // two pieces
    const Outcome cut = Converse(bytes, [&](size_t at) { return at == 0 ? first : bytes.size(); });
    ASSERT_EQ(cut.events, expected) << first;
    ASSERT_EQ(cut.output, whole.output) << first;
  }
}

TEST(ConversationTest, TheClientUnderstandsTheServer) {
  Lines expected;
  Recorder events;
  Connection server(&events);
  SpdyClient client;
  events.on_stream = [&](StreamId id) { EXPECT_TRUE(server.Reply(id).ok()); };
  for (int i = 0; i < 50; ++i) client.SynStream({{"requestid", std::to_string(i)}});
  client.Ping(7);
  ASSERT_TRUE(server.Feed(client.TakeOutput()).ok());
  std::string wire = server.TakeOutput();
  for (StreamId id = 1; id < 100; id += 2) {
    const std::string payload(id * 10, 'p');
    Result<std::string> head = server.StartData(id, payload.size(), id % 4 == 1);
    ASSERT_TRUE(head.ok());
    wire += *head + payload;
  }
  server.Reset(3, ResetStatus::kInternalError);
  server.Goaway(GoawayStatus::kProtocolError);
  wire += server.TakeOutput();
  for (char byte : wire) {
    const Status status = client.Feed(std::string_view(&byte, 1));
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  for (StreamId id = 1; id < 100; id += 2) {
    EXPECT_TRUE(client.stream(id).replied);
    EXPECT_TRUE(client.stream(id).reply_headers.empty());
    EXPECT_EQ(client.stream(id).received, id * 10);
    EXPECT_EQ(client.stream(id).finished, id % 4 == 1);
  }
  EXPECT_EQ(client.stream(3).reset, 6u);
  EXPECT_EQ(client.pings(), std::vector<uint32_t>{7});
  ASSERT_TRUE(client.goaway().has_value());
  EXPECT_EQ(client.goaway()->last_good_stream, 99u);
  EXPECT_EQ(client.goaway()->status, 1u);
}

}  // namespace
}  // namespace crisp::spdy
