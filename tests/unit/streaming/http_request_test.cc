#include "server/streaming/http_request.h"

#include <gtest/gtest.h>

namespace crisp::streaming {
namespace {

constexpr char kRequest[] =
    "POST /exec/AbCdEfGh?command=ls HTTP/1.1\r\n"
    "Host: 127.0.0.1:1\r\n"
    "connection: keep-alive,  Upgrade\r\n"
    "UPGRADE: SPDY/3.1\r\n"
    "X-Stream-Protocol-Version: v5.channel.k8s.io\r\n"
    "X-Stream-Protocol-Version: v4.channel.k8s.io, v3.channel.k8s.io\r\n"
    "Content-Length: 0\r\n"
    "\r\n";

TEST(HttpRequest, CutAnywhereWithSurplus) {
  const std::string whole = Cat(kRequest, std::string_view("\x80\x03\0surplus", 10));
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    HttpRequestParser parser(1 << 16);
    const auto first = parser.Feed(whole.substr(0, cut));
    ASSERT_TRUE(first.ok()) << first.status().ToString();
    ASSERT_EQ(*first, cut >= sizeof(kRequest) - 1) << cut;
    std::string surplus;
    if (!*first) {
      ASSERT_TRUE(parser.Feed(whole.substr(cut)).value());
      surplus = parser.TakeSurplus();
    } else {
      surplus = parser.TakeSurplus() + whole.substr(cut);
    }
    ASSERT_EQ(surplus, whole.substr(sizeof(kRequest) - 1));
    const HttpRequest request = parser.TakeRequest();
    ASSERT_EQ(request.method, "POST");
    ASSERT_EQ(request.target, "/exec/AbCdEfGh?command=ls");
    ASSERT_TRUE(request.http11);
    ASSERT_TRUE(request.HasToken("connection", "upgrade"));
    ASSERT_TRUE(request.HasToken("upgrade", "spdy/3.1"));
    const std::vector<std::string_view> protocols = request.List("x-stream-protocol-version");
    ASSERT_EQ(protocols, (std::vector<std::string_view>{"v5.channel.k8s.io", "v4.channel.k8s.io",
                                                        "v3.channel.k8s.io"}));
  }
}

TEST(HttpRequest, ByteByByte) {
  HttpRequestParser parser(1 << 16);
  for (size_t i = 0; i + 2 < sizeof(kRequest); ++i) {
    ASSERT_FALSE(parser.Feed({kRequest + i, 1}).value()) << i;
  }
  EXPECT_TRUE(parser.Feed("\n").value());
}

TEST(HttpRequest, HeaderBombs) {
  HttpRequestParser one(8 << 10);
  Result<bool> fed = one.Feed("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 10000 && fed.ok(); ++i) fed = one.Feed("A: b\r\n");
  EXPECT_EQ(fed.status().code(), Code::kResourceExhausted);

  HttpRequestParser two(8 << 10);
  fed = two.Feed("GET / HTTP/1.1\r\nA: ");
  for (int i = 0; i < 10000 && fed.ok(); ++i) fed = two.Feed("xxxxxxxxxxxxxxxx");
  EXPECT_EQ(fed.status().code(), Code::kResourceExhausted);

  HttpRequestParser three(8 << 10);
  fed = three.Feed("GET /");
  for (int i = 0; i < 10000 && fed.ok(); ++i) fed = three.Feed("xxxxxxxxxxxxxxxx");
  EXPECT_FALSE(fed.ok());
}

TEST(HttpRequest, RefusesWhatIsNotHttp) {
  for (const char* bad :
       {"\x16\x03\x01\x02", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
        "GET / SPDY/3.1\r\n\r\n", "GET / HTTP/1.1\r\nA\x01: b\r\n\r\n"}) {
    HttpRequestParser parser(8 << 10);
    EXPECT_EQ(parser.Feed(bad).status().code(), Code::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace crisp::streaming
