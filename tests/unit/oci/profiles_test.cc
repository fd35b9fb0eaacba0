// AppArmor, on machines that are described rather than present.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/apparmor.h"
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

// A node that is a container itself sees the kernel's switch, but no profiles.
TEST_F(ApparmorTest, WithoutSecurityfs) {
  host_.apparmor_profiles = files_.path() + "/not-mounted/profiles";
  EXPECT_THAT(*Resolve(), IsEmpty());
  request_.apparmor = RequestedProfile{Type::kUnconfined, ""};
  EXPECT_EQ(*Resolve(), "unconfined");
  request_.apparmor = RequestedProfile{Type::kLocalhost, "deny-write"};
  const Status status = Resolve().status();
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("'deny-write'"));
  EXPECT_THAT(status.message(), HasSubstr("not-mounted/profiles"));
}

}  // namespace
}  // namespace crisp::oci
