#include "server/streaming/forward_stream.h"

#include <gtest/gtest.h>

#include "base/core/result.h"

namespace crisp::streaming {
namespace {

// "error 80 request" or "data 80 request"; "none".
std::string Text(spdy::StreamId id, std::vector<spdy::Header> headers) {
  const auto stream = ParseForwardStream(id, spdy::Headers(std::move(headers)));
  if (!stream) return "none";
  return Cat(stream->is_error ? "error " : "data ", stream->port, ' ', stream->request);
}

TEST(ForwardStreamTest, BothStreamsOfARequest) {
  EXPECT_EQ(Text(1, {{"streamtype", {"error"}}, {"port", {"80"}}, {"requestid", {"7"}}}),
            "error 80 7");
  EXPECT_EQ(Text(3, {{"streamtype", {"data"}}, {"port", {"80"}}, {"requestid", {"7"}}}),
            "data 80 7");
}

TEST(ForwardStreamTest, WithoutARequestIdTheDataStreamFollows) {
  EXPECT_EQ(Text(5, {{"streamtype", {"error"}}, {"port", {"65535"}}}), "error 65535 5");
  EXPECT_EQ(Text(7, {{"streamtype", {"data"}}, {"port", {"65535"}}}), "data 65535 5");
  EXPECT_EQ(Text(1, {{"streamtype", {"data"}}, {"port", {"1"}}}), "data 1 1");
  EXPECT_EQ(Text(5, {{"streamtype", {"error"}}, {"port", {"1"}}, {"requestid", {""}}}), "error 1 ");
}

TEST(ForwardStreamTest, ALongRequestId) {
  for (const size_t size : {64, 65}) {
    const std::string request(size, '7');
    EXPECT_EQ(Text(1, {{"streamtype", {"data"}}, {"port", {"80"}}, {"requestid", {request}}}),
              size == 64 ? "data 80 " + request : "none");
  }
}

TEST(ForwardStreamTest, OtherTypesAndPorts) {
  for (const char* port : {"", "0", "65536", "-1", "+1", " 1", "1 ", "0x50", "http"}) {
    EXPECT_EQ(Text(1, {{"streamtype", {"error"}}, {"port", {port}}}), "none") << port;
  }
  for (const char* type : {"", "stdin", "Error", "data "}) {
    EXPECT_EQ(Text(1, {{"streamtype", {type}}, {"port", {"80"}}}), "none") << type;
  }
  EXPECT_EQ(Text(1, {{"streamtype", {"data"}}}), "none");
  EXPECT_EQ(Text(1, {{"port", {"80"}}}), "none");
}

}  // namespace
}  // namespace crisp::streaming
