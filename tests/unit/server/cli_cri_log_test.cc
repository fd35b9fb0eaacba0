#include <gtest/gtest.h>
#include <poll.h>

#include <cstdlib>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "server/cli/cri_log.h"

namespace crisp::cli {
namespace {

constexpr char kTime[] = "2026-11-24T10:00:00.000000001Z ";

TEST(CriLogTest, LinesAreParsed) {
  const std::string full = Cat(kTime, "stdout F hello  world");
  auto line = ParseLogLine(full);
  ASSERT_TRUE(line);
  EXPECT_FALSE(line->is_stderr);
  EXPECT_FALSE(line->partial);
  EXPECT_EQ(line->text, "hello  world");
  const std::string part = Cat(kTime, "stderr P:x part");
  line = ParseLogLine(part);
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->is_stderr);
  EXPECT_TRUE(line->partial);
  const std::string empty = Cat(kTime, "stdout F ");
  ASSERT_TRUE(ParseLogLine(empty));
  EXPECT_EQ(ParseLogLine(empty)->text, "");
  for (const char* bad : {"", "x", "t stdin F a", "t stdout X a", "t stdout"}) {
    EXPECT_FALSE(ParseLogLine(bad)) << bad;
  }
}

TEST(CriLogTest, FollowsAFileThatAppearsLater) {
  std::string dir = JoinPath(::testing::TempDir(), "crisp-follow-XXXXXX");
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  const std::string path = JoinPath(dir, "0.log");
  Result<LogFollower> follower = LogFollower::Open(path);
  ASSERT_TRUE(follower.ok());
  FdPair out = std::move(MakePipe(O_NONBLOCK)).value();
  FdPair err = std::move(MakePipe(O_NONBLOCK)).value();
  const auto drain = [&] { return follower->Drain(out.second.get(), err.second.get()); };
  ASSERT_TRUE(drain().ok());

  UniqueFd file = std::move(OpenFile(path, O_WRONLY | O_CREAT, 0644)).value();
  ASSERT_TRUE(WriteAll(file.get(), Cat(kTime, "stdout F one\n", kTime, "stdout P tw")).ok());
  pollfd wait{follower->fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&wait, 1, 1000), 1);
  ASSERT_TRUE(drain().ok());
  ASSERT_TRUE(
      WriteAll(file.get(), Cat("o-\n", kTime, "stderr F e\n", kTime, "stdout F three\n")).ok());
  ASSERT_TRUE(drain().ok());
  out.second.Reset();
  err.second.Reset();
  EXPECT_EQ(*ReadAll(out.first.get()), "one\ntwo-three\n");
  EXPECT_EQ(*ReadAll(err.first.get()), "e\n");
  EXPECT_TRUE(RemoveTreeAt(dir).ok());
}

}  // namespace
}  // namespace crisp::cli
