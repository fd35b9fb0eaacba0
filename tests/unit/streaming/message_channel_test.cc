#include "server/streaming/message_channel.h"

#include <gtest/gtest.h>

namespace crisp::streaming {
namespace {

class Recorder final : public MessageReader::Events {
 public:
  void OnChannelData(uint8_t channel, std::string_view data) override {
    log += Cat(int{channel}, ':', data, ' ');
  }
  void OnChannelEnd(uint8_t channel) override { log += Cat("end:", int{channel}, ' '); }
  std::string log;
};

Status Message(MessageReader* reader, std::string bytes) {
  return reader->Part({bytes.data(), bytes.size()}, true, true);
}

TEST(MessageReader, Binary) {
  Recorder recorder;
  MessageReader reader(&recorder, /*base64=*/false, /*close_signal=*/false);
  EXPECT_TRUE(Message(&reader, std::string("\0data", 5)).ok());
  EXPECT_TRUE(Message(&reader, std::string("\0", 1)).ok());  // a keep-alive
  EXPECT_TRUE(Message(&reader, "").ok());
  EXPECT_TRUE(Message(&reader, "\x04{}").ok());
  EXPECT_TRUE(Message(&reader, std::string("\xff\0", 2)).ok());
  EXPECT_EQ(recorder.log, std::string("0:data 4:{} 255:\0 ", 18));
}

TEST(MessageReader, PartsAndTheCloseSignal) {
  Recorder recorder;
  MessageReader reader(&recorder, /*base64=*/false, /*close_signal=*/true);
  std::string empty;
  std::string channel("\0", 1);
  std::string data = "data";
  EXPECT_TRUE(reader.Part({empty.data(), 0}, true, false).ok());
  EXPECT_TRUE(reader.Part({channel.data(), 1}, false, false).ok());
  EXPECT_TRUE(reader.Part({data.data(), 2}, false, false).ok());
  EXPECT_TRUE(reader.Part({data.data() + 2, 2}, false, true).ok());
  std::string signal("\xff\0", 2);
  EXPECT_TRUE(reader.Part({signal.data(), 1}, true, false).ok());
  EXPECT_TRUE(reader.Part({signal.data() + 1, 1}, false, true).ok());
  EXPECT_TRUE(Message(&reader, "\xff").ok());
  EXPECT_TRUE(Message(&reader, "\xff\x01\x02").ok());
  EXPECT_EQ(recorder.log, "0:da 0:ta end:0 ");
}

TEST(MessageReader, Base64) {
  Recorder recorder;
  MessageReader reader(&recorder, /*base64=*/true, /*close_signal=*/false);
  EXPECT_TRUE(Message(&reader, "0Zm9vYg==").ok());
  std::string parts = "0Zm9v";
  EXPECT_TRUE(reader.Part({parts.data(), 3}, true, false).ok());
  EXPECT_TRUE(reader.Part({parts.data() + 3, 2}, false, true).ok());
  EXPECT_TRUE(Message(&reader, "4e30=").ok());
  EXPECT_EQ(recorder.log, "0:foob 0:foo 4:{} ");
  EXPECT_FALSE(Message(&reader, "0Zm9vY").ok());
  EXPECT_FALSE(Message(&reader, "0!!!!").ok());
}

TEST(MakeChannelMessage, BothForms) {
  const ChannelMessage binary = MakeChannelMessage(false, 2, "abc");
  EXPECT_EQ(binary.opcode, WebSocketOpcode::kBinary);
  EXPECT_EQ(binary.piece.head, "\x02");
  EXPECT_EQ(binary.piece.body, "abc");
  const ChannelMessage text = MakeChannelMessage(true, 2, "foob");
  EXPECT_EQ(text.opcode, WebSocketOpcode::kText);
  EXPECT_EQ(text.piece.head, "2Zm9vYg==");
}

}  // namespace
}  // namespace crisp::streaming
