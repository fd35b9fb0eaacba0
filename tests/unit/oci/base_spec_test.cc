#include "oci/base_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "oci/seccomp.h"
#include "oci/spec_parts.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// What crisp writes with this base.
json Merged(Spec spec, const std::string& base) {
  const auto parsed = ParseBaseSpec(base);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  if (!parsed.ok()) return {};
  spec.base_json = *parsed;
  const auto text = ToJson(spec);
  EXPECT_TRUE(text.ok()) << text.status().ToString();
  return text.ok() ? json::parse(*text) : json();
}

TEST(BaseSpecTest, WhatCrispSetsWins) {
  Spec spec;
  spec.process.args = {"own"};
  spec.process.cwd = "/own";
  spec.annotations = {{"a", "own"}};
  spec.resources.cpu_shares = 100;
  const json out = Merged(spec, R"({"ociVersion": "9.9.9", "hostname": "h", "root": {"path": "/x"},
      "process": {"args": ["base"], "cwd": "/base", "user": {"uid": 7}, "scheduler": {"policy": "x"},
                  "capabilities": {"bounding": ["CAP_SYS_ADMIN"]}, "noNewPrivileges": true},
      "annotations": {"a": "base", "b": "base"},
      "linux": {"sysctl": {"net.x": "1"}, "seccomp": {"defaultAction": "SCMP_ACT_KILL"},
                "namespaces": [{"type": "user"}], "maskedPaths": ["/x"],
                "resources": {"cpu": {"shares": 5, "burst": 7}, "pids": {"limit": 9}}}})");
  EXPECT_EQ(out["ociVersion"], "1.0.2");
  EXPECT_FALSE(out.contains("hostname"));
  EXPECT_EQ(out["root"]["path"], "");
  EXPECT_EQ(out["process"]["args"], json({"own"}));
  EXPECT_EQ(out["process"]["cwd"], "/own");
  EXPECT_EQ(out["process"]["user"]["uid"], 0);
  EXPECT_EQ(out["process"]["scheduler"]["policy"], "x");
  EXPECT_TRUE(out["process"]["capabilities"]["bounding"].empty());
  EXPECT_EQ(out["process"]["noNewPrivileges"], false);
  EXPECT_EQ(out["annotations"], json({{"a", "own"}, {"b", "base"}}));
  EXPECT_EQ(out["linux"]["sysctl"]["net.x"], "1");
  EXPECT_FALSE(out["linux"].contains("seccomp"));
  EXPECT_TRUE(out["linux"]["namespaces"].empty());
  EXPECT_TRUE(out["linux"]["maskedPaths"].empty());
  EXPECT_EQ(out["linux"]["resources"]["cpu"], json({{"shares", 100}, {"burst", 7}}));
  EXPECT_EQ(out["linux"]["resources"]["pids"]["limit"], 9);
}

TEST(BaseSpecTest, CollectionsAreJoined) {
  Spec spec;
  spec.process.env = {"A=own"};
  spec.mounts = {{"/proc", "proc", "proc", {}}, {"/data/x", "bind", "/tmp", {"rbind"}}};
  spec.devices = {{"/dev/a", 'c', 1, 1}};
  spec.resources.devices = {{false, 'a', {}, {}, "rwm"}};
  spec.hooks[HookStage::kPoststop] = {{"/own", {}, {}, {}}};
  const json out = Merged(spec, R"({
      "process": {"env": ["A=base", "B=base"], "rlimits": [{"type": "RLIMIT_X", "soft": 1,
                                                            "hard": 1}]},
      "mounts": [{"destination": "/proc", "source": "base"}, {"destination": "/data"}],
      "hooks": {"poststop": [{"path": "/base"}], "prestart": [{"path": "/other"}]},
      "linux": {"devices": [{"path": "/dev/a", "major": 9}, {"path": "/dev/b"}],
                "resources": {"devices": [{"allow": false}, {"allow": true, "major": 5}]}}})");
  EXPECT_EQ(out["process"]["env"], json({"A=own", "B=base"}));
  EXPECT_EQ(out["process"]["rlimits"].size(), 1u);
  ASSERT_EQ(out["mounts"].size(), 3u);
  EXPECT_EQ(out["mounts"][0]["source"], "proc");
  EXPECT_EQ(out["mounts"][1]["destination"], "/data");
  EXPECT_EQ(out["mounts"][2]["destination"], "/data/x");
  EXPECT_EQ(out["linux"]["devices"].size(), 2u);
  EXPECT_EQ(out["linux"]["devices"][0]["major"], 1);
  ASSERT_EQ(out["linux"]["resources"]["devices"].size(), 2u);
  EXPECT_EQ(out["linux"]["resources"]["devices"][1]["major"], 5);
  EXPECT_EQ(out["hooks"]["poststop"], json::parse(R"([{"path": "/base"}, {"path": "/own"}])"));
  EXPECT_EQ(out["hooks"]["prestart"].size(), 1u);
}

TEST(BaseSpecTest, MistakesAreNamed) {
  const auto error = [](const char* text) {
    const auto parsed = ParseBaseSpec(text);
    EXPECT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().code(), Code::kInvalidArgument);
    return parsed.status().message();
  };
  EXPECT_THAT(error("{"), HasSubstr("not JSON"));
  EXPECT_THAT(error("[]"), HasSubstr("an OCI spec"));
  EXPECT_THAT(error(R"({"mounts": {}})"), HasSubstr("/mounts: allowed: a list"));
  EXPECT_THAT(error(R"({"mounts": [{}]})"), HasSubstr("'destination'"));
  EXPECT_THAT(error(R"({"process": {"env": ["x"]}})"), HasSubstr("NAME=VALUE"));
  EXPECT_THAT(error(R"({"linux": []})"), HasSubstr("/linux: allowed: an object"));
  EXPECT_THAT(error(R"({"hooks": {"createRuntime": 1}})"), HasSubstr("/hooks/createRuntime"));
  EXPECT_THAT(error(R"({"linux": {"resources": {"devices": [1]}}})"), HasSubstr("'allow'"));
  EXPECT_THAT(ReadBaseSpec("/no/such/base.json").status().message(), HasSubstr("/no/such"));
}

TEST(HandlerAnnotationsTest, OnlyWhatIsAllowed) {
  ContainerRequest request;
  EXPECT_TRUE(HandlerAnnotations(request).empty());
  RuntimeOptions handler;
  handler.allowed_annotations = {"run.oci.", "io.example/exact"};
  handler.default_annotations = {{"run.oci.a", "default"}, {"other", "default"}};
  request.handler = &handler;
  request.pod_annotations = {{"run.oci.a", "pod"}, {"run.oci.b", "pod"}, {"secret", "pod"}};
  request.annotations = {{"run.oci.b", "container"}, {"io.example/exact", "yes"}};
  EXPECT_EQ(HandlerAnnotations(request),
            (std::map<std::string, std::string>{{"run.oci.a", "pod"},
                                                {"run.oci.b", "container"},
                                                {"io.example/exact", "yes"},
                                                {"other", "default"}}));
  request.allowed_annotations = {"sec"};  // of the pod's workload
  EXPECT_EQ(HandlerAnnotations(request).at("secret"), "pod");
  EXPECT_EQ(HandlerAnnotations(request).at("run.oci.b"), "container");
  TestRootfs rootfs;
  ContainerRequest whole = SmallRequest(rootfs);
  whole.handler = &handler;
  handler.allowed_annotations = {"io."};
  whole.annotations = {{"io.kubernetes.cri.sandbox-id", "forged"}};
  const auto built = BuildSpecOn(whole, "/run/state/c", FullHost());
  ASSERT_TRUE(built.ok()) << built.status().ToString();
  EXPECT_EQ(built->spec.annotations.at("io.kubernetes.cri.sandbox-id"), whole.sandbox_id);
}

TEST(RuntimeDefaultSeccompTest, TheHandlersProfileOrCrispsOwn) {
  TestRootfs files;
  files.Write("s.json", R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 77})");
  RuntimeOptions handler;
  ContainerRequest request;
  request.handler = &handler;
  request.seccomp = RequestedProfile{};
  EXPECT_THAT(*ResolveSeccomp(request, {}, FullHost()), HasSubstr("openat"));
  handler.seccomp_profile = files.path() + "/s.json";
  EXPECT_THAT(*ResolveSeccomp(request, {}, FullHost()), HasSubstr("77"));
  request.seccomp->type = RequestedProfile::Type::kUnconfined;
  EXPECT_EQ(*ResolveSeccomp(request, {}, FullHost()), "");
  request.seccomp->type = RequestedProfile::Type::kRuntimeDefault;
  handler.seccomp_profile += ".missing";
  EXPECT_EQ(ResolveSeccomp(request, {}, FullHost()).status().code(), Code::kNotFound);
}

TEST(PrivilegedSeccompTest, OnlyTheHandlersProfile) {
  TestRootfs files;
  files.Write("p.json", R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []})");
  ContainerRequest request;
  request.privileged = true;
  request.seccomp = RequestedProfile{};
  EXPECT_EQ(*ResolveSeccomp(request, {}, FullHost()), "");
  RuntimeOptions handler;
  request.handler = &handler;
  EXPECT_EQ(*ResolveSeccomp(request, {}, FullHost()), "");
  handler.privileged_seccomp_profile = files.path() + "/p.json";
  EXPECT_THAT(*ResolveSeccomp(request, {}, FullHost()), HasSubstr("SCMP_ACT_ERRNO"));
  EXPECT_TRUE(CheckSeccompProfile(handler.privileged_seccomp_profile).ok());
  handler.privileged_seccomp_profile += ".missing";
  EXPECT_EQ(ResolveSeccomp(request, {}, FullHost()).status().code(), Code::kNotFound);
  EXPECT_FALSE(CheckSeccompProfile(handler.privileged_seccomp_profile).ok());
}

}  // namespace
}  // namespace crisp::oci
