#include "network/config_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "base/log.h"
#include "test_dir.h"

namespace crisp::network {
namespace {

std::string Config(const std::string& name) {
  return R"({"cniVersion": "1.0.0", "name": ")" + name + R"(", "plugins": [{"type": "x"}]})";
}

class ConfigWatchTest : public testing::Test {
 protected:
  void Start(const std::string& dir) { watch_ = ConfigWatch::Start(dir, loop_.get()).value(); }
  bool BecomesReady(const std::string& name) {
    return Eventually([&] {
      const auto snapshot = watch_->snapshot();
      return snapshot->config && snapshot->config->name == name;
    });
  }
  bool BecomesNotReady() {
    return Eventually([&] { return !watch_->snapshot()->readiness.ready; });
  }
  TestDir dir_;
  LoopThread loop_;
  std::shared_ptr<ConfigWatch> watch_;
};

TEST_F(ConfigWatchTest, TheFirstSnapshotIsThereAtOnce) {
  dir_.Write("net.d/a.conflist", Config("a"));
  Start(dir_.net_d());
  EXPECT_EQ(watch_->snapshot()->config->name, "a");
}

TEST_F(ConfigWatchTest, FilesComeChangeAndGo) {
  Start(dir_.net_d());
  EXPECT_FALSE(watch_->snapshot()->readiness.ready);
  dir_.Write("net.d/b.conflist", Config("b"));
  EXPECT_TRUE(BecomesReady("b"));
  dir_.Write("net.d/a.conflist", Config("a"));
  EXPECT_TRUE(BecomesReady("a"));
  dir_.Write("net.d/a.conflist", "broken");
  EXPECT_TRUE(BecomesReady("b"));
  dir_.Write("net.d/a.conflist", Config("a2"));
  EXPECT_TRUE(BecomesReady("a2"));
  ::unlink((dir_.net_d() + "/a.conflist").c_str());
  EXPECT_TRUE(BecomesReady("b"));
  ::unlink((dir_.net_d() + "/b.conflist").c_str());
  EXPECT_TRUE(BecomesNotReady());
}

TEST_F(ConfigWatchTest, RenamesAndLinks) {
  Start(dir_.net_d());
  dir_.Write("elsewhere", Config("c"));
  ASSERT_EQ(::rename((dir_.path() + "/elsewhere").c_str(), (dir_.net_d() + "/c.conflist").c_str()),
            0);
  EXPECT_TRUE(BecomesReady("c"));
  dir_.Write("target", Config("a"));
  ASSERT_EQ(::symlink("../target", (dir_.net_d() + "/a.conflist").c_str()), 0);
  EXPECT_TRUE(BecomesReady("a"));
  ASSERT_EQ(::rename((dir_.net_d() + "/a.conflist").c_str(), (dir_.path() + "/away").c_str()), 0);
  EXPECT_TRUE(BecomesReady("c"));
  ASSERT_EQ(::link((dir_.path() + "/target").c_str(), (dir_.net_d() + "/b.conflist").c_str()), 0);
  EXPECT_TRUE(BecomesReady("a"));
}

TEST_F(ConfigWatchTest, TheDirectoryAppearsLater) {
  const std::string deep = dir_.path() + "/etc/cni/net.d";
  Start(deep);
  EXPECT_FALSE(watch_->snapshot()->readiness.ready);
  ASSERT_TRUE(EnsureDirectory(deep).ok());
  dir_.Write("etc/cni/net.d/a.conflist", Config("a"));
  EXPECT_TRUE(BecomesReady("a"));
}

TEST_F(ConfigWatchTest, TheDirectoryIsRemovedAndMadeAgain) {
  const std::string deep = dir_.path() + "/etc/cni/net.d";
  ASSERT_TRUE(EnsureDirectory(deep).ok());
  dir_.Write("etc/cni/net.d/a.conflist", Config("a"));
  Start(deep);
  for (const char* name : {"b", "c", "d"}) {
    ASSERT_TRUE(RemoveTreeAt(dir_.path() + "/etc").ok());
    EXPECT_TRUE(BecomesNotReady());
    ASSERT_TRUE(EnsureDirectory(deep).ok());
    dir_.Write("etc/cni/net.d/a.conflist", Config(name));
    EXPECT_TRUE(BecomesReady(name));
  }
}

TEST_F(ConfigWatchTest, AnAncestorIsReplacedByRename) {
  const std::string deep = dir_.path() + "/etc/cni/net.d";
  ASSERT_TRUE(EnsureDirectory(deep).ok());
  dir_.Write("etc/cni/net.d/a.conflist", Config("a"));
  Start(deep);
  ASSERT_TRUE(EnsureDirectory(dir_.path() + "/new/cni/net.d").ok());
  dir_.Write("new/cni/net.d/a.conflist", Config("b"));
  ASSERT_EQ(::rename((dir_.path() + "/etc").c_str(), (dir_.path() + "/old").c_str()), 0);
  ASSERT_EQ(::rename((dir_.path() + "/new").c_str(), (dir_.path() + "/etc").c_str()), 0);
  EXPECT_TRUE(BecomesReady("b"));
  dir_.Write("etc/cni/net.d/a.conflist", Config("c"));
  EXPECT_TRUE(BecomesReady("c"));
}

// A circle of links cannot be watched, as what is beyond the kernel's number of watches cannot, and
// its end is nothing that the directories above tell.
TEST_F(ConfigWatchTest, WhatCannotBeWatchedIsReadAgain) {
  const std::string circle = dir_.path() + "/other/circle";
  ASSERT_TRUE(EnsureDirectory(dir_.path() + "/other").ok());
  ASSERT_TRUE(EnsureDirectory(dir_.path() + "/above").ok());
  ASSERT_EQ(::symlink(circle.c_str(), circle.c_str()), 0);
  ASSERT_EQ(::symlink(circle.c_str(), (dir_.path() + "/above/link").c_str()), 0);
  Start(dir_.path() + "/above/link");
  EXPECT_FALSE(watch_->snapshot()->readiness.ready);
  ASSERT_EQ(::unlink(circle.c_str()), 0);
  ASSERT_TRUE(EnsureDirectory(circle).ok());
  dir_.Write("other/circle/a.conflist", Config("a"));
  EXPECT_TRUE(BecomesReady("a"));
}

TEST_F(ConfigWatchTest, ReleasedWhileEventsArrive) {
  log::SetLevel(log::Level::kError);  // half-written files are seen here, and warned of
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop) dir_.Write("net.d/a.conflist", Config("a"));
  });
  for (int i = 0; i < 50; ++i) {
    Start(dir_.net_d());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    watch_.reset();
  }
  stop = true;
  writer.join();
  log::SetLevel(log::Level::kInfo);
}

TEST_F(ConfigWatchTest, ARelativePathIsRefused) {
  EXPECT_EQ(ConfigWatch::Start("net.d", loop_.get()).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace crisp::network
