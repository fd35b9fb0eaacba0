#include "base/core/pidfd.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace crisp {
namespace {

TEST(Pidfd, OfALivingProcess) {
  const auto fd = OpenPidfd(::getpid());
  ASSERT_TRUE(fd.ok()) << fd.status().ToString();
  pollfd ended{fd->get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 0), 0);
}

TEST(Pidfd, OfWhatIsGone) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(OpenPidfd(child).status().code(), Code::kNotFound);
  EXPECT_EQ(OpenPidfd(0).status().code(), Code::kNotFound);
}

// The kernel's answer is the same for a process whose task is gone before its number.
TEST(Pidfd, OfANumberThatIsNoProcess) {
  std::atomic<pid_t> id{0};
  std::atomic<bool> end{false};
  std::thread thread([&] {
    id = ::gettid();
    id.notify_one();
    end.wait(false);
  });
  id.wait(0);
  EXPECT_EQ(OpenPidfd(id).status().code(), Code::kNotFound);
  end = true;
  end.notify_one();
  thread.join();
}

}  // namespace
}  // namespace crisp
