#include "base/core/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <type_traits>

namespace crisp {
namespace {

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
UniqueFd OpenNull() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

static_assert(!std::is_copy_constructible_v<UniqueFd>);
static_assert(!std::is_copy_assignable_v<UniqueFd>);
static_assert(std::is_nothrow_move_constructible_v<UniqueFd>);
static_assert(std::is_nothrow_move_assignable_v<UniqueFd>);

TEST(UniqueFdTest, DefaultIsEmpty) {
  const UniqueFd fd;
  EXPECT_FALSE(fd);
  EXPECT_EQ(fd.get(), -1);
}

TEST(UniqueFdTest, DestructorCloses) {
  int number;
  {
    const UniqueFd fd = OpenNull();
    number = fd.get();
    ASSERT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(UniqueFdTest, MoveConstructionLeavesNothingBehind) {
  UniqueFd a = OpenNull();
  const int number = a.get();
  const UniqueFd b(std::move(a));
  EXPECT_FALSE(a.valid());  // NOLINT: that is the test
  EXPECT_EQ(b.get(), number);
  EXPECT_TRUE(IsOpen(number));
}

TEST(UniqueFdTest, MoveAssignmentClosesTheOldOne) {
  UniqueFd a = OpenNull();
  UniqueFd b = OpenNull();
  const int old = a.get();
  const int kept = b.get();
  a = std::move(b);
  EXPECT_FALSE(IsOpen(old));
  EXPECT_TRUE(IsOpen(kept));
  EXPECT_EQ(a.get(), kept);
  EXPECT_FALSE(b.valid());  // NOLINT
}

TEST(UniqueFdTest, MoveAssignmentToItselfKeeps) {
  UniqueFd a = OpenNull();
  const int number = a.get();
  UniqueFd& alias = a;
  a = std::move(alias);
  EXPECT_EQ(a.get(), number);
  EXPECT_TRUE(IsOpen(number));
}

TEST(UniqueFdTest, ReleaseGivesAway) {
  UniqueFd a = OpenNull();
  const int number = a.Release();
  EXPECT_FALSE(a);
  EXPECT_TRUE(IsOpen(number));
  ::close(number);
}

TEST(UniqueFdTest, ResetClosesAndKeepsErrno) {
  UniqueFd a = OpenNull();
  const int number = a.get();
  errno = ENOTDIR;
  a.Reset();
  EXPECT_EQ(errno, ENOTDIR);
  EXPECT_FALSE(IsOpen(number));
  a.Reset();  // twice is fine
}

TEST(UniqueFdTest, CloseReports) {
  UniqueFd a = OpenNull();
  EXPECT_TRUE(a.Close().ok());
  EXPECT_FALSE(a);
  EXPECT_TRUE(a.Close().ok());
  UniqueFd stale(1'000'000);
  EXPECT_EQ(stale.Close().sys_errno(), EBADF);
}

TEST(UniqueFdTest, DuplicateIsCloseOnExec) {
  const UniqueFd a(::open("/dev/null", O_RDONLY));
  const UniqueFd b = a.Duplicate().value();
  EXPECT_NE(a.get(), b.get());
  EXPECT_EQ(::fcntl(b.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(UniqueFd().Duplicate().status().sys_errno(), EBADF);
}

TEST(UniqueFdTest, PairsAreCloseOnExec) {
  const FdPair pipe = MakePipe(O_NONBLOCK).value();
  const FdPair sockets = MakeSocketPair(SOCK_SEQPACKET).value();
  for (const int fd : {pipe.first.get(), pipe.second.get(), sockets.first.get()}) {
    EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
  }
  ASSERT_EQ(::write(pipe.second.get(), "x", 1), 1);
  char c;
  EXPECT_EQ(::read(pipe.first.get(), &c, 1), 1);
  EXPECT_TRUE(SetNonBlocking(pipe.first.get(), false).ok());
  EXPECT_EQ(::fcntl(pipe.first.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(SetNonBlocking(-1).sys_errno(), EBADF);
}

}  // namespace
}  // namespace crisp
