#include "pod/container_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/core/process_stat.h"
#include "pod_fixtures.h"

namespace crisp::pod {
namespace {

using ::testing::HasSubstr;

class TargetTest : public ::testing::Test {
 protected:
  TargetTest() {
    row_ = MakeContainerRow("target", "22");
    row_.process.container_pid = ::getpid();
    row_.process.container_start_time = ReadProcessStat(::getpid())->start_time;
  }
  Result<std::optional<std::string>> Namespace() {
    const ContainerPtr target = MakeContainer(row_, sandbox_);
    EXPECT_TRUE(env_.registry.Add(target).ok());
    ContainerRow debug = MakeContainerRow("debug", "33");
    v1::NamespaceOption& options =
        *debug.config.mutable_linux()->mutable_security_context()->mutable_namespace_options();
    options.set_pid(v1::TARGET);
    options.set_target_id("22");
    return PidNamespace(env_, *MakeContainer(debug, sandbox_));
  }
  Environment env_{Options()};
  SandboxPtr sandbox_ = MakeSandbox(MakeSandboxRow("pod", "11"));
  ContainerRow row_;
};

TEST_F(TargetTest, TheProcessOfTheContainer) {
  const auto found = Namespace();
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ(*found, Cat("/proc/", ::getpid(), "/ns/pid"));
}

// The container has ended, and its number is somebody else's by now.
TEST_F(TargetTest, AReusedNumberIsRefused) {
  --row_.process.container_start_time;
  const Status refused = Namespace().status();
  EXPECT_EQ(refused.code(), Code::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("namespace_options.target_id"));
}

// Images write "VOLUME /data/" as often as "/data".
TEST(HasMountAt, HoweverThePathsAreWritten) {
  v1::ContainerConfig config;
  for (const char* path : {"/data", "var//lib/./x/"}) config.add_mounts()->set_container_path(path);
  for (const char* path :
       {"/data", "/data/", "data", "//data/.", "/var/lib/x", "/var/lib/y/../x"}) {
    EXPECT_TRUE(HasMountAt(config, path)) << path;
  }
  for (const char* path : {"/", "/dat", "/data/below", "/var/lib", "/var/lib/x/y"}) {
    EXPECT_FALSE(HasMountAt(config, path)) << path;
  }
}

}  // namespace
}  // namespace crisp::pod
