#include "server/rpc/wire_status.h"

#include <gtest/gtest.h>

namespace crisp::rpc {
namespace {

TEST(WireStatusTest, CodesKeepTheirNumbers) {
  EXPECT_EQ(ToWire(OkStatus()).code, 0);
  EXPECT_EQ(ToWire(NotFound("x")).code, 5);
  EXPECT_EQ(ToWire(AlreadyExists("x")).code, 6);
  EXPECT_EQ(ToWire(Unimplemented("x")).code, 12);
  EXPECT_EQ(ToWire(NotFound("container ", "a")).message, "container a");
}

TEST(WireStatusTest, MessagesAreUtf8AndBounded) {
  EXPECT_EQ(ToWire(Internal("a\xFF")).message, "a\xEF\xBF\xBD");
  EXPECT_LE(ToWire(Internal(std::string(100000, 'x'))).message.size(), 6u << 10);
  // Three bytes on the wire for each byte that is not ASCII.
  std::string euros;
  for (int i = 0; i < 10000; ++i) euros += "\xE2\x82\xAC";
  EXPECT_LE(ToWire(Internal(euros)).message.size() * 3, 6u << 10);
}

}  // namespace
}  // namespace crisp::rpc
