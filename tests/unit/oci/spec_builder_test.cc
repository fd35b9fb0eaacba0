#include "oci/spec_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "oci/spec_parts.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class SpecBuilderTest : public ::testing::Test {
 protected:
  SpecBuilderTest() { request_ = SmallRequest(rootfs_); }
  Result<BuiltSpec> Build() { return BuildSpecOn(request_, "/run/state/c", host_); }
  Process BuiltProcess() {
    auto built = Build();
    EXPECT_TRUE(built.ok()) << built.status().ToString();
    return built.ok() ? built->spec.process : Process{};
  }
  Code BuildCode() { return Build().status().code(); }

  TestRootfs rootfs_;
  HostFacts host_ = FullHost();
  ContainerRequest request_;
};

TEST_F(SpecBuilderTest, Arguments) {
  using List = std::vector<std::string>;
  struct Case {
    List command, args, entrypoint, cmd, expected;
  };
  for (const Case& c :
       {Case{{"c"}, {"a"}, {"e"}, {"d"}, {"c", "a"}}, Case{{"c"}, {}, {"e"}, {"d"}, {"c"}},
        Case{{}, {"a"}, {"e"}, {"d"}, {"e", "a"}}, Case{{}, {}, {"e"}, {"d"}, {"e", "d"}},
        Case{{}, {}, {}, {"d"}, {"d"}}, Case{{}, {"a"}, {}, {"d"}, {"a"}}}) {
    request_.command = c.command;
    request_.args = c.args;
    request_.image_entrypoint = c.entrypoint;
    request_.image_cmd = c.cmd;
    EXPECT_EQ(BuiltProcess().args, c.expected);
  }
  request_.args = request_.image_cmd = {};
  const Status status = Build().status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("no command specified"));
}

TEST_F(SpecBuilderTest, Environment) {
  request_.hostname = "host";
  request_.tty = true;
  request_.image_env = {"A=image", "B=image", "broken", "=broken", "PATH=/image"};
  request_.env = {{"B", "cri"}, {"C", "x=y"}, {"C", "last"}, {"D", ""}};
  EXPECT_THAT(BuiltProcess().env, ElementsAre("PATH=/image", "HOSTNAME=host", "TERM=xterm",
                                              "A=image", "B=cri", "C=last", "D="));
  request_.image_env.clear();
  request_.tty = false;
  EXPECT_THAT(BuiltProcess().env[0], HasSubstr("PATH=/usr/local/sbin:"));
  EXPECT_THAT(BuiltProcess().env, Not(Contains("TERM=xterm")));
  for (const char* bad : {"", "A=B"}) {
    request_.env = {{bad, "x"}};
    EXPECT_EQ(BuildCode(), Code::kInvalidArgument);
  }
}

TEST_F(SpecBuilderTest, TextThatCannotPass) {
  using namespace std::string_literals;
  for (const std::string& bad :
       {"a\0b"s, "\xff"s, "\xc0\x80"s, "\xed\xa0\x80"s, "\xf5\x80\x80\x80"s, "cut\xe2\x82"s}) {
    request_.env = {{"K", bad}};
    const Status status = Build().status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("K"));
  }
  request_.env = {{"K", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"}};
  EXPECT_EQ(BuildCode(), Code::kOk);
}

TEST_F(SpecBuilderTest, HomeComesFromPasswd) {
  rootfs_.Write("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
  EXPECT_THAT(BuiltProcess().env, Contains("HOME=/root"));
  request_.env = {{"HOME", "/elsewhere"}};
  EXPECT_THAT(BuiltProcess().env, Contains("HOME=/elsewhere"));
  EXPECT_THAT(BuiltProcess().env, Not(Contains("HOME=/root")));
}

TEST_F(SpecBuilderTest, WorkingDirectoryIsMade) {
  EXPECT_EQ(BuiltProcess().cwd, "/");
  request_.image_working_dir = "/srv/app";
  EXPECT_EQ(BuiltProcess().cwd, "/srv/app");
  EXPECT_TRUE(std::filesystem::is_directory(rootfs_.path() + "/srv/app"));
  request_.working_dir = "relative/./dir/";
  EXPECT_EQ(BuiltProcess().cwd, "/relative/dir");
  EXPECT_TRUE(std::filesystem::is_directory(rootfs_.path() + "/relative/dir"));
  request_.working_dir = "/../../escape";
  EXPECT_EQ(BuiltProcess().cwd, "/escape");
  rootfs_.Write("file", "");
  request_.working_dir = "/file/below";
  EXPECT_EQ(BuildCode(), Code::kInvalidArgument);
}

TEST_F(SpecBuilderTest, WorkingDirectoryThroughAnEscapingSymlinkStaysInside) {
  TestRootfs outside;
  rootfs_.Symlink(outside.path(), "link");
  request_.working_dir = "/link/made";
  (void)Build();
  EXPECT_FALSE(std::filesystem::exists(outside.path() + "/made"));
}

// CVE-2024-21626: a runtime that changes into /proc/self/fd/7 before it closed that descriptor.
TEST_F(SpecBuilderTest, NoWorkingDirectoryInAProcessOfProc) {
  for (const char* path :
       {"/proc/self/fd/7", "/proc/thread-self", "/proc/1/root/../cwd", "/dev/fd/7"}) {
    request_.working_dir = path;
    EXPECT_EQ(BuildCode(), Code::kInvalidArgument) << path;
  }
  EXPECT_FALSE(std::filesystem::exists(rootfs_.path() + "/proc"));
  // An image that brings the directory, and a link to it.
  std::filesystem::create_directories(rootfs_.path() + "/proc/self/fd/7");
  rootfs_.Symlink("/proc/self/fd/7", "work");
  request_.working_dir = "/work";
  const Status status = Build().status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("working_dir: '/work' is or leads to"));
  for (const char* path : {"/proc", "/proc/selfish", "/process/self"}) {
    request_.working_dir = path;
    EXPECT_EQ(BuiltProcess().cwd, path);
  }
}

TEST_F(SpecBuilderTest, OomScoreIsClamped) {
  request_.oom_score_adj = -998;
  EXPECT_EQ(BuiltProcess().oom_score_adj, -998);
  host_.may_lower_oom_score = false;
  host_.oom_score_adj = 100;
  EXPECT_EQ(BuiltProcess().oom_score_adj, 100);
  request_.oom_score_adj = 500;
  EXPECT_EQ(BuiltProcess().oom_score_adj, 500);
  for (int64_t bad : {-1001, 1001}) {
    request_.oom_score_adj = bad;
    EXPECT_EQ(BuildCode(), Code::kInvalidArgument);
  }
  request_.oom_score_adj.reset();
  EXPECT_EQ(BuiltProcess().oom_score_adj, std::nullopt);
}

TEST_F(SpecBuilderTest, PasswdEntryForAnUnknownUid) {
  rootfs_.Write("etc/passwd", "root:x:0:0::/root:/bin/sh");  // no newline
  request_.user.uid = 4711;
  request_.working_dir = "/home";
  auto built = Build();
  ASSERT_TRUE(built.ok());
  EXPECT_EQ(built->passwd_content,
            "root:x:0:0::/root:/bin/sh\n4711:x:4711:0:user of the pod:/home:/sbin/nologin\n");
  const auto is_passwd = [](const SpecMount& m) { return m.destination == "/etc/passwd"; };
  const auto at = std::find_if(built->spec.mounts.begin(), built->spec.mounts.end(), is_passwd);
  ASSERT_NE(at, built->spec.mounts.end());
  EXPECT_EQ(at->source, "/run/state/c/passwd");
  EXPECT_EQ(built->effective_user.uid, 4711u);

  request_.working_dir = "/a:b";
  EXPECT_THAT(Build()->passwd_content, HasSubstr(":/:/sbin/nologin\n"));
  TestRootfs source;
  source.Write("passwd", "");
  request_.mounts = {HostMount("/etc/passwd", source.path() + "/passwd")};
  EXPECT_THAT(Build()->passwd_content, IsEmpty()) << "the CRI's mount is in its place";
  request_.mounts.clear();
  request_.user.uid = 0;
  EXPECT_THAT(Build()->passwd_content, IsEmpty());
}

TEST_F(SpecBuilderTest, NoPasswdEntryWithoutAPasswdFile) {
  request_.user.uid = 4711;
  EXPECT_THAT(Build()->passwd_content, IsEmpty());
}

TEST_F(SpecBuilderTest, PrivilegedNeedsAPrivilegedSandbox) {
  request_.privileged = true;
  const Status status = Build().status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("sandbox"));
}

TEST_F(SpecBuilderTest, PrivilegedEffects) {
  request_.privileged = request_.sandbox_privileged = true;
  request_.seccomp = RequestedProfile{};
  request_.masked_paths = {"/proc/kcore"};
  request_.readonly_paths = {"/proc/sys"};
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status().ToString();
  EXPECT_THAT(built->spec.process.capabilities.bounding, Contains("CAP_SYS_ADMIN"));
  EXPECT_THAT(built->spec.seccomp_json, IsEmpty());
  EXPECT_THAT(built->spec.masked_paths, IsEmpty());
  EXPECT_THAT(built->spec.readonly_paths, IsEmpty());
  for (const SpecMount& mount : built->spec.mounts) {
    if (mount.destination.starts_with("/sys")) {
      EXPECT_THAT(mount.options, Contains("rw"));
    }
  }
}

TEST_F(SpecBuilderTest, MaskedAndReadonlyPathsExactlyAsGiven) {
  EXPECT_THAT(Build()->spec.masked_paths, IsEmpty());
  request_.masked_paths = {"/bin/ls", "/proc/kcore"};
  request_.readonly_paths = {"/tmp"};
  const auto built = Build();
  EXPECT_THAT(built->spec.masked_paths, ElementsAre("/bin/ls", "/proc/kcore"));
  EXPECT_THAT(built->spec.readonly_paths, ElementsAre("/tmp"));
  request_.masked_paths = {"relative"};
  EXPECT_EQ(BuildCode(), Code::kInvalidArgument);
}

std::string PathOf(const Spec& spec, const std::string& type) {
  for (const Namespace& ns : spec.namespaces) {
    if (ns.type == type) return ns.path.empty() ? "new" : ns.path;
  }
  return "host";
}

TEST_F(SpecBuilderTest, Namespaces) {
  CgroupLayout v2;
  v2.v2 = true;
  v2.mounts = {{"", "/sys/fs/cgroup"}};
  auto spec = Build()->spec;
  EXPECT_EQ(PathOf(spec, "mount"), "new");
  EXPECT_EQ(PathOf(spec, "pid"), "new");
  EXPECT_EQ(PathOf(spec, "network"), "/run/ns/net");
  EXPECT_EQ(PathOf(spec, "ipc"), "/run/ns/ipc");
  EXPECT_EQ(PathOf(spec, "uts"), "/run/ns/uts");
  EXPECT_EQ(PathOf(spec, "cgroup"), "host");
  EXPECT_THAT(spec.hostname, IsEmpty());
  request_.cgroup_layout = &v2;
  EXPECT_EQ(PathOf(Build()->spec, "cgroup"), "new");
  request_.host_network = true;
  request_.uts_ns.reset();
  request_.pid_ns.reset();
  spec = Build()->spec;
  EXPECT_EQ(PathOf(spec, "network"), "host");
  EXPECT_EQ(PathOf(spec, "uts"), "host");
  EXPECT_EQ(PathOf(spec, "pid"), "host");
  request_.uts_ns = "";
  request_.hostname = "own";
  EXPECT_EQ(Build()->spec.hostname, "own");
}

TEST_F(SpecBuilderTest, Annotations) {
  request_.oci_annotations = {{"io.kubernetes.cri.image-name", "busybox"}};
  const auto annotations = Build()->spec.annotations;
  EXPECT_EQ(annotations.at("io.kubernetes.cri.container-type"), "container");
  EXPECT_EQ(annotations.at("io.kubernetes.cri.sandbox-id"), request_.sandbox_id);
  EXPECT_EQ(annotations.at("io.kubernetes.cri.container-name"), "web");
  EXPECT_EQ(annotations.at("io.kubernetes.cri.image-name"), "busybox");
}

TEST_F(SpecBuilderTest, ReadonlyRootAndTheRest) {
  request_.readonly_rootfs = true;
  request_.no_new_privs = true;
  const auto spec = Build()->spec;
  EXPECT_TRUE(spec.root_readonly);
  EXPECT_EQ(spec.root_path, rootfs_.path());
  EXPECT_TRUE(spec.process.no_new_privileges);
  EXPECT_EQ(spec.cgroups_path, "/pods/a");
  EXPECT_TRUE(ToJson(spec).ok());
}

TEST_F(SpecBuilderTest, ThisMachine) {
  const auto built = BuildSpec(request_, "/run/state/c");
  ASSERT_TRUE(built.ok()) << built.status().ToString();
}

}  // namespace
}  // namespace crisp::oci
