#include "server/streaming/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace crisp::streaming {
namespace {

using ::testing::HasSubstr;

HttpRequest Request(const std::string& method,
                    std::vector<std::pair<std::string, std::string>> headers) {
  HttpRequest out;
  out.method = method;
  out.target = "/exec/x";
  out.headers = std::move(headers);
  return out;
}

HttpRequest Spdy(const std::string& versions) {
  return Request("POST", {{"connection", "Upgrade"},
                          {"upgrade", "SPDY/3.1"},
                          {"x-stream-protocol-version", versions}});
}

HttpRequest WebSocketRequest(const std::string& protocols) {
  HttpRequest out = Request("GET", {{"connection", "keep-alive, upgrade"},
                                    {"upgrade", "WebSocket"},
                                    {"sec-websocket-version", "13"},
                                    {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}});
  if (!protocols.empty()) out.headers.emplace_back("sec-websocket-protocol", protocols);
  return out;
}

int StatusOf(const HttpRequest& request, Kind kind) {
  const auto decided = DecideUpgrade(request, kind);
  if (const Refusal* refusal = std::get_if<Refusal>(&decided)) {
    EXPECT_THAT(refusal->Response(), HasSubstr("\r\n\r\n" + refusal->body));
    EXPECT_FALSE(refusal->body.empty());
    EXPECT_FALSE(refusal->reason.empty());
    return refusal->status;
  }
  return 101;
}

Upgrade Accept(const HttpRequest& request, Kind kind) {
  const auto decided = DecideUpgrade(request, kind);
  const Upgrade* upgrade = std::get_if<Upgrade>(&decided);
  EXPECT_NE(upgrade, nullptr);
  return upgrade != nullptr ? *upgrade : Upgrade();
}

TEST(Handshake, Paths) {
  EXPECT_EQ(ParsePath("/exec/abc")->token, "abc");
  EXPECT_EQ(ParsePath("/exec/abc")->kind, Kind::kExec);
  EXPECT_EQ(ParsePath("/attach/abc?x=/y/z")->token, "abc");
  EXPECT_EQ(ParsePath("/a/b/portforward/abc")->kind, Kind::kPortForward);
  EXPECT_EQ(ParsePath("/exec/")->token, "");
  for (const char* bad : {"", "/", "*", "exec/abc", "/abc", "/exec", "/cri/abc", "/exec/abc/", "//",
                          "/execabc", "?/exec/abc"}) {
    const auto path = ParsePath(bad);
    EXPECT_TRUE(!path.has_value()) << bad;
  }
}

TEST(Handshake, SpdyTakesTheClientsFirstKnownVersion) {
  const Upgrade v4 =
      Accept(Spdy("v5.channel.k8s.io,v4.channel.k8s.io,channel.k8s.io"), Kind::kExec);
  EXPECT_EQ(v4.transport, Transport::kSpdy);
  EXPECT_EQ(v4.version, 4);
  EXPECT_EQ(v4.response,
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n");
  EXPECT_EQ(Accept(Spdy("v2.channel.k8s.io, v4.channel.k8s.io"), Kind::kAttach).version, 2);
  EXPECT_EQ(Accept(Spdy("v3.channel.k8s.io"), Kind::kAttach).version, 3);
  EXPECT_EQ(Accept(Spdy("channel.k8s.io"), Kind::kExec).version, 1);
  EXPECT_THAT(Accept(Spdy("portforward.k8s.io"), Kind::kPortForward).response,
              HasSubstr("X-Stream-Protocol-Version: portforward.k8s.io\r\n"));
}

TEST(Handshake, SpdyRefusals) {
  EXPECT_EQ(StatusOf(Spdy(""), Kind::kExec), 400);
  EXPECT_EQ(StatusOf(Spdy("v9.channel.k8s.io"), Kind::kExec), 403);
  EXPECT_EQ(StatusOf(Spdy("v4.channel.k8s.io"), Kind::kPortForward), 403);
  EXPECT_EQ(StatusOf(Spdy("portforward.k8s.io"), Kind::kExec), 403);
  const auto decided = DecideUpgrade(Spdy("v9.channel.k8s.io"), Kind::kExec);
  const std::string response = std::get<Refusal>(decided).Response();
  EXPECT_THAT(response, HasSubstr("X-Accepted-Stream-Protocol-Versions: v4.channel.k8s.io\r\n"
                                  "X-Accepted-Stream-Protocol-Versions: v3.channel.k8s.io\r\n"));
  EXPECT_THAT(response, HasSubstr("the client speaks v9.channel.k8s.io"));
}

TEST(Handshake, WebSocketSubprotocols) {
  // The key and its answer are those of RFC 6455 section 1.3.
  const Upgrade v5 = Accept(WebSocketRequest("v5.channel.k8s.io"), Kind::kExec);
  EXPECT_EQ(v5.transport, Transport::kWebSocket);
  EXPECT_EQ(v5.version, 5);
  EXPECT_THAT(v5.response, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(v5.response, HasSubstr("Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"));
  EXPECT_TRUE(Accept(WebSocketRequest("v9, v4.base64.channel.k8s.io"), Kind::kAttach).base64);
  EXPECT_EQ(Accept(WebSocketRequest("base64.channel.k8s.io"), Kind::kAttach).version, 1);
  const Upgrade none = Accept(WebSocketRequest(""), Kind::kExec);
  EXPECT_EQ(none.version, 1);
  EXPECT_FALSE(none.base64);
  EXPECT_EQ(none.response.find("Sec-WebSocket-Protocol"), std::string::npos);
  const Upgrade tunnel =
      Accept(WebSocketRequest("SPDY/3.1+portforward.k8s.io"), Kind::kPortForward);
  EXPECT_EQ(tunnel.transport, Transport::kTunnel);
  EXPECT_THAT(tunnel.response,
              HasSubstr("Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n"));
  EXPECT_EQ(Accept(WebSocketRequest("v4.channel.k8s.io"), Kind::kPortForward).transport,
            Transport::kWebSocket);
}

TEST(Handshake, WebSocketRefusals) {
  EXPECT_EQ(StatusOf(WebSocketRequest("v3.channel.k8s.io"), Kind::kExec), 403);
  EXPECT_EQ(StatusOf(WebSocketRequest("SPDY/3.1+portforward.k8s.io"), Kind::kExec), 403);
  HttpRequest bad = WebSocketRequest("v5.channel.k8s.io");
  bad.method = "POST";
  EXPECT_EQ(StatusOf(bad, Kind::kExec), 405);
  bad = WebSocketRequest("v5.channel.k8s.io");
  bad.headers[2].second = "8";
  EXPECT_EQ(StatusOf(bad, Kind::kExec), 426);
  bad = WebSocketRequest("v5.channel.k8s.io");
  bad.headers[3].second = "short";
  EXPECT_EQ(StatusOf(bad, Kind::kExec), 400);
}

TEST(Handshake, NoUpgrade) {
  EXPECT_EQ(StatusOf(Request("GET", {}), Kind::kExec), 400);
  EXPECT_EQ(StatusOf(Request("DELETE", {}), Kind::kExec), 405);
  EXPECT_EQ(StatusOf(Request("GET", {{"connection", "upgrade"}, {"upgrade", "h2c"}}), Kind::kExec),
            400);
  HttpRequest old = Spdy("v4.channel.k8s.io");
  old.http11 = false;
  EXPECT_EQ(StatusOf(old, Kind::kExec), 400);
}

}  // namespace
}  // namespace crisp::streaming
