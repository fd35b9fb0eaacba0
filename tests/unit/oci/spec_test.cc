#include "oci/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace crisp::oci {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

Spec FullSpec() {
  Spec spec;
  spec.process = {.terminal = true,
                  .user = {.uid = 1, .gid = 2, .additional_gids = {2, 3}},
                  .args = {"/bin/sh", "-c", "x"},
                  .env = {"A=1", "B="},
                  .cwd = "/work",
                  .capabilities = {{"CAP_KILL"}, {}, {}, {}, {}},
                  .no_new_privileges = true,
                  .oom_score_adj = -3,
                  .apparmor_profile = "p",
                  .selinux_label = "l"};
  spec.root_path = "/rootfs";
  spec.root_readonly = true;
  spec.hostname = "h";
  spec.mounts = {{"/proc", "proc", "proc", {"nosuid"}}, {"/data", "bind", "/src", {}}};
  spec.annotations = {{"k", "v"}};
  spec.namespaces = {{"mount", ""}, {"network", "/run/net"}};
  spec.uid_mappings = {{0, 1000, 10}};
  spec.gid_mappings = {{0, 2000, 20}};
  spec.devices = {{"/dev/fuse", 'c', 10, 229, 0660, 4, 5}};
  spec.cgroups_path = "/pods/x";
  spec.resources.devices = {{false, 'a', {}, {}, "rwm"}, {true, 'c', 10, 229, "rw"}};
  spec.resources.cpu_shares = 512;
  spec.resources.cpu_quota_us = -1;
  spec.resources.memory_limit_bytes = 1 << 20;
  spec.resources.memory_swap_bytes = 2 << 20;
  spec.resources.pids_limit = 9;
  spec.resources.hugepage_limits = {{"2MB", 0}};
  spec.resources.unified = {{"memory.high", "max"}};
  spec.rootfs_propagation = "rslave";
  spec.seccomp_json = R"({"defaultAction":"SCMP_ACT_ALLOW"})";
  spec.sysctl = {{"net.ipv4.ip_forward", "1"}};
  spec.masked_paths = {"/proc/kcore"};
  spec.readonly_paths = {"/proc/sys"};
  spec.mount_label = "m";
  return spec;
}

TEST(SpecJson, EveryFieldIsWhereTheRuntimeSpecPutsIt) {
  const auto text = ToJson(FullSpec());
  ASSERT_TRUE(text.ok()) << text.status().ToString();
  const json spec = json::parse(*text);
  const auto at = [&spec](const char* pointer) { return spec.at(json::json_pointer(pointer)); };
  EXPECT_EQ(at("/ociVersion"), "1.0.2");
  EXPECT_EQ(at("/process/user"), json::parse(R"({"uid":1,"gid":2,"additionalGids":[2,3]})"));
  EXPECT_EQ(at("/process/args/2"), "x");
  EXPECT_EQ(at("/process/env/1"), "B=");
  EXPECT_EQ(at("/process/cwd"), "/work");
  EXPECT_EQ(at("/process/capabilities/bounding/0"), "CAP_KILL");
  EXPECT_EQ(at("/process/capabilities/inheritable"), json::array());
  EXPECT_EQ(at("/process/oomScoreAdj"), -3);
  EXPECT_EQ(at("/process/noNewPrivileges"), true);
  EXPECT_EQ(at("/process/apparmorProfile"), "p");
  EXPECT_EQ(at("/process/selinuxLabel"), "l");
  EXPECT_EQ(at("/root"), json::parse(R"({"path":"/rootfs","readonly":true})"));
  EXPECT_EQ(at("/mounts/0/options/0"), "nosuid");
  EXPECT_FALSE(at("/mounts/1").contains("options"));
  EXPECT_FALSE(at("/linux/namespaces/0").contains("path"));
  EXPECT_EQ(at("/linux/namespaces/1/path"), "/run/net");
  EXPECT_EQ(at("/linux/uidMappings/0/hostID"), 1000);
  EXPECT_EQ(at("/linux/devices/0/fileMode"), 0660);
  EXPECT_EQ(at("/linux/resources/devices/0"), json::parse(R"({"allow":false,"access":"rwm"})"));
  EXPECT_EQ(at("/linux/resources/devices/1/minor"), 229);
  EXPECT_EQ(at("/linux/resources/cpu"), json::parse(R"({"shares":512,"quota":-1})"));
  EXPECT_EQ(at("/linux/resources/memory/swap"), 2 << 20);
  EXPECT_EQ(at("/linux/resources/pids/limit"), 9);
  EXPECT_EQ(at("/linux/resources/hugepageLimits/0/pageSize"), "2MB");
  EXPECT_EQ(at("/linux/resources/unified/memory.high"), "max");
  EXPECT_EQ(at("/linux/seccomp/defaultAction"), "SCMP_ACT_ALLOW");
  EXPECT_EQ(at("/linux/sysctl/net.ipv4.ip_forward"), "1");
  EXPECT_EQ(at("/linux/maskedPaths/0"), "/proc/kcore");
  EXPECT_EQ(at("/linux/readonlyPaths/0"), "/proc/sys");
  EXPECT_EQ(at("/linux/mountLabel"), "m");
  EXPECT_EQ(at("/linux/rootfsPropagation"), "rslave");
  EXPECT_EQ(at("/annotations/k"), "v");
}

TEST(SpecJson, EmptyOptionalsAreLeftOut) {
  const json spec = json::parse(*ToJson(Spec{}));
  for (const char* key : {"hostname", "annotations"}) EXPECT_FALSE(spec.contains(key)) << key;
  for (const char* key : {"devices", "cgroupsPath", "seccomp", "sysctl", "mountLabel",
                          "rootfsPropagation", "uidMappings"}) {
    EXPECT_FALSE(spec.at("linux").contains(key)) << key;
  }
  EXPECT_FALSE(spec.at("process").contains("oomScoreAdj"));
  EXPECT_EQ(*ToJson(LinuxResources{}), "{}");
}

TEST(SpecJson, ProcessComesBack) {
  const Spec spec = FullSpec();
  const auto back = ProcessFromSpecJson(*ToJson(spec));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(*ToJson(*back), *ToJson(spec.process));
}

TEST(SpecJson, WhatCannotBeWrittenOrRead) {
  Spec spec;
  spec.process.env = {"A=\xff\xfe"};
  EXPECT_EQ(ToJson(spec).status().code(), Code::kInternal);
  spec = {};
  spec.seccomp_json = "{";
  EXPECT_EQ(ToJson(spec).status().code(), Code::kInternal);
  for (const char* bad :
       {"", "{", "{}", "[]", R"({"process": 5})", R"({"process":{"args":"x"}})"}) {
    EXPECT_EQ(ProcessFromSpecJson(bad).status().code(), Code::kDataLoss) << bad;
  }
}

}  // namespace
}  // namespace crisp::oci
