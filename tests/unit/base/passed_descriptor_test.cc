#include "base/core/passed_descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <vector>

namespace crisp {
namespace {

size_t OpenDescriptors() {
  size_t count = 0;
  for (const auto& unused : std::filesystem::directory_iterator("/proc/self/fd")) {
    (void)unused;
    ++count;
  }
  return count;
}

class PassedDescriptorTest : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ours_ = UniqueFd(ends[0]);
    theirs_ = UniqueFd(ends[1]);
  }
  void Send(const std::vector<int>& fds) {
    char byte = 'x';
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
      std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
    }
    ASSERT_EQ(::sendmsg(theirs_.get(), &message, 0), 1);
  }
  UniqueFd Receive() {
    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    EXPECT_EQ(::recvmsg(ours_.get(), &message, MSG_CMSG_CLOEXEC), 1);
    return TakeDescriptor(&message);
  }
  UniqueFd ours_;
  UniqueFd theirs_;
};

TEST_F(PassedDescriptorTest, TheFirstIsTakenAndTheOthersAreClosed) {
  UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  UniqueFd zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  const size_t before = OpenDescriptors();
  Send({zero.get(), null.get(), null.get()});
  UniqueFd taken = Receive();
  ASSERT_TRUE(taken);
  char byte = 'x';
  EXPECT_EQ(::read(taken.get(), &byte, 1), 1) << "zero, not null";
  EXPECT_EQ(OpenDescriptors(), before + 1);
  EXPECT_NE(::fcntl(taken.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(PassedDescriptorTest, AMessageWithoutOne) {
  Send({});
  EXPECT_FALSE(Receive());
}

}  // namespace
}  // namespace crisp
