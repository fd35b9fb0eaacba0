// What a spec is in a pod with a user namespace (cri-contract 6.2).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "oci/spec_parts.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class UsernsSpecTest : public ::testing::Test {
 protected:
  UsernsSpecTest() {
    request_ = SmallRequest(rootfs_);
    request_.user_ns =
        RequestedUserNamespace{"/run/ns/user", {0, 300000, 65536}, {0, 400000, 65536}};
    features_.recursive_read_only = true;
    request_.features = &features_;
  }
  Result<Spec> Build() {
    BuiltSpec built = CRISP_TRY(BuildSpecOn(request_, "/run/state/c", host_));
    return std::move(built.spec);
  }
  SpecMount MountAt(const std::string& destination) {
    const Spec spec = Build().value();
    const auto at =
        std::find_if(spec.mounts.begin(), spec.mounts.end(),
                     [&](const SpecMount& mount) { return mount.destination == destination; });
    return at == spec.mounts.end() ? SpecMount{} : *at;
  }

  TestRootfs rootfs_;
  HostFacts host_ = FullHost();
  RuntimeFeatures features_;
  ContainerRequest request_;
};

TEST_F(UsernsSpecTest, JoinsByPathAndHasTheMappings) {
  const Spec spec = Build().value();
  ASSERT_FALSE(spec.namespaces.empty());
  // First: the others are entered with its rights.
  EXPECT_EQ(spec.namespaces[0].type, "user");
  EXPECT_EQ(spec.namespaces[0].path, "/run/ns/user");
  const std::string json = ToJson(spec).value();
  EXPECT_THAT(json, HasSubstr(R"("uidMappings":[{"containerID":0,"hostID":300000,"size":65536}])"));
  EXPECT_THAT(json, HasSubstr(R"("gidMappings":[{"containerID":0,"hostID":400000,"size":65536}])"));
  request_.user_ns.reset();
  EXPECT_THAT(ToJson(Build().value()).value(), Not(HasSubstr("uidMappings")));
}

TEST_F(UsernsSpecTest, UsersOutsideOfTheMappingAreRefused) {
  request_.user.uid = 65535;
  request_.user.gid = 65535;
  EXPECT_TRUE(Build().ok());
  request_.user.uid = 65536;
  const Status uid = Build().status();
  EXPECT_EQ(uid.code(), Code::kInvalidArgument);
  EXPECT_THAT(uid.message(),
              HasSubstr("user 65536 is not in the pod's user namespace, which has the ids 0 to "
                        "65535"));
  request_.user.uid = 1;
  request_.user.gid = 70000;
  EXPECT_THAT(Build().status().message(), HasSubstr("group 70000"));
  request_.user.gid = 1;
  request_.user.supplemental_groups = {80000};
  EXPECT_THAT(Build().status().message(), HasSubstr("supplemental group 80000"));
}

TEST_F(UsernsSpecTest, HostNetworkBindsSysfs) {
  EXPECT_EQ(MountAt("/sys").type, "sysfs");
  request_.host_network = true;
  request_.network_ns.reset();
  request_.uts_ns.reset();
  const SpecMount sysfs = MountAt("/sys");
  EXPECT_EQ(sysfs.type, "bind");
  EXPECT_EQ(sysfs.source, "/sys");
  EXPECT_THAT(sysfs.options, Contains("rbind"));
  EXPECT_THAT(sysfs.options, Contains("rro"));
  features_.recursive_read_only = false;
  EXPECT_THAT(MountAt("/sys").options, Contains("ro"));
  request_.user_ns.reset();
  EXPECT_EQ(MountAt("/sys").type, "sysfs");
}

TEST_F(UsernsSpecTest, SmallMappingsHaveNoTtyGroup) {
  EXPECT_THAT(MountAt("/dev/pts").options, Contains("gid=5"));
  request_.user_ns->gids.size = 6;
  EXPECT_THAT(MountAt("/dev/pts").options, Contains("gid=5"));
  request_.user_ns->gids.size = 5;
  EXPECT_THAT(MountAt("/dev/pts").options, Not(Contains("gid=5")));
}

TEST_F(UsernsSpecTest, FlagsOfTheSourceStay) {
  // /proc is mounted nosuid, nodev, noexec on most machines; look what it is here.
  request_.mounts = {HostMount("/p", "/proc"), HostMount("/q", "/proc")};
  request_.mounts[1].readonly = true;
  const SpecMount mount = MountAt("/q");
  EXPECT_THAT(mount.options, Contains("ro"));
  EXPECT_EQ(std::count(mount.options.begin(), mount.options.end(), "ro"), 1);
}

// crun before 1.9 forgets them. /proc and /sys/fs are mounts below / everywhere.
TEST_F(UsernsSpecTest, OldCrunGetsSubmountsOneByOne) {
  request_.mounts = {HostMount("/host", "/")};
  request_.mounts[0].readonly = true;
  EXPECT_EQ(MountAt("/host/proc").destination, "");
  features_.kind = "crun";
  features_.version = "1.9";
  EXPECT_EQ(MountAt("/host/proc").destination, "");
  features_.version = "1.8.1";
  const SpecMount below = MountAt("/host/proc");
  EXPECT_EQ(below.source, "/proc");
  EXPECT_THAT(below.options, Contains("rw"));
  EXPECT_THAT(MountAt("/host").options, Contains("ro"));
  const Spec spec = Build().value();
  const auto at = [&](const std::string& destination) {
    return std::find_if(spec.mounts.begin(), spec.mounts.end(),
                        [&](const SpecMount& mount) { return mount.destination == destination; });
  };
  EXPECT_LT(at("/host"), at("/host/proc"));
  request_.user_ns.reset();
  EXPECT_EQ(MountAt("/host/proc").destination, "");
}

TEST_F(UsernsSpecTest, NewDirectoriesBelongToContainerRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to change owners";
  rootfs_.Write("home/x/file", "");
  for (const char* dir : {"/home", "/home/x"}) {
    ASSERT_EQ(::chown((rootfs_.path() + dir).c_str(), 300007, 400007), 0);
  }
  request_.working_dir = "/home/x/new/deeper";
  ASSERT_TRUE(Build().ok());
  const auto owner = [this](const std::string& path) {
    struct stat st {};
    EXPECT_EQ(::stat((rootfs_.path() + path).c_str(), &st), 0) << path;
    return Cat(st.st_uid, ':', st.st_gid);
  };
  EXPECT_EQ(owner("/home/x"), "300007:400007");
  EXPECT_EQ(owner("/home/x/new"), "300000:400000");
  EXPECT_EQ(owner("/home/x/new/deeper"), "300000:400000");
}

}  // namespace
}  // namespace crisp::oci
