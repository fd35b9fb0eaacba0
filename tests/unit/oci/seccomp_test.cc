#include "oci/seccomp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <seccomp.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

SeccompContext Context(std::vector<std::string> caps = {}) { return {std::move(caps), 6, 1}; }

uint32_t ActionOf(const std::string& name, unsigned errno_ret) {
  static const std::map<std::string, uint32_t> kActions = {{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
                                                           {"SCMP_ACT_KILL", SCMP_ACT_KILL},
                                                           {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
                                                           {"SCMP_ACT_LOG", SCMP_ACT_LOG}};
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(errno_ret);
  return kActions.at(name);
}

scmp_compare OperatorOf(const std::string& name) {
  static const std::map<std::string, scmp_compare> kOperators = {
      {"SCMP_CMP_NE", SCMP_CMP_NE},
      {"SCMP_CMP_LT", SCMP_CMP_LT},
      {"SCMP_CMP_LE", SCMP_CMP_LE},
      {"SCMP_CMP_EQ", SCMP_CMP_EQ},
      {"SCMP_CMP_GE", SCMP_CMP_GE},
      {"SCMP_CMP_GT", SCMP_CMP_GT},
      {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  return kOperators.at(name);
}

// Builds a filter with libseccomp from the OCI object, as a runtime does.
void ExpectCompiles(const std::string& text) {
  const json profile = json::parse(text);
  const std::string default_action = profile.at("defaultAction");
  scmp_filter_ctx filter =
      ::seccomp_init(ActionOf(default_action, profile.value("defaultErrnoRet", 1u)));
  ASSERT_NE(filter, nullptr);
  for (const std::string& name : profile.value("architectures", std::vector<std::string>())) {
    std::string lower = name.substr(10);
    std::transform(lower.begin(), lower.end(), lower.begin(), ::tolower);
    const uint32_t arch = ::seccomp_arch_resolve_name(lower.c_str());
    ASSERT_NE(arch, 0u) << name;
    const int rc = ::seccomp_arch_add(filter, arch);
    ASSERT_TRUE(rc == 0 || rc == -EEXIST) << name;
  }
  for (const json& rule : profile.at("syscalls")) {
    const uint32_t action = ActionOf(rule.at("action"), rule.value("errnoRet", 1u));
    std::vector<scmp_arg_cmp> args;
    for (const json& arg : rule.value("args", json::array())) {
      args.push_back({arg.at("index").get<unsigned>(), OperatorOf(arg.at("op")),
                      arg.at("value").get<scmp_datum_t>(), arg.at("valueTwo").get<scmp_datum_t>()});
    }
    for (const json& entry : rule.at("names")) {
      const std::string name = entry;
      const int number = ::seccomp_syscall_resolve_name(name.c_str());
      ASSERT_NE(number, __NR_SCMP_ERROR) << name;
      const int rc = ::seccomp_rule_add_array(filter, action, number,
                                              static_cast<unsigned>(args.size()), args.data());
      EXPECT_EQ(rc, 0) << name;
    }
  }
  ::seccomp_release(filter);
}

bool Allows(const SeccompProfile& profile, const std::string& name) {
  return std::any_of(profile.rules.begin(), profile.rules.end(), [&name](const SeccompRule& rule) {
    return rule.action == "SCMP_ACT_ALLOW" && rule.args.empty() &&
           std::find(rule.names.begin(), rule.names.end(), name) != rule.names.end();
  });
}

TEST(SeccompDefault, CompilesWithEverySetOfCapabilities) {
  for (const auto& caps : std::vector<std::vector<std::string>>{
           {},
           {"CAP_SYS_ADMIN"},
           {"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_CHROOT", "CAP_SYS_MODULE", "CAP_SYS_PACCT",
            "CAP_SYS_PTRACE", "CAP_SYS_RAWIO", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_SYS_NICE",
            "CAP_SYSLOG", "CAP_BPF", "CAP_PERFMON", "CAP_DAC_READ_SEARCH"}}) {
    const auto text = SeccompToJson(DefaultSeccompProfile(Context(caps)));
    ASSERT_TRUE(text.ok());
    ExpectCompiles(*text);
  }
}

TEST(SeccompDefault, WhatItAllows) {
  const SeccompProfile profile = DefaultSeccompProfile(Context());
  for (const char* name : {"read", "execve", "openat2", "futex", "epoll_wait", "rseq", "getrandom",
                           "setuid", "ptrace", "statx", "close_range"}) {
    EXPECT_TRUE(Allows(profile, name)) << name;
  }
  for (const char* name : {"mount",
                           "umount2",
                           "setns",
                           "unshare",
                           "bpf",
                           "perf_event_open",
                           "init_module",
                           "reboot",
                           "kexec_load",
                           "keyctl",
                           "add_key",
                           "request_key",
                           "userfaultfd",
                           "io_uring_setup",
                           "swapon",
                           "pivot_root",
                           "open_by_handle_at",
                           "sethostname",
                           "settimeofday",
                           "clone",
                           "clone3",
                           "iopl",
                           "chroot",
                           "socket",
                           "personality"}) {
    EXPECT_FALSE(Allows(profile, name)) << name;
  }
}

TEST(SeccompDefault, CapabilitiesOpenWhatTheyGuard) {
  struct Case {
    const char* capability;
    const char* syscall;
  };
  for (const Case& c : {Case{"CAP_SYS_ADMIN", "mount"}, Case{"CAP_SYS_ADMIN", "sethostname"},
                        Case{"CAP_SYS_ADMIN", "clone"}, Case{"CAP_SYS_ADMIN", "clone3"},
                        Case{"CAP_SYS_CHROOT", "chroot"}, Case{"CAP_SYS_BOOT", "reboot"},
                        Case{"CAP_BPF", "bpf"}, Case{"CAP_SYS_TIME", "clock_settime"}}) {
    EXPECT_TRUE(Allows(DefaultSeccompProfile(Context({c.capability})), c.syscall)) << c.syscall;
    EXPECT_FALSE(Allows(DefaultSeccompProfile(Context()), c.syscall)) << c.syscall;
  }
}

TEST(SeccompDefault, CloneWithoutNamespaces) {
  const SeccompProfile profile = DefaultSeccompProfile(Context());
  const auto rule = std::find_if(
      profile.rules.begin(), profile.rules.end(),
      [](const SeccompRule& r) { return r.names == std::vector<std::string>{"clone"}; });
  ASSERT_NE(rule, profile.rules.end());
  ASSERT_THAT(rule->args, SizeIs(1));
  EXPECT_EQ(rule->args[0].value, 0x7E020000u);
  EXPECT_EQ(rule->args[0].value_two, 0u);
  const auto clone3 = std::find_if(
      profile.rules.begin(), profile.rules.end(),
      [](const SeccompRule& r) { return r.names == std::vector<std::string>{"clone3"}; });
  ASSERT_NE(clone3, profile.rules.end());
  EXPECT_EQ(clone3->errno_ret, static_cast<unsigned>(ENOSYS));
}

constexpr const char* kDockerProfile = R"({
  "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
  "archMap": [
    {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
    {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
  "syscalls": [
    {"names": ["read", "write", "no_such_call_at_all"], "action": "SCMP_ACT_ALLOW", "args": null},
    {"name": "getpid", "action": "SCMP_ACT_ALLOW"},
    {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["umount2"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
    {"names": ["kcmp"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.1"}},
    {"names": ["acct"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "4.8"}},
    {"names": ["reboot"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["vax"]}},
    {"names": ["another_unknown_call"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args":
      [{"index": 0, "value": 4294967295, "valueTwo": 0, "op": "SCMP_CMP_EQ"}]},
    {"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
  ]})";

TEST(SeccompProfileFile, DockerFormat) {
  const auto profile = ParseSeccompProfile(kDockerProfile, Context());
  ASSERT_TRUE(profile.ok()) << profile.status().ToString();
  EXPECT_EQ(profile->default_errno_ret, 38u);
  EXPECT_TRUE(Allows(*profile, "read"));
  EXPECT_TRUE(Allows(*profile, "getpid")) << "the older form with one name";
  EXPECT_FALSE(Allows(*profile, "mount"));
  EXPECT_TRUE(Allows(*profile, "umount2"));
  EXPECT_TRUE(Allows(*profile, "ptrace"));
  EXPECT_FALSE(Allows(*profile, "kcmp"));
  EXPECT_FALSE(Allows(*profile, "acct"));
  EXPECT_FALSE(Allows(*profile, "reboot"));
  EXPECT_THAT(profile->rules.front().names, ElementsAre("read", "write"));
  for (const SeccompRule& rule : profile->rules) EXPECT_THAT(rule.names, Not(IsEmpty()));
  ExpectCompiles(*SeccompToJson(*profile));
#ifdef __x86_64__
  EXPECT_THAT(profile->architectures,
              ElementsAre("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"));
#endif
  const auto admin = ParseSeccompProfile(kDockerProfile, Context({"CAP_SYS_ADMIN"}));
  EXPECT_TRUE(Allows(*admin, "mount"));
  EXPECT_FALSE(Allows(*admin, "umount2"));
}

TEST(SeccompProfileFile, WrongProfilesAreNamed) {
  struct Case {
    const char* text;
    const char* part;
  };
  for (const Case& c : {
           Case{"{", "JSON"},
           Case{"[]", "JSON"},
           Case{"{}", "defaultAction"},
           Case{R"({"defaultAction": 5})", "JSON"},
           Case{R"({"defaultAction": "SCMP_ACT_EXPLODE"})", "SCMP_ACT_EXPLODE"},
           Case{R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_VAX"]})",
                "SCMP_ARCH_VAX"},
           Case{R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_X"]})",
                "SECCOMP_FILTER_FLAG_X"},
           Case{R"({"defaultAction": "SCMP_ACT_NOTIFY"})", "listenerPath"},
           Case{R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
                   [{"names": ["read"], "action": "DENY"}]})",
                "DENY"},
           Case{R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"],
                   "action": "SCMP_ACT_KILL", "args": [{"index": 6, "op": "SCMP_CMP_EQ"}]}]})",
                "index"},
           Case{R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"],
                   "action": "SCMP_ACT_KILL", "args": [{"index": 0, "op": "=="}]}]})",
                "=="},
           Case{R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"],
                   "archMap": [{"architecture": "SCMP_ARCH_X86"}]})",
                "archMap"},
       }) {
    const Status status = ParseSeccompProfile(c.text, Context()).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << c.text;
    EXPECT_THAT(status.message(), HasSubstr(c.part));
  }
}

class ResolveSeccompTest : public ::testing::Test {
 protected:
  Result<std::string> Resolve() { return ResolveSeccomp(request_, Context(), host_); }
  TestRootfs files_;
  HostFacts host_ = FullHost();
  ContainerRequest request_;
};

TEST_F(ResolveSeccompTest, FieldValues) {
  using Type = RequestedProfile::Type;
  EXPECT_THAT(*Resolve(), IsEmpty()) << "nil is unconfined";
  request_.seccomp = RequestedProfile{};
  EXPECT_THAT(*Resolve(), HasSubstr("SCMP_ACT_ERRNO"));
  request_.seccomp = RequestedProfile{Type::kUnconfined, ""};
  EXPECT_THAT(*Resolve(), IsEmpty());
  request_.seccomp = RequestedProfile{Type::kRuntimeDefault, "/x"};
  EXPECT_EQ(Resolve().status().code(), Code::kInvalidArgument);
  request_.seccomp = RequestedProfile{Type::kUnconfined, "/x"};
  EXPECT_EQ(Resolve().status().code(), Code::kInvalidArgument);
}

TEST_F(ResolveSeccompTest, Localhost) {
  using Type = RequestedProfile::Type;
  files_.Write("profile.json", kDockerProfile);
  const std::string path = files_.path() + "/profile.json";
  for (const std::string& ref : {path, "localhost/" + path}) {
    request_.seccomp = RequestedProfile{Type::kLocalhost, ref};
    ASSERT_TRUE(Resolve().ok()) << ref;
    EXPECT_THAT(*Resolve(), HasSubstr("chmod"));
  }
  request_.seccomp = RequestedProfile{Type::kLocalhost, path + ".missing"};
  EXPECT_EQ(Resolve().status().code(), Code::kNotFound);
  for (const char* bad : {"", "relative.json", "localhost/relative.json"}) {
    request_.seccomp = RequestedProfile{Type::kLocalhost, bad};
    EXPECT_EQ(Resolve().status().code(), Code::kInvalidArgument) << bad;
  }
  request_.privileged = true;
  EXPECT_THAT(*Resolve(), IsEmpty()) << "privileged ignores the profile";
}

TEST_F(ResolveSeccompTest, DeprecatedPath) {
  files_.Write("profile.json", kDockerProfile);
  for (const char* none : {"", "unconfined"}) {
    request_.seccomp_profile_path = none;
    EXPECT_THAT(*Resolve(), IsEmpty());
  }
  for (const std::string& some : {std::string("runtime/default"), std::string("docker/default"),
                                  "localhost/" + files_.path() + "/profile.json"}) {
    request_.seccomp_profile_path = some;
    EXPECT_THAT(*Resolve(), HasSubstr("defaultAction")) << some;
  }
  request_.seccomp_profile_path = "nonsense";
  EXPECT_EQ(Resolve().status().code(), Code::kInvalidArgument);
  request_.seccomp = RequestedProfile{RequestedProfile::Type::kUnconfined, ""};
  EXPECT_THAT(*Resolve(), IsEmpty()) << "the field wins";
}

TEST_F(ResolveSeccompTest, KernelWithoutSeccomp) {
  host_.seccomp = false;
  EXPECT_TRUE(Resolve().ok());
  request_.seccomp = RequestedProfile{};
  EXPECT_EQ(Resolve().status().code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace crisp::oci
