#include "server/config_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "server/prerequisites.h"

namespace crisp {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;
using Verdict = CheckedPart::Verdict;

auto Is(Verdict verdict, const std::string& text) {
  return AllOf(Field(&CheckedPart::verdict, verdict), Field(&CheckedPart::text, HasSubstr(text)));
}

class ConfigCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = JoinPath(::testing::TempDir(), "crisp-check-XXXXXX");
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    dir_ = path;
    config_.cdi.spec_dirs = {Path("cdi")};
    config_.hooks_dirs = {Path("hooks")};
    config_.binaries = {Path("own"), Path("own"), Path("own")};
    config_.default_runtime = "own";
    config_.runtimes["own"] = {Path("own"), Path("state")};
    Write("own",
          "#!/bin/sh\n[ $1 = --version ] && { echo own version 1.2.3; exit 0; }\n"
          "echo '{\"mountOptions\": [], \"linux\": {\"netDevices\": {\"enabled\": true}}}'\n",
          0755);
  }
  void TearDown() override { EXPECT_TRUE(RemoveTreeAt(dir_).ok()); }
  std::string Path(const std::string& name) const { return JoinPath(dir_, name); }
  void Write(const std::string& name, const std::string& text, mode_t mode = 0644) {
    ASSERT_TRUE(EnsureDirectory(Path("cdi")).ok() && EnsureDirectory(Path("hooks")).ok());
    ASSERT_TRUE(WriteFile(Path(name), text, mode).ok());
  }

  std::string dir_;
  config::Config config_;
};

TEST_F(ConfigCheckTest, WhatWorks) {
  const auto parts = CheckConfig(config_);
  EXPECT_THAT(parts, Contains(Is(Verdict::kGood, "runtime own: own 1.2.3, ")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kGood, "network devices")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kGood, Cat("CDI specs: ", Path("cdi")))));
  EXPECT_FALSE(PathExists(Path("state"))) << "nothing is made";
}

TEST_F(ConfigCheckTest, HandlersThatDoNot) {
  config_.runtimes["other"].path = Path("missing");
  config_.runtimes["own"].base_spec = Path("base.json");
  Write("base.json", "{\"mounts\": 1}");
  auto parts = CheckConfig(config_);
  EXPECT_THAT(parts, Contains(Is(Verdict::kBad, "runtime other: ")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kBad, "base.json: /mounts: allowed: a list")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kBad, "runtimes: none works here")));
  Write("base.json", "{}");
  EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kGood, "runtime own")));
  config_.runtimes["own"].privileged_seccomp_profile = Path("none.json");
  EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kBad, "privileged_seccomp_profile")));
  config_.runtimes["own"].privileged_seccomp_profile.clear();
  Write("own", "#!/bin/sh\necho no runtime\n", 0755);
  EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kBad, "printed 'no runtime'")));
}

// What the configuration names must work; what was merely found need not.
TEST_F(ConfigCheckTest, HandlersThatNobodyNamed) {
  config_.runtimes["crun"].path = Path("missing");
  EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kBad, "runtime crun: ")));
  config_.runtimes_found = true;
  config_.default_runtime_found = true;
  auto parts = CheckConfig(config_);
  EXPECT_THAT(parts, Contains(Is(Verdict::kGood, "runtime own: ")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kLeftOut, "runtime crun: ")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kLeftOut, "runtime runc: not in PATH")));
  EXPECT_THAT(parts, Not(Contains(Field(&CheckedPart::text, HasSubstr("none works")))));
  config_.default_runtime = "crun";
  config_.default_runtime_found = false;
  EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kBad, "runtime crun: ")));
  config_.default_runtime_found = true;
  config_.runtimes.erase("own");
  EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kBad, "runtimes: none works here")));
}

// Wherever the temporary directory is: with project quotas or, said so, without.
TEST_F(ConfigCheckTest, WritableLayers) {
  config_.root = Path("root/below");
  const auto parts = CheckConfig(config_);
  EXPECT_THAT(parts,
              Contains(Field(&CheckedPart::text, HasSubstr("writable_layer: project quota"))));
  EXPECT_FALSE(PathExists(Path("root"))) << "nothing is made";
  config_.root = "/proc/none";
  EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kLeftOut, "neither ext4 nor xfs")));
  config_.writable_layer.size_limit_bytes = 1 << 20;
  EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kBad, "configure no limit")));
}

// Each setting of a handler, with a value that is wrong.
TEST_F(ConfigCheckTest, EverySettingOfAHandler) {
  const auto found = [this](const std::function<void(config::RuntimeHandler*)>& spoil) {
    config::Config config = config_;
    spoil(&config.runtimes["own"]);
    std::string all;
    for (const CheckedPart& part : CheckConfig(config)) {
      // Not of the handler: whether the temporary directory has quotas.
      if (part.text.starts_with("writable_layer")) continue;
      if (part.verdict != Verdict::kGood) all += part.text + "\n";
    }
    return all;
  };
  Write("file", "");
  Write("plain", "#!/bin/sh\n", 0644);
  Write("rubbish.json", "{\"process\": ");
  Write("profile.json", "{\"defaultAction\": \"SCMP_ACT_DANCE\"}");
  EXPECT_EQ(found([](auto*) {}), "");
  EXPECT_THAT(found([](auto* h) { h->path = "own"; }), HasSubstr("path 'own'"));
  EXPECT_THAT(found([&](auto* h) { h->path = Path("none"); }), HasSubstr(Path("none")));
  EXPECT_THAT(found([&](auto* h) { h->path = Path("plain"); }),
              AllOf(HasSubstr(Path("plain")), HasSubstr("Permission denied")));
  EXPECT_THAT(found([](auto* h) { h->root = "state"; }), HasSubstr("root 'state'"));
  EXPECT_THAT(found([&](auto* h) { h->root = Path("file/below/it"); }),
              HasSubstr(Cat(Path("file"), " is not a directory")));
  EXPECT_THAT(found([](auto* h) { h->sandbox = config::SandboxKind::kProcess; }),
              HasSubstr("sandbox: process: not supported yet; allowed: namespaces"));
  EXPECT_THAT(found([](auto* h) { h->default_annotations["io.kubernetes.cri.x"] = "y"; }),
              HasSubstr("default_annotations: 'io.kubernetes.cri.x'"));
  EXPECT_THAT(found([](auto* h) { h->default_annotations["a"] = "\xff"; }),
              AllOf(HasSubstr("a: default_annotations"), HasSubstr("UTF-8")));
  EXPECT_THAT(found([&](auto* h) { h->base_spec = Path("none.json"); }),
              HasSubstr(Path("none.json")));
  EXPECT_THAT(found([&](auto* h) { h->base_spec = Path("rubbish.json"); }),
              HasSubstr("rubbish.json: not JSON"));
  EXPECT_THAT(found([&](auto* h) { h->seccomp_profile = Path("profile.json"); }),
              AllOf(HasSubstr(": seccomp_profile"), HasSubstr("SCMP_ACT_DANCE")));
  EXPECT_THAT(found([&](auto* h) { h->privileged_seccomp_profile = Path("profile.json"); }),
              AllOf(HasSubstr("privileged_seccomp_profile"), HasSubstr("SCMP_ACT_DANCE")));
  Write("other", "#!/bin/sh\n[ $1 = --version ] && { echo other version 2.1; exit 0; }\nexit 1\n",
        0755);
  EXPECT_THAT(found([&](auto* h) { h->path = Path("other"); }), HasSubstr("other features: "));
  // A monitor's environment reaches the program that is checked, too.
  Write("own",
        "#!/bin/sh\n[ \"$WANTED\" = yes ] || { echo no WANTED >&2; exit 3; }\n"
        "echo own version 1.2.3\n",
        0755);
  EXPECT_THAT(found([](auto*) {}), HasSubstr("no WANTED"));
  EXPECT_THAT(found([](auto* h) { h->monitor_env["WANTED"] = "yes"; }), Not(HasSubstr("WANTED")));
}

// What would stop crispd, each named by its key.
TEST_F(ConfigCheckTest, Prerequisites) {
  EXPECT_TRUE(MissingPrerequisites(config_).empty());
  Write("plain", "", 0644);
  config_.binaries = {Path("none"), Path("plain"), Path("own")};
  config_.socket.group = "no-such-group";
  config_.streaming.tls_cert = Path("plain");
  config_.streaming.tls_key = Path("none.key");
  auto parts = CheckConfig(config_);
  EXPECT_EQ(MissingPrerequisites(config_).size(), 4u);
  EXPECT_THAT(parts, Contains(Is(Verdict::kBad, Cat("binaries.monitor ", Path("none")))));
  EXPECT_THAT(parts, Contains(Is(Verdict::kBad, Cat("binaries.init ", Path("plain")))));
  EXPECT_THAT(parts, Contains(Is(Verdict::kBad, "socket.group: no group 'no-such-group'")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kBad, Cat("streaming.tls_key ", Path("none.key")))));
  EXPECT_THAT(parts, Not(Contains(Field(&CheckedPart::text, HasSubstr("binaries.pull")))));
  config_.streaming.address.clear();
  EXPECT_EQ(MissingPrerequisites(config_).size(), 3u) << "files that nobody reads";
  config_.cgroup_driver = config::CgroupDriver::kSystemd;
  EXPECT_EQ(MissingPrerequisites(config_).size(), PathExists("/run/systemd/system") ? 3u : 4u);
}

TEST_F(ConfigCheckTest, Cpus) {
  const auto found = [this](const std::string& cpus) {
    config_.infra_ctr_cpuset = cpus;
    std::string all;
    for (const CheckedPart& part : CheckConfig(config_)) {
      if (part.text.starts_with("infra_ctr_cpuset")) all += part.text;
    }
    return all;
  };
  const auto online = ReadFile("/sys/devices/system/cpu/online");
  ASSERT_TRUE(online.ok()) << online.status().ToString();
  EXPECT_EQ(found(""), "");
  EXPECT_EQ(found(std::string(Trim(*online))), "");
  EXPECT_THAT(found(Cat(Trim(*online), ",999999999")), HasSubstr("no CPU 999999999 on this"));
  EXPECT_THAT(found("0-4294967295"), HasSubstr("infra_ctr_cpuset: no CPU "));
}

TEST_F(ConfigCheckTest, Selinux) {
  config_.selinux = config::SelinuxMode::kOn;
  if (PathExists("/sys/fs/selinux/enforce")) {
    EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kGood, "SELinux: containers are ")));
  } else {
    EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kBad, "selinux: on, but this host")));
  }
}

TEST_F(ConfigCheckTest, FilesAndDevices) {
  Write("cdi/a.json", "{");
  Write("cdi/b.yaml", "cdiVersion: 1.0.0\nkind: v/c\n");
  Write("hooks/c.json", "{}");
  config_.additional_devices = {"/dev/null", "/dev/no-such-device"};
  const auto parts = CheckConfig(config_);
  EXPECT_THAT(parts, Contains(Is(Verdict::kLeftOut, "cdi/a.json: not JSON")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kLeftOut, "cdi/b.yaml: devices: is missing")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kLeftOut, "hooks/c.json: version")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kGood, "additional_devices: /dev/null")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kBad, "/dev/no-such-device: No such file")));
}

}  // namespace
}  // namespace crisp
