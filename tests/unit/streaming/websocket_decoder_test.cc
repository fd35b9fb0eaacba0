#include "server/streaming/websocket_decoder.h"

#include <gtest/gtest.h>

#include "test_client.h"

namespace crisp::streaming {
namespace {

class Recorder final : public WebSocketDecoder::Events {
 public:
  void OnPart(std::span<char> data, bool first, bool last) override {
    if (first) log += "[";
    log.append(data.data(), data.size());
    if (last) log += "]";
  }
  void OnPing(std::string_view payload) override { log += Cat("ping(", payload, ")"); }
  void OnClose(uint16_t code) override { log += Cat("close(", code, ")"); }
  std::string log;
};

// Fed in two parts, cut at `cut`.
std::string Decode(std::string bytes, size_t cut, Status* status) {
  Recorder recorder;
  WebSocketDecoder decoder(&recorder);
  *status = decoder.Feed({bytes.data(), std::min(cut, bytes.size())});
  if (status->ok() && cut < bytes.size()) {
    *status = decoder.Feed({bytes.data() + cut, bytes.size() - cut});
  }
  return recorder.log;
}

TEST(WebSocketDecoder, MessagesCutAnywhere) {
  const std::string bytes =
      MaskedFrame(2, "hello, world") + MaskedFrame(9, "are you there") + MaskedFrame(2, "") +
      MaskedFrame(1, "frag", false) + MaskedFrame(9, "") + MaskedFrame(0, "", false) +
      MaskedFrame(0, "ments") + MaskedFrame(10, "pong") + MaskedFrame(8, "\x03\xe8right");
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    Status status;
    ASSERT_EQ(Decode(bytes, cut, &status),
              "[hello, world]ping(are you there)[][fragping()ments]close(1000)")
        << cut;
    ASSERT_TRUE(status.ok());
  }
}

TEST(WebSocketDecoder, LongFrames) {
  for (const size_t size : {125, 126, 127, 65535, 65536, 300000}) {
    std::string payload;
    for (size_t i = 0; i < size; ++i) payload.push_back(static_cast<char>(i * 7));
    for (const size_t cut : {size_t{3}, size_t{8}, size_t{13}, size_t{15}, size / 2, size}) {
      Status status;
      ASSERT_EQ(Decode(MaskedFrame(2, payload), cut, &status), Cat('[', payload, ']'));
    }
  }
}

TEST(WebSocketDecoder, NothingAfterClose) {
  Status status;
  EXPECT_EQ(Decode(MaskedFrame(8, "") + MaskedFrame(2, "late"), 3, &status), "close(1005)");
}

TEST(WebSocketDecoder, Violations) {
  std::string unmasked = WebSocketHeader(WebSocketOpcode::kBinary, 1) + "x";
  std::string reserved = MaskedFrame(2, "x");
  reserved[0] = static_cast<char>(reserved[0] | 0x40);
  std::string huge = MaskedFrame(2, std::string(70000, 'x'));
  huge[2] = '\x80';
  for (const std::string& bad :
       {unmasked, reserved, huge, MaskedFrame(3, "x"), MaskedFrame(11, "x"),
        MaskedFrame(9, "x", false), MaskedFrame(9, std::string(126, 'x')), MaskedFrame(0, "x"),
        MaskedFrame(2, "a", false) + MaskedFrame(2, "b"), MaskedFrame(8, "x")}) {
    for (size_t cut = 0; cut < std::min<size_t>(bad.size(), 20); ++cut) {
      Status status;
      Decode(bad, cut, &status);
      EXPECT_EQ(status.code(), Code::kInvalidArgument) << cut;
    }
  }
}

TEST(WebSocketDecoder, HeadersOfTheServer) {
  EXPECT_EQ(WebSocketHeader(WebSocketOpcode::kBinary, 125), "\x82\x7d");
  EXPECT_EQ(WebSocketHeader(WebSocketOpcode::kText, 126), std::string("\x81\x7e\0\x7e", 4));
  EXPECT_EQ(WebSocketHeader(WebSocketOpcode::kBinary, 65536),
            std::string("\x82\x7f\0\0\0\0\0\1\0\0", 10));
}

}  // namespace
}  // namespace crisp::streaming
