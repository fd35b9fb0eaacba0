// What vendors, administrators and the node's owner add to containers: CDI devices, OCI hooks,
// settings of runtime handlers, devices (cri-contract 8.3, 8.5).
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/core/file.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class CdiTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    for (const char* dir : {"cdi", "cdi-run", "hooks", "conf.d"}) {
      ASSERT_THAT(EnsureDirectory(daemon().Path(dir)), IsOk());
    }
    Configure("");
  }
  // Restarts the daemon with these settings beside the directories of CDI and hooks.
  void Configure(const std::string& yaml) {
    ASSERT_THAT(
        WriteFile(daemon().Path("conf.d/test.yaml"),
                  Cat("cdi:\n  spec_dirs: [", daemon().Path("cdi"), ", ", daemon().Path("cdi-run"),
                      "]\nhooks_dirs: [", daemon().Path("hooks"), "]\n", yaml)),
        IsOk());
    KillAndRestart();
    sandbox_ = SandboxConfig("pod");
    sandbox_.mutable_metadata()->set_attempt(++pods_);
    pod_ = RunPod(sandbox_);
  }
  void Write(const std::string& name, const std::string& text, mode_t mode = 0644) {
    ASSERT_THAT(WriteFile(daemon().Path(name), text, mode), IsOk());
  }
  std::string Start(const v1::ContainerConfig& config) {
    return StartContainer(pod_, config, sandbox_);
  }
  Result<std::string> Create(const v1::ContainerConfig& config) {
    return TryCreate(pod_, config, sandbox_);
  }
  std::string StatusInfo(const std::string& key) {
    v1::StatusRequest request;
    request.set_verbose(true);
    const auto status = Must(client().Call(request));
    const auto at = status.info().find(key);
    return at == status.info().end() ? "" : at->second;
  }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  uint32_t pods_ = 0;
};

TEST_P(CdiTest, EveryEditIsSeenInside) {
  ASSERT_EQ(::mknod(daemon().Path("node").c_str(), S_IFCHR | 0660, makedev(10, 229)), 0);
  Write("from-host", "of the vendor\n");
  const std::string trace = daemon().Path("trace");
  // Hooks read their state: crun dies of SIGPIPE when one ends before it has taken that.
  Write("hook.sh", Cat("#!/bin/sh\ncat > /dev/null\necho $0 $1 $KEY >> ", trace, "\n"), 0755);
  Write("cdi/vendor.json", Cat(R"({"cdiVersion": "1.0.0", "kind": "vendor.com/gpu",
    "containerEdits": {"env": ["ALL=gpus"]},
    "devices": [{"name": "0", "containerEdits": {
      "env": ["GPU=0"],
      "deviceNodes": [{"path": "/dev/gpu0", "hostPath": ")",
                               daemon().Path("node"), R"(",
                       "fileMode": 432, "permissions": "r", "gid": 44}],
      "mounts": [{"hostPath": ")",
                               daemon().Path("from-host"), R"(", "containerPath": "/etc/vendor",
                  "options": ["ro", "bind"]}],
      "hooks": [{"hookName": "createRuntime", "path": ")",
                               daemon().Path("hook.sh"), R"(",
                 "args": ["hook", "created"], "env": ["KEY=value"]},
                {"hookName": "poststop", "path": ")",
                               daemon().Path("hook.sh"), R"(",
                 "args": ["hook", "stopped"], "env": ["KEY=value"]}],
      "additionalGids": [44]}}]})"));
  auto config = ContainerConfig("c", {"top"});
  config.add_cdi_devices()->set_name("vendor.com/gpu=0");
  config.mutable_linux()->mutable_security_context()->mutable_run_as_user()->set_value(1000);
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "echo $ALL $GPU"), "gpus 0\n");
  EXPECT_EQ(Shell(id, "stat -c '%F %t:%T %a %u:%g' /dev/gpu0"),
            "character special file a:e5 660 1000:44\n");
  // fuse, which containers may not open by default: now for reading.
  if (::access("/dev/fuse", R_OK) == 0) {
    EXPECT_EQ(Shell(id, "(: < /dev/gpu0) && echo opened"), "opened\n");
    EXPECT_EQ(Shell(id, "(: > /dev/gpu0) 2>/dev/null || echo refused"), "refused\n");
  }
  EXPECT_EQ(Shell(id, "cat /etc/vendor; (echo x > /etc/vendor) 2>/dev/null || echo ro"),
            "of the vendor\nro\n");
  EXPECT_THAT(Shell(id, "id -G"), HasSubstr("44"));
  const auto groups = StatusOf(id).user().linux().supplemental_groups();
  EXPECT_THAT(groups, testing::Contains(44));
  EXPECT_EQ(Must(ReadFile(trace)), Cat(daemon().Path("hook.sh"), " created value\n"));
  EXPECT_EQ(StatusOf(id).mounts_size(), 0);
  EXPECT_THAT(TryStop(id, 0), IsOk());
  EXPECT_THAT(TryRemove(id), IsOk());
  EXPECT_THAT(Must(ReadFile(trace)), HasSubstr("stopped value"));
}

TEST_P(CdiTest, YamlAnnotationsAndReload) {
  Write("cdi/vendor.yaml",
        "cdiVersion: 0.6.0\nkind: vendor.com/net\ndevices:\n- name: \"0\"\n  containerEdits:\n"
        "    env: [NET=first]\n    deviceNodes:\n    - path: /dev/mine\n      type: c\n"
        "      major: 1\n      minor: 3\n      fileMode: 0600\n");
  auto config = ContainerConfig("yaml", {"top"});
  (*config.mutable_annotations())["cdi.k8s.io/vendor_plugin"] = "vendor.com/net=0";
  std::string id = Start(config);
  EXPECT_EQ(Shell(id, "echo $NET; stat -c %a /dev/mine"), "first\n600\n");
  EXPECT_EQ(StatusOf(id).annotations().at("cdi.k8s.io/vendor_plugin"), "vendor.com/net=0");

  Write("cdi-run/newer.json", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/net", "devices":
      [{"name": "0", "containerEdits": {"env": ["NET=second"]}}]})");
  config.mutable_metadata()->set_name("later-directory");
  EXPECT_EQ(Shell(Start(config), "echo $NET"), "second\n");
}

TEST_P(CdiTest, RefusalsNameDeviceAndPlaces) {
  Write("cdi/good.json", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/gpu", "devices":
      [{"name": "x", "containerEdits": {"deviceNodes": [{"path": "/dev/no-such-device"}]}}]})");
  Write("cdi/bad.json", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/gpu"})");
  auto config = ContainerConfig("c", {"top"});
  const auto refused = [&](const std::string& name) {
    config.clear_cdi_devices();
    config.add_cdi_devices()->set_name(name);
    const auto created = Create(config);
    EXPECT_FALSE(created.ok()) << name;
    return created.status();
  };
  Status status = refused("vendor.com/gpu=y");
  EXPECT_THAT(status, HasCode(Code::kNotFound));
  EXPECT_THAT(status.message(), AllOf(HasSubstr("'vendor.com/gpu=y': not found in"),
                                      HasSubstr(daemon().Path("cdi-run"))));
  status = refused("gpu");
  EXPECT_THAT(status, HasCode(Code::kInvalidArgument));
  EXPECT_THAT(status.message(), HasSubstr("a qualified name, vendor/class=device"));
  status = refused("vendor.com/gpu=x");
  EXPECT_THAT(status, HasCode(Code::kNotFound));
  EXPECT_THAT(status.message(), AllOf(HasSubstr("good.json"), HasSubstr("/dev/no-such-device")));
  config.clear_cdi_devices();
  (*config.mutable_annotations())["cdi.k8s.io/x"] = "vendor.com/gpu";
  EXPECT_THAT(Create(config), HasCode(Code::kInvalidArgument));

  EXPECT_TRUE(Eventually([&] {  // the directories are watched
    return StatusInfo("leftOut").find("bad.json: devices: is missing or empty") !=
           std::string::npos;
  })) << StatusInfo("leftOut");
  const RunOutput check = Must(daemon().Crisp({"config", "check"}));
  EXPECT_THAT(check.stdout_data, AllOf(HasSubstr(Cat("ok  runtime ", GetParam(), ": ", GetParam())),
                                       HasSubstr("left out  CDI specs: "), HasSubstr("bad.json")));
  EXPECT_TRUE(check.status.success()) << check.stdout_data;
}

TEST_P(CdiTest, HooksOfDirectories) {
  const std::string trace = daemon().Path("trace");
  Write("hook.sh", Cat("#!/bin/sh\ncat > /dev/null\necho $1 >> ", trace, "\n"), 0755);
  const auto hook = [&](const std::string& name, const std::string& when,
                        const std::string& stages) {
    Write(Cat("hooks/", name, ".json"),
          Cat(R"({"version": "1.0.0", "hook": {"path": ")", daemon().Path("hook.sh"),
              R"(", "args": ["hook", ")", name, R"("], "timeout": 10}, "when": )", when,
              R"(, "stages": [)", stages, "]}"));
  };
  hook("2-always", R"({"always": true})", R"("createRuntime", "poststart")");
  hook("1-prestart", R"({"annotations": {"^want-hook$": "yes"}})", R"("prestart")");
  hook("3-mounts", R"({"hasBindMounts": true})", R"("createRuntime")");
  hook("4-command", R"({"commands": ["^/bin/never$"]})", R"("createRuntime")");
  Write("hooks/5-bad.json", "{}");
  auto config = ContainerConfig("c", {"top"});
  (*config.mutable_annotations())["want-hook"] = "yes";
  const std::string id = Start(config);
  EXPECT_TRUE(Eventually([&] {
    return Must(ReadFile(trace)) == "1-prestart\n2-always\n2-always\n";
  })) << Must(ReadFile(trace));
  EXPECT_THAT(StatusInfo("leftOut"), HasSubstr("5-bad.json: version: is missing"));
  ASSERT_EQ(::unlink(daemon().Path("hooks/5-bad.json").c_str()), 0);
  EXPECT_TRUE(Eventually([&] {  // no container asks; the watch does
    return StatusInfo("leftOut").find("5-bad.json") == std::string::npos;
  })) << StatusInfo("leftOut");
  EXPECT_THAT(TryStop(id, 0), IsOk());

  Write("hooks/6-missing.json",
        R"({"version": "1.0.0", "hook": {"path": "/no/such/hook"}, "when": {"always": true},
            "stages": ["createRuntime"]})");
  config.mutable_metadata()->set_name("missing");
  EXPECT_THAT(Create(config).status().message(),
              AllOf(HasSubstr("6-missing.json"), HasSubstr("/no/such/hook")));
}

// Two handlers with one program.
TEST_P(CdiTest, HandlerSettings) {
  const std::string trace = daemon().Path("trace");
  Write("hook.sh", Cat("#!/bin/sh\ncat > ", trace, "\n"), 0755);
  Write("profile.json", R"({"defaultAction": "SCMP_ACT_ALLOW"})");
  Write("plain.json", R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                           {"names": ["sethostname"], "action": "SCMP_ACT_ERRNO", "errnoRet": 26}]})");
  Write(
      "base.json",
      Cat(R"({"process": {"env": ["BASE=1", "HOME=/base"], "cwd": "/base", "args": ["/bin/false"]},
            "linux": {"sysctl": {}}, "annotations": {"from-base": "yes"},
            "mounts": [{"destination": "/of-base", "type": "tmpfs", "source": "tmpfs",
                        "options": ["nosuid"]}],
            "hooks": {"prestart": [{"path": ")",
          daemon().Path("hook.sh"), R"("}]}})"));
  Configure(Cat("runtimes:\n  special:\n    path: ", FindProgram(GetParam()),
                "\n    type: oci\n    base_spec: ", daemon().Path("base.json"),
                "\n    allowed_annotations: [io.allowed/]\n"
                "    default_annotations: {by-default: \"yes\"}\n"
                "    seccomp_profile: ",
                daemon().Path("plain.json"), "\n    privileged_seccomp_profile: ",
                daemon().Path("profile.json"), "\n    monitor_env: {CRISP_TEST_MONITOR: seen}\n"));
  auto config = ContainerConfig("c", {"top"});
  (*config.mutable_annotations())["io.allowed/x"] = "passes";
  (*config.mutable_annotations())["io.other/x"] = "does not";
  config.mutable_linux()->mutable_security_context()->set_privileged(true);
  sandbox_ = SandboxConfig("special");
  sandbox_.mutable_linux()->mutable_security_context()->set_privileged(true);
  pod_ = RunPod(sandbox_, "special");
  const std::string id = Start(config);
  EXPECT_EQ(Shell(id, "echo $BASE; pwd; grep -c ' /of-base tmpfs' /proc/mounts"), "1\n/\n1\n");
  EXPECT_EQ(Shell(id, "grep Seccomp: /proc/self/status"), "Seccomp:\t2\n");
  // The state that the hook got has the annotations (runtime-spec, "State").
  EXPECT_THAT(Must(ReadFile(trace)), AllOf(HasSubstr("io.allowed/x"), HasSubstr("by-default"),
                                           HasSubstr("from-base"), Not(HasSubstr("io.other/x"))));
  // "crisp-pid 1\nmonitor <pid> <start time>\n..."
  std::string pid = Must(ReadFile(daemon().Path(Cat("run/containers/", id, "/pid"))));
  pid = pid.substr(pid.find("monitor ") + 8);
  EXPECT_THAT(Must(ReadFile(Cat("/proc/", pid.substr(0, pid.find(' ')), "/environ"))),
              HasSubstr("CRISP_TEST_MONITOR=seen"));
  auto plain = ContainerConfig("plain", {"top"});
  auto* security = plain.mutable_linux()->mutable_security_context();
  security->mutable_seccomp()->set_profile_type(v1::SecurityProfile::RuntimeDefault);
  EXPECT_THAT(Shell(Start(plain), "hostname x 2>&1 || true"), HasSubstr("Text file busy"));

  sandbox_ = SandboxConfig("plain");
  sandbox_.mutable_linux()->mutable_security_context()->set_privileged(true);
  pod_ = RunPod(sandbox_);
  EXPECT_EQ(Shell(Start(config), "echo $BASE; grep Seccomp: /proc/self/status"), "\nSeccomp:\t0\n");

  Write("base.json", "{\"mounts\": 1}");
  const RunOutput check = Must(daemon().Crisp({"config", "check"}));
  EXPECT_THAT(check.stdout_data,
              AllOf(HasSubstr("wrong  runtime special: "), HasSubstr("/mounts: allowed: a list")));
  Write("base.json", "{}");
}

// privileged_without_host_devices: all else that privileged means stays.
TEST_P(CdiTest, PrivilegedWithoutHostDevices) {
  ASSERT_EQ(::mknod(daemon().Path("node").c_str(), S_IFCHR | 0600, makedev(1, 11)), 0);  // kmsg
  const std::string program = FindProgram(GetParam());
  Configure(Cat("runtimes:\n  bare:\n    path: ", program,
                "\n    privileged_without_host_devices: true\n"));
  const auto nodes = [&](const std::string& handler) {
    sandbox_ = SandboxConfig(Cat("pod-", handler));
    sandbox_.mutable_linux()->mutable_security_context()->set_privileged(true);
    pod_ = RunPod(sandbox_, handler);
    auto config = ContainerConfig("c", {"top"});
    config.mutable_linux()->mutable_security_context()->set_privileged(true);
    const std::string id = Start(config);
    EXPECT_EQ(Shell(id, "mount -t tmpfs none /mnt && : >/dev/null && echo works"), "works\n");
    // Made by itself: may be there, but not be opened.
    std::string out = Shell(id, "mknod /kmsg c 1 11; (: >/kmsg) 2>/dev/null && echo opened || :");
    config.mutable_metadata()->set_name("asks");
    auto* device = config.add_devices();
    device->set_host_path(daemon().Path("node"));
    device->set_container_path("/dev/asked");
    device->set_permissions("w");
    out += Shell(Start(config), "(: >/dev/asked) && echo asked");
    if (PathExists("/dev/kmsg")) out += Shell(id, "test -c /dev/kmsg && echo there || :");
    return out;
  };
  const std::string there = PathExists("/dev/kmsg") ? "there\n" : "";
  EXPECT_EQ(nodes(GetParam()), Cat("opened\nasked\n", there));
  EXPECT_EQ(nodes("bare"), "asked\n");
}

TEST_P(CdiTest, DevicesOfConfigurationAndTheirOwner) {
  ASSERT_THAT(EnsureDirectory(daemon().Path("nodes/sub")), IsOk());
  ASSERT_EQ(::mknod(daemon().Path("nodes/a").c_str(), S_IFCHR | 0600, makedev(1, 3)), 0);
  ASSERT_EQ(::mknod(daemon().Path("nodes/sub/b").c_str(), S_IFCHR | 0600, makedev(1, 5)), 0);
  ASSERT_EQ(::symlink("nodes/a", daemon().Path("link").c_str()), 0);
  Configure(Cat("device_ownership_from_security_context: true\nadditional_devices: [\"",
                daemon().Path("nodes"), ":/dev/nodes:rw\"]\n"));
  auto config = ContainerConfig("c", {"top"});
  auto* device = config.add_devices();
  device->set_host_path(daemon().Path("link"));
  device->set_container_path("/dev/linked");
  device->set_permissions("rw");
  auto* security = config.mutable_linux()->mutable_security_context();
  security->mutable_run_as_user()->set_value(1000);
  security->mutable_run_as_group()->set_value(2000);
  std::string id = Start(config);
  EXPECT_EQ(Shell(id, "stat -c '%t:%T %u:%g' /dev/linked /dev/nodes/a /dev/nodes/sub/b"),
            "1:3 1000:2000\n1:3 1000:2000\n1:5 1000:2000\n");
  EXPECT_EQ(Shell(id, "head -c 2 /dev/nodes/sub/b | wc -c"), "2\n");

  device->set_host_path("/dev/no-such-device");
  config.mutable_metadata()->set_name("missing");
  const auto missing = Create(config);
  EXPECT_THAT(missing, HasCode(Code::kNotFound));
  EXPECT_THAT(missing.status().message(),
              AllOf(HasSubstr("device /dev/linked"), HasSubstr("/dev/no-such-device")));

  ASSERT_EQ(::rename(daemon().Path("nodes").c_str(), daemon().Path("gone").c_str()), 0);
  config.clear_devices();
  EXPECT_THAT(Create(config).status().message(), HasSubstr("additional_devices"));
  const RunOutput check = Must(daemon().Crisp({"config", "check"}));
  EXPECT_THAT(check.stdout_data, HasSubstr("wrong  additional_devices: "));
  ASSERT_EQ(::rename(daemon().Path("gone").c_str(), daemon().Path("nodes").c_str()), 0);
}

CRISP_FOR_EACH_RUNTIME(CdiTest);

}  // namespace
}  // namespace crisp::test
