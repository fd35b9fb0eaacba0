#include "server/notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/core/unique_fd.h"

namespace crisp {
namespace {

std::string Receive(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  EXPECT_TRUE(NotifySystemd("READY=1").ok());
  ::unsetenv("NOTIFY_SOCKET");
  char buffer[64];
  const ssize_t n = ::recv(socket.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
  return n < 0 ? std::string("nothing") : std::string(buffer, static_cast<size_t>(n));
}

TEST(NotifyTest, ReachesPathAndAbstractSockets) {
  const std::string path = ::testing::TempDir() + "/crisp-notify-" + std::to_string(::getpid());
  EXPECT_EQ(Receive(path), "READY=1");
  ::unlink(path.c_str());
  EXPECT_EQ(Receive("@crisp-notify-" + std::to_string(::getpid())), "READY=1");
}

TEST(NotifyTest, NothingToDoAndNonsense) {
  ::unsetenv("NOTIFY_SOCKET");
  EXPECT_TRUE(NotifySystemd("READY=1").ok());
  ::setenv("NOTIFY_SOCKET", "relative", 1);
  EXPECT_EQ(NotifySystemd("READY=1").code(), Code::kInvalidArgument);
  ::setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
  EXPECT_FALSE(NotifySystemd("READY=1").ok());
  ::unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace crisp
