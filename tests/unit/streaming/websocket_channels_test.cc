// Exec over WebSocket, on real sockets: every subprotocol.
#include <gmock/gmock.h>

#include "base/base64.h"
#include "fake_sessions.h"

namespace crisp::streaming {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WebSocketChannelsTest : public StreamingServerTest {
 protected:
  void Connect(const std::string& url, const std::string& protocol) {
    client_ = std::make_unique<TestClient>(server().port());
    ASSERT_TRUE(client_->Write(WebSocketUpgrade(url, protocol)));
    const std::string head = client_->ReadHead();
    ASSERT_THAT(head, HasSubstr("101 Switching Protocols"));
    if (!protocol.empty()) {
      ASSERT_THAT(head, HasSubstr("Sec-WebSocket-Protocol: " + protocol + "\r\n"));
    }
    talk_ = std::make_unique<WebSocketConversation>(client_.get());
  }
  void Send(std::string_view message) { ASSERT_TRUE(client_->Write(MaskedFrame(2, message))); }

  std::unique_ptr<TestClient> client_;
  std::unique_ptr<WebSocketConversation> talk_;
};

std::string Message(char channel, std::string_view data) { return Cat(channel, data); }

TEST_F(WebSocketChannelsTest, FirstAnEmptyMessage) {
  Connect(ExecUrl({"echo"}), "v4.channel.k8s.io");
  const ServerFrame first = talk_->Next();
  EXPECT_EQ(first.opcode, 2);
  EXPECT_EQ(first.payload, "\x01");
}

TEST_F(WebSocketChannelsTest, HelloInBinaryProtocols) {
  for (const char* protocol : {"v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io", ""}) {
    Connect(ExecUrl({"hello"}), protocol);
    talk_->ReadToClose();
    EXPECT_EQ(talk_->close_code(), 1000) << protocol;
    EXPECT_EQ(talk_->channels[1], "hello");
    EXPECT_EQ(talk_->channels[2], "oops");
    EXPECT_EQ(talk_->channels[3], std::string_view(protocol).starts_with('v') ? kSuccess : "");
    client_->Write(MaskedFrame(8, "\x03\xe8"));
    EXPECT_EQ(client_->Read(), "");
    EXPECT_TRUE(client_->at_end());
    EXPECT_FALSE(client_->was_reset());
  }
  EXPECT_TRUE(AwaitNoSessions());
}

TEST_F(WebSocketChannelsTest, HelloInBase64Protocols) {
  for (const char* protocol : {"v4.base64.channel.k8s.io", "base64.channel.k8s.io"}) {
    Connect(ExecUrl({"hello"}), protocol);
    std::vector<std::string> messages;
    for (ServerFrame frame = talk_->Next(); frame.opcode == 1; frame = talk_->Next()) {
      messages.push_back(frame.payload);
    }
    ASSERT_GE(messages.size(), 3u);
    EXPECT_EQ(messages[0], "1");
    EXPECT_EQ(messages[1], "2b29wcw==");
    EXPECT_EQ(messages[2], "1aGVsbG8=");
    if (*protocol == 'v') {
      EXPECT_EQ(messages[3], "3" + EncodeBase64(kSuccess));
    }
  }
}

TEST_F(WebSocketChannelsTest, EchoWithTheCloseSignalOfVersion5) {
  Connect(ExecUrl({"echo"}), "v5.channel.k8s.io");
  Send(Message('\0', "one "));
  Send(Message('\0', ""));
  Send(Message('\x07', "no such channel"));
  ASSERT_TRUE(client_->Write(MaskedFrame(2, Message('\0', "tw"), false) + MaskedFrame(9, "hey") +
                             MaskedFrame(0, "o")));
  Send(std::string("\xff\0", 2));
  talk_->ReadToClose();
  EXPECT_EQ(talk_->close_code(), 1000);
  EXPECT_EQ(talk_->channels[1], "one two");
  EXPECT_EQ(talk_->channels[3], kSuccess);
  EXPECT_THAT(talk_->pongs, ElementsAre("hey"));
}

TEST_F(WebSocketChannelsTest, BeforeVersion5ThereIsNoSuchSignal) {
  Connect(ExecUrl({"echo"}), "v4.channel.k8s.io");
  Send(std::string("\xff\0", 2));
  Send(Message('\0', "still open"));
  EXPECT_EQ(talk_->Next().payload, "\x01");
  EXPECT_EQ(talk_->Next().payload, Message('\x01', "still open"));
  EXPECT_EQ(log_.Get("input_end"), 0u);
}

TEST_F(WebSocketChannelsTest, Base64Input) {
  Connect(ExecUrl({"echo"}), "v4.base64.channel.k8s.io");
  ASSERT_TRUE(client_->Write(MaskedFrame(1, "0Zm9vYg==")));
  EXPECT_EQ(talk_->Next().payload, "1");
  EXPECT_EQ(talk_->Next().payload, "1Zm9vYg==");
  ASSERT_TRUE(client_->Write(MaskedFrame(1, "0????")));
  talk_->ReadToClose();
  EXPECT_EQ(talk_->close_code(), 1007);
  EXPECT_TRUE(log_.Await("closed"));
}

TEST_F(WebSocketChannelsTest, Resize) {
  Connect(ExecUrl({"echo"}, /*tty=*/true), "v5.channel.k8s.io");
  Send(Message('\x04', "{\"Width\":80,\"Height\":24}"));
  Send(std::string("\xff\0", 2));
  talk_->ReadToClose();
  EXPECT_EQ(log_.Text("resize"), "{\"Width\":80,\"Height\":24}");
}

TEST_F(WebSocketChannelsTest, ClientCloses) {
  Connect(ExecUrl({"echo"}), "v4.channel.k8s.io");
  ASSERT_TRUE(client_->Write(MaskedFrame(8, "\x03\xe8")));
  talk_->ReadToClose();
  EXPECT_EQ(talk_->close_code(), 1000);
  EXPECT_TRUE(log_.Await("closed"));
  EXPECT_TRUE(AwaitNoSessions());
}

TEST_F(WebSocketChannelsTest, UnmaskedFramesAreRefused) {
  Connect(ExecUrl({"echo"}), "v4.channel.k8s.io");
  ASSERT_TRUE(client_->Write(std::string("\x82\x02\0x", 4)));
  talk_->ReadToClose();
  EXPECT_EQ(talk_->close_code(), 1002);
  EXPECT_TRUE(log_.Await("closed"));
}

TEST_F(WebSocketChannelsTest, ManyPingsAreOnePong) {
  Connect(ExecUrl({"stuck"}), "v4.channel.k8s.io");
  std::string pings;
  for (int i = 0; i < 1000; ++i) pings += MaskedFrame(9, std::to_string(i));
  ASSERT_TRUE(client_->Write(pings + MaskedFrame(8, "")));
  talk_->ReadToClose();
  EXPECT_LT(talk_->pongs.size(), 1000u);
}

}  // namespace
}  // namespace crisp::streaming
