#include "base/core/reaper.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/core/child_process.h"

namespace crisp {
namespace {

pid_t StartChild(int exit_code) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(exit_code);
  return pid;
}

std::optional<ExitStatus> TakeSoon(Reaper& reaper, pid_t pid, MonoTime since) {
  for (int i = 0; i < 500; ++i) {
    if (auto status = reaper.Take(pid, since)) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return std::nullopt;
}

TEST(ReaperTest, AStatusIsGivenOnce) {
  Reaper reaper;
  const MonoTime start = MonoNow();
  const pid_t pid = StartChild(9);
  const auto status = TakeSoon(reaper, pid, start);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 9);
  EXPECT_FALSE(status->success());
  EXPECT_FALSE(reaper.Take(pid, start).has_value());
}

TEST(ReaperTest, AStatusWaitsForWhoAsksLater) {
  Reaper reaper;
  const MonoTime start = MonoNow();
  const pid_t first = StartChild(1);
  const pid_t second = StartChild(2);
  EXPECT_EQ(TakeSoon(reaper, second, start)->code, 2);
  EXPECT_EQ(TakeSoon(reaper, first, start)->code, 1);
}

TEST(ReaperTest, SignalsAndRunningChildren) {
  Reaper reaper;
  const MonoTime start = MonoNow();
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (;;) ::pause();
  }
  EXPECT_FALSE(reaper.Take(pid, start).has_value());
  ::kill(pid, SIGKILL);
  const auto status = TakeSoon(reaper, pid, start);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->signal, SIGKILL);
  EXPECT_EQ(status->code, 137);
}

TEST(ReaperTest, TheStatusOfAnEarlierProcessWithThisPidDoesNotCount) {
  Reaper reaper;
  const pid_t pid = StartChild(3);
  for (int i = 0; i < 500 && ::kill(pid, 0) == 0; ++i) {
    reaper.ReapAll();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_FALSE(reaper.Take(pid, MonoNow()).has_value());
}

TEST(ReaperTest, OrphansComeToTheSubreaper) {
  Reaper reaper;
  ASSERT_TRUE(Reaper::BecomeSubreaper().ok());
  RunOptions run;
  run.argv = {"/bin/sh", "-c", "(sleep 0.1; exit 5) & echo $!"};
  run.reaper = &reaper;
  const MonoTime start = MonoNow();
  const auto output = crisp::Run(run);
  ASSERT_TRUE(output.ok());
  const auto status = TakeSoon(reaper, std::atoi(output->stdout_data.c_str()), start);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 5);
}

TEST(ReaperTest, NoChildrenIsFine) {
  Reaper reaper;
  reaper.ReapAll();
  EXPECT_FALSE(reaper.Take(1, MonoNow()).has_value());
}

}  // namespace
}  // namespace crisp
