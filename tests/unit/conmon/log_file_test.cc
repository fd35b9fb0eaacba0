#include "conmon/log_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "base/core/dir_fd.h"
#include "base/core/file.h"

namespace crisp::conmon {
namespace {

class LogFileTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/crisp-log-file-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    path_ = dir_ + "/a/b/0.log";
  }
  void TearDown() override { EXPECT_TRUE(RemoveTreeAt(dir_).ok()); }
  std::string Content(const std::string& path) {
    const Result<std::string> text = ReadFile(path);
    return text.ok() ? *text : text.status().ToString();
  }
  std::string dir_;
  std::string path_;
};

TEST_F(LogFileTest, OpensWithParentsAndAppends) {
  LogFile log;
  ASSERT_TRUE(log.Open(path_).ok());
  log.WriteLines("one\n");
  LogFile second;
  ASSERT_TRUE(second.Open(path_).ok());
  second.WriteLines("two\n");
  EXPECT_EQ(Content(path_), "one\ntwo\n");
  EXPECT_EQ(log.logged_bytes(), 4u);
  EXPECT_EQ(log.dropped_bytes(), 0u);
}

TEST_F(LogFileTest, NoPathDiscards) {
  LogFile log;
  EXPECT_TRUE(log.Open("").ok());
  log.WriteLines("x\n");
  EXPECT_EQ(log.logged_bytes(), 0u);
  EXPECT_EQ(log.Reopen().code(), Code::kFailedPrecondition);
}

TEST_F(LogFileTest, ReopenFollowsTheNameNotTheFile) {
  LogFile log;
  ASSERT_TRUE(log.Open(path_).ok());
  log.WriteLines("old\n");
  ASSERT_EQ(::rename(path_.c_str(), (path_ + ".1").c_str()), 0);
  log.WriteLines("still old\n");
  ASSERT_TRUE(log.Reopen().ok());
  EXPECT_EQ(Content(path_), "");
  log.WriteLines("new\n");
  EXPECT_EQ(Content(path_ + ".1"), "old\nstill old\n");
  EXPECT_EQ(Content(path_), "new\n");
}

TEST_F(LogFileTest, OnlyRegularFilesAndNoSymlinks) {
  ASSERT_TRUE(EnsureDirectory(dir_ + "/a/b").ok());
  LogFile log;
  ASSERT_EQ(::symlink("/etc/passwd", path_.c_str()), 0);
  EXPECT_FALSE(log.Open(path_).ok());
  ::unlink(path_.c_str());
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(log.Open(path_).ok()) << "must not wait for a reader either";
  ::unlink(path_.c_str());
  ASSERT_TRUE(EnsureDirectory(path_).ok());
  EXPECT_FALSE(log.Open(path_).ok());
  EXPECT_EQ(log.Open("name").code(), Code::kInvalidArgument);
  EXPECT_EQ(log.Open("/dir/").code(), Code::kInvalidArgument);
}

TEST_F(LogFileTest, NoSymlinkBelowTheTrustedDirectory) {
  const std::string outside = dir_ + "/outside";
  ASSERT_TRUE(EnsureDirectory(outside).ok());
  ASSERT_TRUE(EnsureDirectory(dir_ + "/real/pod").ok());
  // Above is the node's business: /var/log may be a link.
  ASSERT_EQ(::symlink("real", (dir_ + "/logs").c_str()), 0);
  const std::string trusted = dir_ + "/logs/pod";
  ASSERT_EQ(::symlink(outside.c_str(), (dir_ + "/real/pod/main").c_str()), 0);
  LogFile log;
  EXPECT_EQ(log.Open(trusted + "/main/0.log", trusted).sys_errno(), ENOTDIR);
  EXPECT_FALSE(PathExists(outside + "/0.log"));
  EXPECT_FALSE(log.enabled());
  EXPECT_TRUE(log.Open(trusted + "/other/0.log", trusted).ok());
  EXPECT_TRUE(PathExists(dir_ + "/real/pod/other/0.log"));
  EXPECT_EQ(log.Open(trusted + "/../0.log", trusted).code(), Code::kInvalidArgument);
  EXPECT_EQ(log.Open(dir_ + "/logs/podium/0.log", trusted).code(), Code::kInvalidArgument);
}

TEST_F(LogFileTest, ReopenStaysInItsDirectory) {
  LogFile log;
  ASSERT_TRUE(log.Open(path_).ok());
  // A container that can write to the log directory exchanges it for a link.
  ASSERT_EQ(::rename((dir_ + "/a/b").c_str(), (dir_ + "/a/moved").c_str()), 0);
  ASSERT_TRUE(EnsureDirectory(dir_ + "/outside").ok());
  ASSERT_EQ(::symlink("../outside", (dir_ + "/a/b").c_str()), 0);
  ASSERT_EQ(::unlink((dir_ + "/a/moved/0.log").c_str()), 0);
  ASSERT_TRUE(log.Reopen().ok());
  EXPECT_FALSE(PathExists(dir_ + "/outside/0.log"));
  EXPECT_TRUE(PathExists(dir_ + "/a/moved/0.log"));
}

TEST_F(LogFileTest, ReopenMakesADirectoryAgainThatWasRemoved) {
  LogFile log;
  ASSERT_TRUE(log.Open(path_, dir_).ok());
  ASSERT_TRUE(RemoveTreeAt(dir_ + "/a").ok());
  ASSERT_TRUE(log.Reopen().ok());
  log.WriteLines("new\n");
  EXPECT_EQ(Content(path_), "new\n");
}

// RLIMIT_FSIZE makes write(2) short and then fail, like a disk that fills up.
TEST_F(LogFileTest, AShortWriteLeavesNoHalfRecord) {
  ASSERT_NE(::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  LogFile log;
  ASSERT_TRUE(log.Open(path_).ok());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{25, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  log.WriteLines("0123456789\n0123456789\n0123456789\n");
  log.WriteLines("a long line that cannot fit\n");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  log.WriteLines("after\n");
  EXPECT_EQ(Content(path_), "0123456789\n0123456789\nafter\n");
  EXPECT_EQ(log.logged_bytes(), 28u);
  EXPECT_EQ(log.dropped_bytes(), 11u + 28u);
}

}  // namespace
}  // namespace crisp::conmon
