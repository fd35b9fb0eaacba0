#include "image/pull/header_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace crisp::image {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class HeaderLinesTest : public testing::Test {
 protected:
  void Add(std::initializer_list<std::string_view> lines) {
    for (const std::string_view line : lines) EXPECT_TRUE(lines_.Add(line, &response_).ok());
  }

  HeaderLines lines_;
  HttpResponse response_;
};

TEST_F(HeaderLinesTest, NamesAndValues) {
  Add({"HTTP/1.1 200 OK\r\n", "Content-TYPE:  text/a; b=\"c: d\" \t\r\n", "X:\r\n", "y:z\n",
       "no colon\r\n", ": no name\r\n", "\r\n"});
  EXPECT_THAT(response_.headers, ElementsAre(Pair("content-type", "text/a; b=\"c: d\""),
                                             Pair("x", ""), Pair("y", "z")));
}

TEST_F(HeaderLinesTest, TheFirstOfANameCounts) {
  Add({"HTTP/1.1 401 \r\n", "WWW-Authenticate: Basic\r\n", "www-authenticate: Bearer\r\n"});
  EXPECT_EQ(response_.Header("www-authenticate"), "Basic");
  EXPECT_EQ(response_.headers.count("www-authenticate"), 2u);
}

TEST_F(HeaderLinesTest, ANewAnswer) {
  Add({"HTTP/1.1 100 Continue\r\n", "a: 1\r\n", "\r\n"});
  response_.body = "of the first";
  Add({"HTTP/1.1 200 OK\r\n", "b: 2\r\n"});
  EXPECT_THAT(response_.headers, ElementsAre(Pair("b", "2")));
  EXPECT_EQ(response_.body, "");
}

TEST_F(HeaderLinesTest, ALineThatOnlyLooksLikeAStatus) {
  Add({"HTTP/1.1 200 OK\r\n", "a: 1\r\n", "HTTP/1.1 404 Not Found\r\n", "HTTP/2: x\r\n"});
  EXPECT_THAT(response_.headers, ElementsAre(Pair("a", "1"), Pair("http/2", "x")));
}

TEST_F(HeaderLinesTest, TrailersAreNoHeaders) {
  Add({"HTTP/1.1 200 OK\r\n", "Transfer-Encoding: chunked\r\n", "\r\n"});
  response_.body = "whole";
  Add({"Docker-Content-Digest: sha256:00\r\n", "\r\n"});
  EXPECT_THAT(response_.headers, ElementsAre(Pair("transfer-encoding", "chunked")));
  EXPECT_EQ(response_.body, "whole");
}

TEST_F(HeaderLinesTest, FoldedLinesAreNoHeaders) {
  Add({"HTTP/1.1 200 OK\r\n", " location: http://a\r\n", "\tlocation: b\r\n", "location : c\r\n"});
  EXPECT_THAT(response_.headers, IsEmpty());
}

TEST_F(HeaderLinesTest, ALimitForAllAnswers) {
  const std::string line = "HTTP/1.1 100 " + std::string(1011, 'x');
  for (size_t i = 0; i < HeaderLines::kMaxHeader_bytes / line.size(); ++i) Add({line});
  EXPECT_EQ(lines_.Add("\n", &response_).code(), Code::kResourceExhausted);
}

}  // namespace
}  // namespace crisp::image
