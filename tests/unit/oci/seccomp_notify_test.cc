#include "oci/seccomp_notify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>

namespace crisp::oci {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

SeccompContext Plain() {
  SeccompContext context;
  context.capabilities = {"CAP_CHOWN"};
  context.kernel_major = 6;
  context.kernel_minor = 1;
  return context;
}

std::vector<std::string> NamesWith(const SeccompProfile& profile, const std::string& action) {
  std::vector<std::string> out;
  for (const SeccompRule& rule : profile.rules) {
    if (rule.action == action) out.insert(out.end(), rule.names.begin(), rule.names.end());
  }
  return out;
}

TEST(SeccompNotify, WhatTheDefaultProfileBlocksIsReported) {
  SeccompProfile profile = DefaultSeccompProfile(Plain());
  MakeNotifying("c1", "/run/x.sock", &profile);
  EXPECT_EQ(profile.listener_path, "/run/x.sock");
  EXPECT_EQ(profile.default_action, "SCMP_ACT_ERRNO") << "runc refuses NOTIFY there";
  const auto notified = NamesWith(profile, "SCMP_ACT_NOTIFY");
  for (const char* call : {"mount", "swapoff", "unshare", "keyctl", "reboot"}) {
    EXPECT_THAT(notified, Contains(call));
  }
  for (const char* call : {"write", "read", "socket", "personality", "clone", "clone3"}) {
    EXPECT_THAT(notified, Not(Contains(call)));
  }
  EXPECT_THAT(NamesWith(profile, "SCMP_ACT_ERRNO"), Contains("clone3")) << "ENOSYS, all the time";
  EXPECT_TRUE(ValidateSeccomp(&profile).ok());
  const auto data = DecodeListenerData(profile.listener_metadata);
  ASSERT_TRUE(data.ok()) << data.status().ToString();
  EXPECT_EQ(data->container_id, "c1");
  EXPECT_EQ(data->errno_ret, EPERM);
  EXPECT_THAT(data->of_calls, IsEmpty());
}

TEST(SeccompNotify, RulesKeepTheirErrnos) {
  SeccompProfile profile;
  profile.default_action = "SCMP_ACT_ALLOW";
  profile.flags = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"};
  profile.rules = {{{"mkdir", "write"}, "SCMP_ACT_ERRNO", EACCES, {}},
                   {{"rmdir"}, "SCMP_ACT_ERRNO", {}, {}},
                   {{"reboot"}, "SCMP_ACT_KILL_PROCESS", {}, {}}};
  MakeNotifying("c", "/s", &profile);
  EXPECT_THAT(NamesWith(profile, "SCMP_ACT_NOTIFY"), testing::ElementsAre("mkdir", "rmdir"));
  EXPECT_THAT(NamesWith(profile, "SCMP_ACT_ERRNO"), testing::ElementsAre("write"));
  EXPECT_THAT(NamesWith(profile, "SCMP_ACT_KILL_PROCESS"), testing::ElementsAre("reboot"));
  EXPECT_THAT(profile.flags, testing::ElementsAre("SECCOMP_FILTER_FLAG_LOG"));
  const auto data = DecodeListenerData(profile.listener_metadata);
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->of_calls.at("mkdir"), EACCES);
  EXPECT_FALSE(data->of_calls.contains("rmdir"));
}

TEST(SeccompNotify, ProfilesWithoutRefusalsOrWithAListenerAreLeftAlone) {
  SeccompProfile profile;
  profile.default_action = "SCMP_ACT_ALLOW";
  profile.rules = {{{"mkdir"}, "SCMP_ACT_LOG", {}, {}}};
  MakeNotifying("c", "/s", &profile);
  EXPECT_EQ(profile.listener_path, "");
  profile.rules.front().action = "SCMP_ACT_ERRNO";
  profile.listener_path = "/theirs";
  MakeNotifying("c", "/s", &profile);
  EXPECT_EQ(profile.listener_path, "/theirs");
  EXPECT_EQ(profile.rules.front().action, "SCMP_ACT_ERRNO");
}

TEST(SeccompNotify, MessagesOfRuntimes) {
  const std::string message =
      R"({"ociVersion":"1.0.2","fds":["seccompFd"],"pid":7,"metadata":"id 1 mkdir:13",)"
      R"("state":{"id":"x"}})";
  const auto data = ParseListenerMessage(message);
  ASSERT_TRUE(data.ok()) << data.status().ToString();
  EXPECT_EQ(data->container_id, "id");
  EXPECT_EQ(data->of_calls.at("mkdir"), 13);
  for (size_t length : {size_t{0}, size_t{1}, message.size() / 2, message.size() - 1}) {
    EXPECT_EQ(ParseListenerMessage(message.substr(0, length)).status().code(), Code::kUnavailable);
  }
  for (const char* wrong : {"[]", "{}", R"({"metadata":1})", R"({"metadata":""})",
                            R"({"metadata":"id x"})", R"({"metadata":"id 1 :3"})",
                            R"({"metadata":"id 1 mkdir:99999"})", R"({"metadata":"id -1"})"}) {
    EXPECT_EQ(ParseListenerMessage(wrong).status().code(), Code::kDataLoss) << wrong;
  }
}

TEST(SeccompNotify, NamesOfCalls) {
  const uint32_t native = ::seccomp_arch_native();
  EXPECT_EQ(SyscallName(native, ::seccomp_syscall_resolve_name("mount")), "mount");
  EXPECT_EQ(SyscallName(native, 100000), "syscall 100000");
}

}  // namespace
}  // namespace crisp::oci
