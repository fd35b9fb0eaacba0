#include "oci/watched_directories.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <thread>

#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Snapshot {
  int number = 0;
  std::vector<std::string> problems;
};

class WatchedDirectoriesTest : public ::testing::Test {
 protected:
  WatchedDirectoriesTest() {
    log::SetSink([this](log::Level level, std::string_view message, auto fields) {
      if (level == log::Level::kWarning && message == "widget left out") {
        logged_.push_back(Cat(fields[0].key, '=', fields[0].value));
      }
    });
  }
  ~WatchedDirectoriesTest() override { log::SetSink(nullptr); }

  std::shared_ptr<const Snapshot> Fresh() {
    return watched_.Fresh([this] { return Snapshot{++reads_, problems_}; });
  }

  TestRootfs files_;
  std::vector<std::string> logged_;
  std::vector<std::string> problems_;
  int reads_ = 0;
  WatchedDirectories<Snapshot> watched_{{files_.path() + "/first", files_.path() + "/second"},
                                        "widget left out"};
};

TEST_F(WatchedDirectoriesTest, ReadsAgainOnlyWhenSomethingChanged) {
  EXPECT_EQ(watched_.Last(), nullptr);
  EXPECT_THAT(watched_.Problems(), IsEmpty());
  ASSERT_GE(watched_.fd(), 0);
  const auto first = Fresh();
  EXPECT_EQ(first->number, 1);
  EXPECT_EQ(Fresh(), first);
  files_.Write("second/a", "x");  // with its directory
  const auto second = Fresh();
  EXPECT_EQ(second->number, 2);
  EXPECT_EQ(Fresh(), second);
  EXPECT_EQ(watched_.Last(), second);
  EXPECT_EQ(first->number, 1) << "what somebody has does not change";
  std::filesystem::remove_all(files_.path() + "/second");
  EXPECT_EQ(Fresh()->number, 3);
}

TEST_F(WatchedDirectoriesTest, AChangeDuringTheReadIsSeenByTheNext) {
  files_.Write("first/a", "x");
  const auto during = watched_.Fresh([this] {
    files_.Write("first/a", "y");
    return Snapshot{++reads_, {}};
  });
  EXPECT_EQ(during->number, 1);
  EXPECT_EQ(Fresh()->number, 2);
  EXPECT_EQ(Fresh()->number, 2);
}

TEST_F(WatchedDirectoriesTest, ProblemsAreLoggedWhenTheyAreOthers) {
  problems_ = {"a: bad", "b: bad"};
  (void)Fresh();
  EXPECT_THAT(watched_.Problems(), ElementsAre("a: bad", "b: bad"));
  EXPECT_THAT(logged_, ElementsAre("why=a: bad", "why=b: bad"));
  files_.Write("first/c", "x");
  EXPECT_EQ(Fresh()->number, 2);
  EXPECT_THAT(logged_, ElementsAre("why=a: bad", "why=b: bad")) << "the same";
  problems_ = {};
  files_.Write("first/d", "x");
  (void)Fresh();
  EXPECT_THAT(watched_.Problems(), IsEmpty());
  problems_ = {"b: bad"};
  files_.Write("first/e", "x");
  (void)Fresh();
  EXPECT_THAT(logged_, ElementsAre("why=a: bad", "why=b: bad", "why=b: bad"));
}

TEST_F(WatchedDirectoriesTest, WhatWasReadLastDoesNotWaitForFiles) {
  problems_ = {"a: bad"};
  (void)Fresh();
  files_.Write("first/a", "x");
  std::promise<void> reading;
  std::promise<void> go_on;
  std::thread reader([&] {
    (void)watched_.Fresh([&] {
      reading.set_value();
      go_on.get_future().wait();
      return Snapshot{2, {}};
    });
  });
  reading.get_future().wait();
  auto problems = std::async(std::launch::async, [&] { return watched_.Problems(); });
  const bool at_once = problems.wait_for(std::chrono::seconds(5)) == std::future_status::ready;
  go_on.set_value();
  reader.join();
  EXPECT_TRUE(at_once);
  EXPECT_THAT(problems.get(), ElementsAre("a: bad"));
  EXPECT_EQ(watched_.Last()->number, 2);
}

}  // namespace
}  // namespace crisp::oci
