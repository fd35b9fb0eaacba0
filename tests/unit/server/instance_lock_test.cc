#include "server/instance_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include "base/core/dir_fd.h"
#include "base/core/file.h"

namespace crisp {
namespace {

class InstanceLockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = JoinPath(::testing::TempDir(), "crisp-lock-XXXXXX");
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    dir_ = path;
  }
  void TearDown() override { EXPECT_TRUE(RemoveTreeAt(dir_).ok()); }

  UniqueFd BindSocket(const std::string& path, bool listen) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    if (listen) {
      EXPECT_EQ(::listen(socket.get(), 1), 0);
    }
    return socket;
  }
  std::string dir_;
};

TEST_F(InstanceLockTest, SecondOneLearnsThePid) {
  const std::string directory = JoinPath(dir_, "new/state");
  {
    const Result<InstanceLock> first = InstanceLock::Acquire(directory, 0711);
    ASSERT_TRUE(first.ok()) << first.status().ToString();
    const Result<InstanceLock> second = InstanceLock::Acquire(directory, 0711, Duration::zero());
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.status().code(), Code::kFailedPrecondition);
    EXPECT_THAT(second.status().message(), ::testing::HasSubstr(Cat("(pid ", ::getpid(), ")")));
  }
  EXPECT_TRUE(InstanceLock::Acquire(directory, 0711).ok());
}

TEST_F(InstanceLockTest, ThePidOfAnEarlierOneIsReplaced) {
  const std::string file = JoinPath(dir_, "crispd.lock");
  ASSERT_TRUE(WriteFile(file, "12345678901\n").ok());
  const Result<InstanceLock> lock = InstanceLock::Acquire(dir_, 0711);
  ASSERT_TRUE(lock.ok()) << lock.status().ToString();
  EXPECT_EQ(*ReadFile(file), Cat(::getpid(), '\n'));
}

// A limit of the file size stands for a disk that has no block left.
TEST_F(InstanceLockTest, AFullDiskIsNoReasonNotToStart) {
  const std::string file = JoinPath(dir_, "crispd.lock");
  ASSERT_TRUE(WriteFile(file, "123\n").ok());
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  rlimit none = usual;
  none.rlim_cur = 0;
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  const Result<InstanceLock> lock = InstanceLock::Acquire(dir_, 0711);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_TRUE(lock.ok()) << lock.status().ToString();
  EXPECT_EQ(*ReadFile(file), "123\n") << "the block is kept";
}

TEST_F(InstanceLockTest, WaitsForOneThatIsGoing) {
  auto first = std::make_unique<InstanceLock>(std::move(InstanceLock::Acquire(dir_, 0711)).value());
  std::thread going([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    first.reset();
  });
  EXPECT_TRUE(InstanceLock::Acquire(dir_, 0711, std::chrono::seconds(10)).ok());
  going.join();
}

TEST_F(InstanceLockTest, StaleSocketIsReplacedLiveOneIsNot) {
  const std::string path = JoinPath(dir_, "s");
  EXPECT_TRUE(EnsureSocketFree(path).ok());
  BindSocket(path, true).Reset();  // its process is gone
  EXPECT_TRUE(PathExists(path));
  EXPECT_TRUE(EnsureSocketFree(path).ok());
  EXPECT_FALSE(PathExists(path));
  const UniqueFd live = BindSocket(path, true);
  EXPECT_EQ(EnsureSocketFree(path).code(), Code::kAlreadyExists);
  EXPECT_TRUE(PathExists(path));
}

TEST_F(InstanceLockTest, OtherFilesAreLeftAlone) {
  const std::string path = JoinPath(dir_, "file");
  ASSERT_TRUE(WriteFile(path, "precious").ok());
  EXPECT_EQ(EnsureSocketFree(path).code(), Code::kFailedPrecondition);
  EXPECT_EQ(*ReadFile(path), "precious");
}

}  // namespace
}  // namespace crisp
