// What ends a connection: malformed frames and limits.
#include <gtest/gtest.h>

#include "recorder.h"
#include "server/spdy/connection.h"
#include "tests/support/spdy_client.h"

namespace crisp::spdy {
namespace {

using test::SpdyClient;
using test::SpdyHeaders;

constexpr std::string_view kEmptyBlock = "78f9e3c6a7c202a6230600000000ffff";

struct BadBytes {
  std::string_view what;
  std::string hex;
};

void PrintTo(const BadBytes& bad, std::ostream* out) { *out << bad.what; }

class MalformedTest : public ::testing::TestWithParam<BadBytes> {};

TEST_P(MalformedTest, EndsTheConnection) {
  const std::string bytes = FromHex(GetParam().hex);
  for (const bool byte_by_byte : {false, true}) {
    Recorder events;
    Connection server(&events);
    Status status;
    if (!byte_by_byte) {
      status = server.Feed(bytes);
    } else {
      for (size_t i = 0; i < bytes.size() && status.ok(); ++i) {
        status = server.Feed(std::string_view(bytes).substr(i, 1));
      }
    }
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.ToString();
    EXPECT_EQ(status.message().rfind("spdy: ", 0), 0u) << status.message();
    EXPECT_TRUE(events.lines.empty());
    // It stays so, and nothing is reported any more.
    SpdyClient client;
    client.GoAway();
    EXPECT_EQ(server.Feed(client.TakeOutput()).message(), status.message());
    EXPECT_TRUE(events.lines.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, MalformedTest,
    ::testing::Values(
        BadBytes{"DataForStream0", "0000000000000001 61"},
        BadBytes{"DataWithFlags", "0000000102000001 61"},
        BadBytes{"Version2", "8002000600000004 00000001"},
        BadBytes{"Type0", "8003000000000004 00000001"}, BadBytes{"Noop", "8003000500000000"},
        BadBytes{"Credential", "8003000a00000004 00000001"},
        BadBytes{"SynStreamTooShort", "8003000100000009 00000001 00000000 00"},
        BadBytes{"SynStreamWithFlags", Cat("800300010400001a 00000001 00000000 0000", kEmptyBlock)},
        BadBytes{"SynStreamWithoutBlock", "800300010000000a 00000001 00000000 0000"},
        BadBytes{"SynStream0", Cat("800300010000001a 00000000 00000000 0000", kEmptyBlock)},
        BadBytes{"SynStreamNoZlib", "800300010000000e 00000001 00000000 0000 61626364"},
        BadBytes{"SynStreamCutBlock", "8003000100000010 00000001 00000000 0000 78f9e3c6a7c2"},
        BadBytes{"SynReplyTooShort", "8003000200000003 000000"},
        BadBytes{"RstStreamShort", "8003000300000004 00000001"},
        BadBytes{"RstStreamLong", "800300030000000c 00000001 00000005 00000000"},
        BadBytes{"RstStreamWithFlags", "8003000301000008 00000001 00000005"},
        BadBytes{"RstStreamStatus0", "8003000300000008 00000001 00000000"},
        BadBytes{"RstStream0", "8003000300000008 00000000 00000005"},
        BadBytes{"SettingsTooShort", "8003000400000002 0000"},
        BadBytes{"SettingsFewerThanSaid", "800300040000000c 00000002 01000004 00000064"},
        BadBytes{"SettingsMoreThanSaid", "800300040000000c 00000000 01000004 00000064"},
        BadBytes{"SettingsCountOverflow", "8003000400000004 20000000"},
        BadBytes{"PingShort", "8003000600000003 000001"},
        BadBytes{"PingLong", "8003000600000008 00000001 00000001"},
        BadBytes{"PingWithFlags", "8003000601000004 00000001"},
        BadBytes{"GoawayShort", "8003000700000004 00000001"},
        BadBytes{"GoawayWithFlags", "8003000701000008 00000000 00000000"},
        BadBytes{"HeadersTooShort", "8003000800000003 000001"},
        BadBytes{"HeadersNoZlib", "8003000800000008 00000001 61626364"},
        BadBytes{"Headers0", Cat("8003000800000014 00000000", kEmptyBlock)},
        BadBytes{"WindowUpdateShort", "8003000900000004 00000001"},
        BadBytes{"Http", "474554202f20485454502f312e310d0a"}),
    [](const ::testing::TestParamInfo<BadBytes>& bad) { return std::string(bad.param.what); });

Status FeedTo(const Options& options, std::string_view bytes) {
  Recorder events;
  Connection server(&events, options);
  return server.Feed(bytes);
}

TEST(LimitTest, HeaderBlocksThatGrow) {
  SpdyClient client;
  client.SynStream({{"x", std::string(20 << 20, 'x')}});
  EXPECT_EQ(FeedTo({}, client.TakeOutput()).code(), Code::kResourceExhausted);
  SpdyClient headers;
  headers.HeadersFrame(1, {{"x", std::string(20 << 20, 'x')}});
  EXPECT_EQ(FeedTo({}, headers.TakeOutput()).code(), Code::kResourceExhausted);
}

TEST(LimitTest, ManyHeaders) {
  const auto with = [](int count) {
    SpdyHeaders headers;
    for (int i = 0; i < count; ++i) headers.emplace_back(Cat("h", i), "v");
    SpdyClient client;
    client.SynStream(headers);
    return FeedTo({.max_headers = 20}, client.TakeOutput());
  };
  EXPECT_TRUE(with(20).ok());
  EXPECT_EQ(with(21).code(), Code::kResourceExhausted);
}

TEST(LimitTest, FramesThatAreTooLongAreRefusedByTheirHeader) {
  EXPECT_EQ(FeedTo({.max_control_bytes = 1000}, FromHex("80030001000003e9")).code(),
            Code::kResourceExhausted);
  EXPECT_EQ(FeedTo({.max_control_bytes = 1000}, FromHex("8003000400ffffff")).code(),
            Code::kResourceExhausted);
  EXPECT_TRUE(FeedTo({.max_control_bytes = 1000}, FromHex("80030001000003e8")).ok());
  EXPECT_EQ(FeedTo({.max_data_bytes = 1000}, FromHex("00000001000003e9")).code(),
            Code::kResourceExhausted);
  EXPECT_TRUE(FeedTo({}, FromHex("0000000100ffffff")).ok());
}

TEST(LimitTest, AnswersThatNobodyReads) {
  Recorder events;
  Connection server(&events, {.max_output_bytes = 120});
  SpdyClient client;
  for (int i = 0; i < 10; ++i) client.Ping(1);  // 12 bytes each
  ASSERT_TRUE(server.Feed(client.TakeOutput()).ok());
  EXPECT_EQ(server.output_bytes(), 120u);
  client.Ping(1);
  EXPECT_EQ(server.Feed(client.TakeOutput()).code(), Code::kResourceExhausted);
}

TEST(LimitTest, AFailedConnectionCanStillSayGoodbye) {
  Recorder events;
  Connection server(&events);
  EXPECT_FALSE(server.Feed(FromHex("ffffffffffffffff")).ok());
  server.Goaway(GoawayStatus::kProtocolError);
  EXPECT_EQ(ToHex(server.TakeOutput()), "80030007000000080000000000000001");
}

}  // namespace
}  // namespace crisp::spdy
