#include "oci/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/runtime_errors.h"
#include "oci/runtime_features.h"
#include "oci/runtime_json.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(RuntimeErrors, LastErrorLine) {
  struct Case {
    const char* output;
    const char* expected;
  };
  for (const Case& c :
       {Case{"", ""}, Case{"\n\n", ""}, Case{"plain text\n", "plain text"},
        Case{"time=\"2026\" level=error msg=\"container does not exist\"\n",
             "container does not exist"},
        Case{"time=\"x\" level=error msg=\"exec: \\\"/bin/x\\\": not found\"",
             "exec: \"/bin/x\": not found"},
        Case{"time=\"x\" level=error msg=first\ntime=\"x\" level=warning msg=\"later\"\n", "first"},
        Case{"{\"level\":\"error\",\"msg\":\"a\"}\n{\"level\":\"warning\",\"msg\":\"b\"}\n", "a"},
        Case{"{\"level\":\"error\",\"msg\":\"a\"}\n{\"level\":\"fatal\",\"msg\":\"b\"}", "b"},
        Case{"{broken\n", "{broken"}, Case{"{\"msg\":5}\n", "{\"msg\":5}"}}) {
    EXPECT_EQ(LastErrorLine(c.output), c.expected);
  }
}

TEST(RuntimeErrors, Codes) {
  struct Case {
    const char* kind;
    const char* text;
    Code code;
  };
  for (const Case& c :
       {Case{"runc", "container does not exist", Code::kNotFound},
        Case{"runc", "exec failed: container does not exist", Code::kNotFound},
        Case{"runc", "cannot start an already running container", Code::kFailedPrecondition},
        Case{"runc", "cannot exec in a stopped container", Code::kFailedPrecondition},
        Case{"runc",
             "exec failed: unable to start container process: exec: \"/x\": stat /x: no such file "
             "or directory",
             Code::kInvalidArgument},
        Case{"runc",
             "runc create failed: unable to start container process: error during container init: "
             "exec: \"nosuch\": executable file not found in $PATH",
             Code::kInvalidArgument},
        Case{"runc",
             "runc create failed: unable to start container process: error during container init: "
             "chdir to cwd (\"/etc/passwd\") set in config.json failed: not a directory",
             Code::kInvalidArgument},
        Case{"runc",
             "runc create failed: unable to start container process: error during container init: "
             "error preparing rootfs: permission denied",
             Code::kInternal},
        Case{"runc", "something new", Code::kInternal},
        Case{"crun", "error opening file `/run/crun/nope/status`: No such file or directory",
             Code::kNotFound},
        Case{"crun", "cannot open `/run/crun/c2/exec.fifo`: No such file or directory",
             Code::kFailedPrecondition},
        Case{"crun", "executable file `/bin/nope` not found in $PATH: No such file or directory",
             Code::kInvalidArgument},
        Case{"crun", "the container `c2` is not in `created` or `stopped` state",
             Code::kFailedPrecondition},
        Case{"crun", "fail startup", Code::kInternal}}) {
    EXPECT_EQ(CodeOfRuntimeError(c.kind, c.text), c.code) << c.text;
  }
  const Status silent = RuntimeFailure("runc", "start", 137, "");
  EXPECT_EQ(silent.code(), Code::kInternal);
  EXPECT_THAT(silent.message(), HasSubstr("runc start: exit code 137"));
}

TEST(RuntimeFeaturesTest, Versions) {
  const auto runc = ParseRuntimeVersion("runc version 1.1.5+ds1\ncommit: x\n");
  ASSERT_TRUE(runc.ok());
  EXPECT_EQ(runc->kind, "runc");
  EXPECT_EQ(runc->version, "1.1.5");
  EXPECT_EQ(ParseRuntimeVersion("crun version 1.14\n")->version, "1.14");
  EXPECT_EQ(ParseRuntimeVersion("Python 3.11\n").status().code(), Code::kFailedPrecondition);
  EXPECT_FALSE(ParseRuntimeVersion("").ok());
  EXPECT_TRUE(VersionAtLeast("1.10", 1, 9));
  EXPECT_TRUE(VersionAtLeast("2.0.0", 1, 9));
  EXPECT_TRUE(VersionAtLeast("1.9", 1, 9));
  EXPECT_FALSE(VersionAtLeast("1.8.1", 1, 9));
  EXPECT_FALSE(VersionAtLeast("", 1, 0));
}

TEST(RuntimeFeaturesTest, Documents) {
  const auto features = ParseFeatures(
      R"({"mountOptions":["ro","rro"],"linux":{"mountExtensions":{"idmap":{"enabled":true}}}})");
  ASSERT_TRUE(features.ok());
  EXPECT_THAT(features->mount_options, ElementsAre("ro", "rro"));
  EXPECT_TRUE(features->idmap);
  EXPECT_FALSE(ParseFeatures("{}")->idmap);
  EXPECT_EQ(ParseFeatures("nope").status().code(), Code::kDataLoss);
  EXPECT_EQ(ParseRuntimeState(R"({"status":"running","pid":7})")->pid, 7);
  EXPECT_EQ(ParseRuntimeState("{}").status().code(), Code::kDataLoss);
}

// A program that answers like a runtime.
class OpenTest : public ::testing::Test {
 protected:
  std::string Program(const std::string& version, const std::string& features) {
    files_.Write("runtime", "#!/bin/sh\ncase \"$1\" in\n--version) echo \"" + version +
                                "\";;\nfeatures) " + features + ";;\n*) exit 3;;\nesac\n");
    std::filesystem::permissions(files_.path() + "/runtime", std::filesystem::perms::all);
    return files_.path() + "/runtime";
  }
  Result<std::unique_ptr<Runtime>> Open(const std::string& path) {
    RuntimeOptions options;
    options.handler = "h";
    options.path = path;
    options.root = files_.path() + "/root";
    options.cgroup_layout = &layout_;
    options.telemetry = &telemetry_;
    options.cgroup_driver = driver_;
    options.monitor_env = monitor_env_;
    return Runtime::Open(std::move(options));
  }
  TestRootfs files_;
  Telemetry telemetry_;
  CgroupLayout layout_{false, {{"memory", "/m"}, {"pids", "/p"}}, false};
  CgroupDriver driver_ = CgroupDriver::kCgroupfs;
  std::vector<std::string> monitor_env_;
};

TEST_F(OpenTest, Runc) {
  const auto runtime =
      Open(Program("runc version 1.1.5+ds1", "echo '{\"mountOptions\":[\"rro\"]}'"));
  ASSERT_TRUE(runtime.ok()) << runtime.status().ToString();
  EXPECT_EQ((*runtime)->features().kind, "runc");
  EXPECT_TRUE((*runtime)->features().exec_cgroup);
  EXPECT_THAT((*runtime)->BaseArgv(),
              ElementsAre(files_.path() + "/runtime", "--root", files_.path() + "/root"));
  ASSERT_EQ((*runtime)->exec_cgroup_layout().mounts.size(), 1u);
  EXPECT_EQ((*runtime)->exec_cgroup_layout().mounts[0].first, "pids");
}

TEST_F(OpenTest, CrunWithoutFeatures) {
  driver_ = CgroupDriver::kSystemd;
  const auto runtime = Open(Program("crun version 1.8.1", "exit 1"));
  ASSERT_TRUE(runtime.ok()) << runtime.status().ToString();
  EXPECT_FALSE((*runtime)->features().idmapped_mounts);
  EXPECT_EQ((*runtime)->exec_cgroup_layout().mounts.size(), 2u);
  EXPECT_THAT((*runtime)->BaseArgv(), ::testing::Contains("--systemd-cgroup"));
}

TEST_F(OpenTest, CrunOnHybridCgroupsIsRefusedClearly) {
  layout_.hybrid = true;
  const Status status = Open(Program("crun version 1.8.1", "exit 1")).status();
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("hybrid"));
  EXPECT_THAT(status.message(), HasSubstr("handler 'h'"));
  EXPECT_TRUE(Open(Program("runc version 1.2.0", "exit 1")).ok());
}

TEST_F(OpenTest, TheHandlersOwnPathIsTheFirst) {
  monitor_env_ = {"PATH=/mine:/usr/bin:/bin"};
  const auto runtime =
      Open(Program("$(tr '\\0' '\\n' </proc/$$/environ | grep -m1 ^PATH=) version 1.0", "echo {}"));
  ASSERT_TRUE(runtime.ok()) << runtime.status().ToString();
  EXPECT_EQ((*runtime)->features().kind, "PATH=/mine:/usr/bin:/bin");
}

TEST_F(OpenTest, TheEnvironmentHasOnePath) {
  RuntimeOptions options;
  EXPECT_THAT(RuntimeEnvironment(options), ElementsAre(StartsWith("PATH=/usr/local/sbin:")));
  options.monitor_env = {"A=1", "PATH=/mine"};
  EXPECT_THAT(RuntimeEnvironment(options), ElementsAre("A=1", "PATH=/mine"));
}

TEST_F(OpenTest, EachRunHasTheHandlersEnvironment) {
  monitor_env_ = {"MINE=7"};
  const std::string program = Program("runc version 1.1.5", "exit 1");
  files_.Write("runtime", Cat("#!/bin/sh\ncase \"$1\" in --version) echo runc version 1.1.5;; "
                              "features) exit 1;; *) echo \"{\\\"status\\\":\\\"running\\\","
                              "\\\"pid\\\":$MINE}\";; esac\n"));
  const auto runtime = Open(program);
  ASSERT_TRUE(runtime.ok()) << runtime.status().ToString();
  const auto state = (*runtime)->State(ContainerId(std::string(64, 'a')), NoDeadline());
  ASSERT_TRUE(state.ok()) << state.status().ToString();
  EXPECT_EQ(state->pid, 7);
}

TEST_F(OpenTest, WhatIsNoRuntime) {
  EXPECT_EQ(Open(files_.path() + "/missing").status().code(), Code::kNotFound);
  EXPECT_EQ(Open("runc").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Open(Program("hello", "exit 1")).status().code(), Code::kFailedPrecondition);
  const Status other = Open(Program("git version 2.39.5", "echo none >&2; exit 1")).status();
  EXPECT_EQ(other.code(), Code::kFailedPrecondition);
  EXPECT_THAT(other.message(), HasSubstr("features: exit code 1: none (an OCI runtime other"));
}

TEST_F(OpenTest, OtherRuntimesHaveNoExecCgroup) {
  const auto runtime = Open(Program("youki version 0.3", "echo {}"));
  ASSERT_TRUE(runtime.ok());
  EXPECT_FALSE((*runtime)->features().exec_cgroup);
  EXPECT_TRUE((*runtime)->exec_cgroup_layout().mounts.empty());
  ExecRequest request;
  request.container = ContainerId(std::string(64, 'a'));
  request.sub_cgroup = "x";
  EXPECT_EQ((*runtime)->ExecDetached(request).status().code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace crisp::oci
