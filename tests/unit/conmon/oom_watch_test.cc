#include "conmon/oom_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/core/dir_fd.h"
#include "base/core/file.h"

namespace crisp::conmon {
namespace {

struct Owner final : OomWatch::Owner {
  void OnOomKill() override { ++kills; }
  int kills = 0;
};

TEST(FindOomKillsTest, BothFormats) {
  EXPECT_EQ(FindOomKills("low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 0\n"), 2u);
  EXPECT_EQ(FindOomKills("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), 7u);
  EXPECT_EQ(FindOomKills("oom_kill_disable 0\nunder_oom 0\n"), std::nullopt);
  EXPECT_EQ(FindOomKills("oom_kill x\n"), std::nullopt);
  EXPECT_EQ(FindOomKills(""), std::nullopt);
}

// memory.events is a file that notifies of changes; an ordinary file does so, too.
TEST(OomWatchTest, GrowthOfMemoryEventsIsSeenOnce) {
  char name[] = "/tmp/crisp-oom-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  const std::string path = std::string(name) + "/memory.events";
  ASSERT_TRUE(WriteFile(path, "oom 0\noom_kill 0\n").ok());
  Poller poller;
  ASSERT_TRUE(poller.Open().ok());
  Owner owner;
  OomWatch watch(&poller, &owner);
  ASSERT_TRUE(watch.Start(name).ok()) << "the directory is enough";
  EXPECT_TRUE(watch.watching());
  EXPECT_EQ(owner.kills, 0);
  ASSERT_TRUE(WriteFile(path, "oom 1\noom_kill 1\n").ok());
  poller.Wait(1000);
  EXPECT_EQ(owner.kills, 1);
  EXPECT_EQ(watch.kills(), 1u);
  watch.Check();
  EXPECT_EQ(owner.kills, 1);
  EXPECT_TRUE(RemoveTreeAt(name).ok());
}

TEST(OomWatchTest, AMissingCgroupIsAnErrorAndNothingIsWatched) {
  Poller poller;
  ASSERT_TRUE(poller.Open().ok());
  Owner owner;
  OomWatch watch(&poller, &owner);
  EXPECT_FALSE(watch.Start("/no/such/cgroup").ok());
  EXPECT_FALSE(watch.watching());
  EXPECT_TRUE(watch.Start("").ok());
}

}  // namespace
}  // namespace crisp::conmon
