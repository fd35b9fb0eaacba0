#include "base/core/cancel.h"

#include <gtest/gtest.h>
#include <poll.h>

namespace crisp {
namespace {

bool Readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

TEST(CancelTest, ADefaultTokenIsNeverCancelled) {
  const CancelToken token;
  EXPECT_FALSE(token.cancelled());
  EXPECT_EQ(token.fd(), -1);
  EXPECT_EQ(token.deadline(), NoDeadline());
  EXPECT_TRUE(token.Check().ok());
}

TEST(CancelTest, CancellationReachesAllCopies) {
  CancelSource source;
  const CancelToken a = source.token();
  const CancelToken b = a;
  EXPECT_FALSE(Readable(a.fd()));
  source.Cancel();
  source.Cancel();
  EXPECT_TRUE(a.cancelled());
  EXPECT_TRUE(Readable(a.fd()));
  EXPECT_TRUE(Readable(b.fd()));  // level triggered: everyone sees it
  EXPECT_EQ(b.Check().code(), Code::kCancelled);
}

TEST(CancelTest, TheTokenOutlivesItsSource) {
  CancelToken token;
  {
    CancelSource source(MonoNow() - std::chrono::seconds(1));
    token = source.token();
  }
  EXPECT_FALSE(token.cancelled());
  EXPECT_EQ(token.Check().code(), Code::kDeadlineExceeded);
}

}  // namespace
}  // namespace crisp
