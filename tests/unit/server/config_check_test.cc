#include "server/config_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/core/dir_fd.h"
#include "base/core/file.h"

namespace crisp {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
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
  EXPECT_THAT(parts, Contains(Is(Verdict::kLeftOut, "runtime other: ")));
  EXPECT_THAT(parts, Contains(Is(Verdict::kBad, "base.json: /mounts: allowed: a list")));
  Write("base.json", "{}");
  EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kGood, "runtime own")));
  config_.runtimes["own"].privileged_seccomp_profile = Path("none.json");
  EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kBad, "privileged_seccomp_profile")));
  config_.runtimes["own"].privileged_seccomp_profile.clear();
  Write("own", "#!/bin/sh\necho no runtime\n", 0755);
  EXPECT_THAT(CheckConfig(config_), Contains(Is(Verdict::kBad, "printed 'no runtime'")));
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
