#include "oci/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(Capabilities, DefaultSet) {
  const auto caps = ResolveCapabilities({}, FullHost());
  ASSERT_TRUE(caps.ok());
  EXPECT_THAT(caps->bounding, SizeIs(14));
  EXPECT_THAT(caps->bounding, Contains("CAP_MKNOD"));
  EXPECT_THAT(caps->bounding, Contains("CAP_NET_RAW"));
  EXPECT_THAT(caps->bounding, Not(Contains("CAP_SYS_ADMIN")));
  EXPECT_EQ(caps->effective, caps->bounding);
  EXPECT_EQ(caps->permitted, caps->bounding);
  EXPECT_THAT(caps->inheritable, IsEmpty());
  EXPECT_THAT(caps->ambient, IsEmpty());
}

TEST(Capabilities, AddAndDrop) {
  CapabilityRequest request;
  request.defaults = {"CHOWN", "cap_kill"};
  request.add = {"net_admin", "CAP_SYS_TIME"};
  request.drop = {"KILL", "Sys_Time"};
  const auto caps = ResolveCapabilities(request, FullHost());
  ASSERT_TRUE(caps.ok());
  EXPECT_THAT(caps->bounding, ElementsAre("CAP_CHOWN", "CAP_NET_ADMIN"));
}

TEST(Capabilities, AllInAddAndDrop) {
  CapabilityRequest request;
  request.add = {"ALL"};
  request.drop = {"NET_RAW"};
  EXPECT_THAT(ResolveCapabilities(request, FullHost())->bounding, SizeIs(40));
  request.add = {"NET_BIND_SERVICE"};
  request.drop = {"all"};
  EXPECT_THAT(ResolveCapabilities(request, FullHost())->bounding,
              ElementsAre("CAP_NET_BIND_SERVICE"));
  request.add = {"ALL"};
  request.drop = {"ALL"};
  EXPECT_THAT(ResolveCapabilities(request, FullHost())->bounding, IsEmpty());
}

TEST(Capabilities, AmbientIsAddedToEverySet) {
  CapabilityRequest request;
  request.drop = {"ALL"};
  request.add_ambient = {"NET_BIND_SERVICE"};
  const auto caps = ResolveCapabilities(request, FullHost());
  ASSERT_TRUE(caps.ok());
  for (const auto* set :
       {&caps->bounding, &caps->effective, &caps->permitted, &caps->inheritable, &caps->ambient}) {
    EXPECT_THAT(*set, ElementsAre("CAP_NET_BIND_SERVICE"));
  }
  request.drop = {"NET_BIND_SERVICE"};
  EXPECT_THAT(ResolveCapabilities(request, FullHost())->ambient, IsEmpty());
}

TEST(Capabilities, ClampedToTheBoundingSet) {
  HostFacts host = FullHost();
  host.bounding_capabilities &= ~(uint64_t{1} << 24);  // no CAP_SYS_RESOURCE
  CapabilityRequest request;
  request.add = {"SYS_RESOURCE", "NET_ADMIN"};
  const auto caps = ResolveCapabilities(request, host);
  ASSERT_TRUE(caps.ok()) << "known to the kernel, but not ours: left out";
  EXPECT_THAT(caps->bounding, Contains("CAP_NET_ADMIN"));
  EXPECT_THAT(caps->bounding, Not(Contains("CAP_SYS_RESOURCE")));
  request.add = {"ALL"};
  EXPECT_THAT(ResolveCapabilities(request, host)->bounding, SizeIs(40));
  request = {};
  request.privileged = true;
  EXPECT_THAT(ResolveCapabilities(request, host)->bounding, SizeIs(40));
}

TEST(Capabilities, OlderKernel) {
  HostFacts host = FullHost();
  host.kernel_capabilities = (uint64_t{1} << 38) - 1;  // before PERFMON, BPF, CHECKPOINT_RESTORE
  CapabilityRequest request;
  request.add = {"ALL", "BPF"};
  EXPECT_THAT(ResolveCapabilities(request, host)->bounding, SizeIs(38));
}

TEST(Capabilities, UnknownNames) {
  for (int field = 0; field < 4; ++field) {
    CapabilityRequest request;
    (field == 0   ? request.defaults
     : field == 1 ? request.add
     : field == 2 ? request.drop
                  : request.add_ambient) = {"NET_ADMIN", "MAKE_COFFEE"};
    const Status status = ResolveCapabilities(request, FullHost()).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("MAKE_COFFEE"));
  }
}

TEST(HostFactsTest, ThisMachine) {
  const HostFacts host = ReadHostFacts();
  EXPECT_NE(host.kernel_capabilities & 1, 0u);
  EXPECT_GE(host.kernel_major, 4);
}

TEST(HostFactsTest, Masks) {
  const std::string status = "Name:\tCapBnd:\nCapEff:\t00\nCapBnd:\t000001ffffffffff\nX:\tf";
  EXPECT_EQ(StatusMask(status, "CapBnd:"), 0x1ffffffffffu);
  EXPECT_EQ(StatusMask(status, "CapEff:"), 0u);
  EXPECT_EQ(StatusMask(status, "X:"), 15u);
  EXPECT_EQ(StatusMask("A:\tffffffffffffffff\n", "A:"), ~uint64_t{0});
  for (const char* text : {"", "A:", "A:\n", "A:\t0x1\n", "A:\t1 2\n", "A:\t1g\n", "A:\t-1\n",
                           "A:\t10000000000000000\n", "B:\tA:\t1\n"}) {
    EXPECT_EQ(StatusMask(text, "A:"), 0u) << text;
  }
}

}  // namespace
}  // namespace crisp::oci
