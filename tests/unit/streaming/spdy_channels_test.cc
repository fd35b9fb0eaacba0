// Exec and attach over SPDY, on real sockets.
#include <gmock/gmock.h>

#include "fake_sessions.h"
#include "tests/support/spdy_client.h"

namespace crisp::streaming {
namespace {

using test::SpdyClient;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SpdyChannelsTest : public StreamingServerTest {
 protected:
  void Connect(const std::string& url, const std::string& protocols = "v4.channel.k8s.io") {
    client_ = std::make_unique<TestClient>(server().port());
    ASSERT_TRUE(client_->Write(SpdyUpgrade(url, protocols)));
    ASSERT_THAT(client_->ReadHead(), HasSubstr("101 Switching Protocols"));
  }
  spdy::StreamId Stream(const std::string& type) {
    const spdy::StreamId id = spdy_.SynStream({{"streamtype", type}});
    Flush();
    return id;
  }
  void Flush() { ASSERT_TRUE(client_->Write(spdy_.TakeOutput())); }
  void ReadToEnd() {
    const Status fed = spdy_.Feed(client_->ReadToEnd());
    EXPECT_TRUE(fed.ok()) << fed.ToString();
  }
  // Until the stream has that much.
  void ReadData(spdy::StreamId id, size_t size) {
    while (spdy_.stream(id).data.size() < size) {
      const std::string part = client_->Read();
      ASSERT_FALSE(part.empty());
      ASSERT_TRUE(spdy_.Feed(part).ok());
    }
  }

  std::unique_ptr<TestClient> client_;
  SpdyClient spdy_;
};

TEST_F(SpdyChannelsTest, HelloAndTheOrderOfTheEnd) {
  Connect(ExecUrl({"hello"}, false, /*input=*/false), "v5.channel.k8s.io, v4.channel.k8s.io");
  const auto error = Stream("error");
  const auto out = Stream("stdout");
  EXPECT_EQ(log_.Get("begun"), 0u);  // not before all streams are there
  const auto err = Stream("stderr");
  ReadToEnd();
  EXPECT_TRUE(client_->at_end());
  EXPECT_FALSE(client_->was_reset());
  EXPECT_EQ(spdy_.stream(out).data, "hello");
  EXPECT_EQ(spdy_.stream(err).data, "oops");
  EXPECT_EQ(spdy_.stream(error).data, kSuccess);
  for (const auto id : {error, out, err}) EXPECT_TRUE(spdy_.stream(id).finished);
  ASSERT_TRUE(spdy_.goaway().has_value());
  EXPECT_EQ(spdy_.goaway()->last_good_stream, err);
  EXPECT_EQ(spdy_.log().back(), "GOAWAY 5 0");
  client_->Close();
  EXPECT_TRUE(AwaitNoSessions());
}

TEST_F(SpdyChannelsTest, EchoUntilStdinEnds) {
  Connect(ExecUrl({"echo"}));
  Stream("error");
  const auto in = Stream("stdin");
  const auto out = Stream("stdout");
  Stream("stderr");
  spdy_.Data(in, "one ");
  Flush();
  ReadData(out, 4);
  spdy_.Ping(7);
  spdy_.Data(in, "two", /*fin=*/true);
  Flush();
  ReadToEnd();
  EXPECT_EQ(spdy_.stream(out).data, "one two");
  EXPECT_THAT(spdy_.pings(), ElementsAre(7u));
  EXPECT_EQ(log_.Get("input_end"), 1u);
}

TEST_F(SpdyChannelsTest, EverythingBehindTheRequestAtOnce) {
  const std::string url = ExecUrl({"echo"});
  client_ = std::make_unique<TestClient>(server().port());
  for (const char* type : {"error", "stdin", "stdout", "stderr"}) {
    spdy_.SynStream({{"streamtype", type}});
  }
  spdy_.Data(3, "early", /*fin=*/true);
  ASSERT_TRUE(client_->Write(SpdyUpgrade(url, "v4.channel.k8s.io") + spdy_.TakeOutput()));
  ASSERT_THAT(client_->ReadHead(), HasSubstr("101"));
  ReadToEnd();
  EXPECT_EQ(spdy_.stream(5).data, "early");
}

TEST_F(SpdyChannelsTest, TerminalHasResizeAndNoStderr) {
  Connect(ExecUrl({"echo"}, /*tty=*/true), "v3.channel.k8s.io");
  Stream("error");
  const auto in = Stream("stdin");
  const auto out = Stream("stdout");
  Stream("unheard-of");
  EXPECT_EQ(log_.Get("begun"), 0u);
  const auto resize = Stream("resize");
  spdy_.Data(resize, "{\"Width\":80,\"Height\":24}\n");
  spdy_.Data(in, "x", true);
  Flush();
  ReadToEnd();
  EXPECT_EQ(spdy_.stream(out).data, "x");
  EXPECT_EQ(spdy_.stream(1).data, "");  // v3: nothing on success
  EXPECT_EQ(log_.Text("resize"), "{\"Width\":80,\"Height\":24}\n");
}

TEST_F(SpdyChannelsTest, Version1EndsItsSideOfStdin) {
  Connect(ExecUrl({"echo"}), "channel.k8s.io");
  for (const char* type : {"error", "stdin", "stdout", "stderr"}) Stream(type);
  spdy_.Data(3, "x", true);
  Flush();
  ReadToEnd();
  EXPECT_EQ(spdy_.stream(5).data, "x");
  EXPECT_EQ(spdy_.log()[4], "DATA 3 0 FIN");
}

TEST_F(SpdyChannelsTest, ResetOfStdinEndsIt) {
  Connect(ExecUrl({"echo"}));
  for (const char* type : {"error", "stdin", "stdout", "stderr"}) Stream(type);
  spdy_.Reset(3);
  Flush();
  ReadToEnd();
  EXPECT_EQ(log_.Get("input_end"), 1u);
  EXPECT_EQ(spdy_.stream(1).data, kSuccess);
}

TEST_F(SpdyChannelsTest, OutputOnAResetStreamIsDropped) {
  Connect(ExecUrl({"echo"}));
  for (const char* type : {"error", "stdin", "stdout", "stderr"}) Stream(type);
  spdy_.Reset(5);
  spdy_.Data(3, "lost", true);
  Flush();
  ReadToEnd();
  EXPECT_EQ(spdy_.stream(5).data, "");
  EXPECT_EQ(spdy_.stream(1).data, kSuccess);
}

TEST_F(SpdyChannelsTest, ClientLeavesInGoodOrder) {
  Connect(ExecUrl({"stuck"}));
  for (const char* type : {"error", "stdin", "stdout", "stderr"}) Stream(type);
  ASSERT_TRUE(log_.Await("begun"));
  for (const spdy::StreamId id : {1, 3, 5, 7}) spdy_.Reset(id);
  spdy_.GoAway();
  Flush();
  EXPECT_TRUE(log_.Await("closed"));
  EXPECT_EQ(log_.Text("closed"), "the client said goodbye");
  EXPECT_TRUE(AwaitNoSessions());
}

TEST_F(SpdyChannelsTest, ClientVanishes) {
  Connect(ExecUrl({"echo"}));
  for (const char* type : {"error", "stdin", "stdout", "stderr"}) Stream(type);
  ASSERT_TRUE(log_.Await("begun"));
  client_->Close();
  EXPECT_TRUE(log_.Await("closed"));
  EXPECT_TRUE(AwaitNoSessions());
}

TEST_F(SpdyChannelsTest, ProtocolMistakeEndsTheSession) {
  Connect(ExecUrl({"echo"}));
  for (const char* type : {"error", "stdin", "stdout", "stderr"}) Stream(type);
  ASSERT_TRUE(log_.Await("begun"));
  spdy_.Control(1, 0, "short");
  Flush();
  EXPECT_TRUE(log_.Await("closed"));
  ReadToEnd();
  EXPECT_EQ(spdy_.log().back(), "GOAWAY 7 1");
}

TEST_F(SpdyChannelsTest, SessionThatDoesNotCloseCutsOff) {
  Connect(ExecUrl({"drop"}));
  for (const char* type : {"error", "stdin", "stdout"}) Stream(type);
  spdy_.SynStream({{"streamtype", "stderr"}});
  client_->Write(spdy_.TakeOutput());
  EXPECT_TRUE(log_.Await("ended"));
  client_->ReadToEnd();
  EXPECT_TRUE(client_->at_end());
  EXPECT_TRUE(AwaitNoSessions());
}

TEST_F(SpdyChannelsTest, StreamsThatAreNeverOpened) {
  options_.streams_deadline = std::chrono::milliseconds(50);
  Connect(ExecUrl({"echo"}));
  Stream("error");
  Stream("stdin");
  ReadToEnd();
  EXPECT_TRUE(client_->at_end());
  EXPECT_EQ(log_.Get("begun"), 0u);
  EXPECT_TRUE(AwaitNoSessions());
}

TEST_F(SpdyChannelsTest, ServersEndIsNotTakenForSuccess) {
  Connect(ExecUrl({"stuck"}));
  for (const char* type : {"error", "stdin", "stdout", "stderr"}) Stream(type);
  ASSERT_TRUE(log_.Await("begun"));
  server_->Shutdown(MonoNow() + std::chrono::milliseconds(100));
  ReadToEnd();
  EXPECT_THAT(spdy_.stream(1).data, HasSubstr("\"message\":\"the container runtime is stopping\""));
  EXPECT_TRUE(spdy_.stream(1).finished);
}

TEST_F(SpdyChannelsTest, AttachToo) {
  runtime::v1::AttachRequest request;
  request.set_container_id("c");
  request.set_stdin(true);
  request.set_stdout(true);
  request.set_stderr(true);
  Connect(server().MakeUrl(request).value());
  for (const char* type : {"error", "stdin", "stdout", "stderr"}) Stream(type);
  spdy_.Data(3, "attached", true);
  Flush();
  ReadToEnd();
  EXPECT_EQ(spdy_.stream(5).data, "attached");
}

}  // namespace
}  // namespace crisp::streaming
