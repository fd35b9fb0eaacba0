// AppArmor and SELinux, on machines that are described rather than present.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/apparmor.h"
#include "oci/selinux.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Type = RequestedProfile::Type;

class ApparmorTest : public ::testing::Test {
 protected:
  ApparmorTest() {
    files_.Write("profiles",
                 "crisp-default (enforce)\ndeny-write (enforce)\nlong-name (complain)\n");
    host_.apparmor = true;
    host_.apparmor_profiles = files_.path() + "/profiles";
  }
  Result<std::string> Resolve() { return ResolveApparmor(request_, host_); }
  TestRootfs files_;
  HostFacts host_ = FullHost();
  ContainerRequest request_;
};

TEST_F(ApparmorTest, Values) {
  EXPECT_EQ(*Resolve(), "crisp-default");
  request_.apparmor_profile = "runtime/default";
  EXPECT_EQ(*Resolve(), "crisp-default");
  request_.apparmor_profile = "unconfined";
  EXPECT_EQ(*Resolve(), "unconfined");
  request_.apparmor_profile = "localhost/deny-write";
  EXPECT_EQ(*Resolve(), "deny-write");
  request_.apparmor_profile = "deny-write";
  EXPECT_EQ(Resolve().status().code(), Code::kInvalidArgument);
}

TEST_F(ApparmorTest, TheFieldWins) {
  request_.apparmor_profile = "localhost/missing";
  for (const char* ref : {"deny-write", "localhost/deny-write"}) {
    request_.apparmor = RequestedProfile{Type::kLocalhost, ref};
    EXPECT_EQ(*Resolve(), "deny-write");
  }
  request_.apparmor = RequestedProfile{};
  EXPECT_EQ(*Resolve(), "crisp-default");
  request_.apparmor = RequestedProfile{Type::kUnconfined, "x"};
  EXPECT_EQ(Resolve().status().code(), Code::kInvalidArgument);
}

TEST_F(ApparmorTest, ProfilesMustBeLoaded) {
  for (const char* name : {"missing", "deny", "long", "name"}) {
    request_.apparmor = RequestedProfile{Type::kLocalhost, name};
    const Status status = Resolve().status();
    EXPECT_EQ(status.code(), Code::kNotFound) << name;
    EXPECT_THAT(status.message(), HasSubstr(name));
  }
  request_.apparmor = RequestedProfile{Type::kLocalhost, "localhost/"};
  EXPECT_EQ(Resolve().status().code(), Code::kInvalidArgument);
}

TEST_F(ApparmorTest, PrivilegedAndDisabledHosts) {
  request_.privileged = true;
  EXPECT_THAT(*Resolve(), IsEmpty());
  request_.privileged = false;
  host_.apparmor = false;
  EXPECT_THAT(*Resolve(), IsEmpty());
  request_.apparmor = RequestedProfile{Type::kUnconfined, ""};
  EXPECT_THAT(*Resolve(), IsEmpty());
  request_.apparmor = RequestedProfile{Type::kLocalhost, "deny-write"};
  EXPECT_EQ(Resolve().status().code(), Code::kFailedPrecondition);
}

TEST(Selinux, Labels) {
  HostFacts host = FullHost();
  ContainerRequest request;
  request.selinux = RequestedSelinux{"", "", "", "s0,c4,c5"};
  EXPECT_THAT(ResolveSelinux(request, host)->process, IsEmpty()) << "no SELinux: ignored";
  host.selinux = true;
  const Status status = ResolveSelinux(request, host).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("s0,c4,c5"));

  request.selinux = RequestedSelinux{"", "", "svirt_lxc_net_t", "s0:c4,c5"};
  EXPECT_EQ(ResolveSelinux(request, host)->process, "system_u:system_r:svirt_lxc_net_t:s0:c4,c5");
  EXPECT_EQ(ResolveSelinux(request, host)->mount, "system_u:object_r:container_file_t:s0:c4,c5");
  request.selinux.reset();
  EXPECT_EQ(ResolveSelinux(request, host)->process, "system_u:system_r:container_t:s0");
  request.privileged = true;
  EXPECT_EQ(ResolveSelinux(request, host)->process, "system_u:system_r:spc_t:s0");
}

TEST(Selinux, Levels) {
  HostFacts host = FullHost();
  host.selinux = true;
  ContainerRequest request;
  for (const char* good :
       {"s0", "s15", "s0:c1", "s0:c1,c2", "s0:c0.c1023", "s0-s0:c0.c1023", "s0:c1.c3,c7"}) {
    request.selinux = RequestedSelinux{"", "", "", good};
    EXPECT_TRUE(ResolveSelinux(request, host).ok()) << good;
  }
  for (const char* bad :
       {"0", "s", "s0:", "s0:c", "s0:c1,", "s0:c1.", "s0:c1.5", "s0-", "x0", "s0 ", "s0:c1;c2"}) {
    request.selinux = RequestedSelinux{"", "", "", bad};
    EXPECT_EQ(ResolveSelinux(request, host).status().code(), Code::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace crisp::oci
