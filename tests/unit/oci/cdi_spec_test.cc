#include "oci/cdi_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace crisp::oci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string SpecWith(const std::string& edits, const std::string& version = "1.1.0") {
  return Cat(R"({"cdiVersion": ")", version, R"(", "kind": "vendor.com/gpu", "devices": [)",
             R"({"name": "0", "containerEdits": )", edits, "}]}");
}

std::string ErrorOf(const std::string& text) {
  const auto spec = ParseCdiSpec(text);
  EXPECT_FALSE(spec.ok()) << text;
  EXPECT_EQ(spec.status().code(), Code::kInvalidArgument);
  return spec.status().message();
}

TEST(CdiSpecTest, EveryEdit) {
  const auto spec = ParseCdiSpec(SpecWith(R"({
    "env": ["A=1", "B="],
    "deviceNodes": [{"path": "/dev/gpu0", "hostPath": "/dev/dri/card0", "type": "c", "major": 226,
                     "minor": 3, "fileMode": 432, "permissions": "rw", "uid": 7, "gid": 8},
                    {"path": "/dev/plain"}],
    "mounts": [{"hostPath": "/lib/x", "containerPath": "/lib/y", "type": "none",
                "options": ["ro", "bind"]}],
    "hooks": [{"hookName": "createContainer", "path": "/bin/h", "args": ["h", "x"], "env": ["K=V"],
               "timeout": 5}],
    "additionalGids": [44, 0, 45],
    "intelRdt": {"closID": "gold", "schemata": ["L3:0=f"], "enableMonitoring": true},
    "netDevices": [{"hostInterfaceName": "eth7", "name": "gpu0"}]})"));
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->kind, "vendor.com/gpu");
  ASSERT_THAT(spec->devices, SizeIs(1));
  EXPECT_EQ(spec->devices[0].name, "0");
  const CdiEdits& edits = spec->devices[0].edits;
  EXPECT_THAT(edits.env, ElementsAre("A=1", "B="));
  ASSERT_THAT(edits.device_nodes, SizeIs(2));
  const CdiDeviceNode& node = edits.device_nodes[0];
  EXPECT_EQ(node.path, "/dev/gpu0");
  EXPECT_EQ(node.host_path, "/dev/dri/card0");
  EXPECT_EQ(node.type, 'c');
  EXPECT_EQ(node.major, 226);
  EXPECT_EQ(node.minor, 3);
  EXPECT_EQ(node.file_mode, mode_t{0660});
  EXPECT_EQ(node.permissions, "rw");
  EXPECT_EQ(node.uid, 7u);
  EXPECT_EQ(node.gid, 8u);
  EXPECT_EQ(edits.device_nodes[1].host_path, "/dev/plain");
  EXPECT_EQ(edits.device_nodes[1].type, 0);
  EXPECT_FALSE(edits.device_nodes[1].uid.has_value());
  EXPECT_THAT(edits.mounts[0].options, ElementsAre("ro", "bind"));
  ASSERT_THAT(edits.hooks, SizeIs(1));
  EXPECT_EQ(edits.hooks[0].first, HookStage::kCreateContainer);
  EXPECT_EQ(edits.hooks[0].second.timeout_s, 5);
  EXPECT_THAT(edits.additional_gids, ElementsAre(44, 45));
  ASSERT_TRUE(edits.intel_rdt.has_value());
  EXPECT_EQ(edits.intel_rdt->clos_id, "gold");
  EXPECT_EQ(edits.net_devices.at("eth7"), "gpu0");
}

TEST(CdiSpecTest, AllSixHookStages) {
  for (const auto& [name, stage] : kHookStages) {
    const auto spec =
        ParseCdiSpec(SpecWith(Cat(R"({"hooks": [{"hookName": ")", name, R"(", "path": "/h"}]})")));
    ASSERT_TRUE(spec.ok()) << spec.status().ToString();
    EXPECT_EQ(spec->devices[0].edits.hooks[0].first, stage);
  }
}

TEST(CdiSpecTest, MistakesSayWhereAndWhat) {
  const auto message = [](const char* edits) { return ErrorOf(SpecWith(edits)); };
  EXPECT_THAT(message(R"({"deviceNode": []})"),
              HasSubstr("devices[0].containerEdits.deviceNode: unknown key; allowed here: env"));
  EXPECT_THAT(message(R"({"env": ["=x"]})"), HasSubstr("'=x': allowed: NAME=VALUE"));
  EXPECT_THAT(message(R"({"env": [1]})"), HasSubstr("env[0]: found a number where text"));
  EXPECT_THAT(message(R"({"deviceNodes": [{}]})"), HasSubstr("deviceNodes[0].path: is missing"));
  EXPECT_THAT(message(R"({"deviceNodes": [{"path": "dev"}]})"), HasSubstr("an absolute path"));
  EXPECT_THAT(message(R"({"deviceNodes": [{"path": "/d", "type": "x"}]})"), HasSubstr("b, c, u"));
  EXPECT_THAT(message(R"({"deviceNodes": [{"path": "/d", "major": -1}]})"), HasSubstr("0 to"));
  EXPECT_THAT(message(R"({"deviceNodes": [{"path": "/d", "uid": 4294967296}]})"),
              HasSubstr("uid: 4294967296: allowed"));
  EXPECT_THAT(message(R"({"deviceNodes": [{"path": "/d", "permissions": "rx"}]})"),
              HasSubstr("a subset of rwm"));
  EXPECT_THAT(message(R"({"mounts": [{"containerPath": "/c"}]})"), HasSubstr("hostPath"));
  EXPECT_THAT(message(R"({"mounts": {}})"), HasSubstr("a list is wanted"));
  EXPECT_THAT(message(R"({"hooks": [{"hookName": "later", "path": "/h"}]})"),
              HasSubstr("'later': allowed: prestart"));
  EXPECT_THAT(message(R"({"hooks": [{"hookName": "poststop", "path": "/h", "timeout": 0}]})"),
              HasSubstr("timeout: 0: allowed: a whole number, 1 to"));
  EXPECT_THAT(message(R"({"additionalGids": [-1]})"), HasSubstr("group id"));
  EXPECT_THAT(message(R"({"intelRdt": {"closID": "a/b"}})"), HasSubstr("closID"));
  EXPECT_THAT(message(R"({"netDevices": [{"hostInterfaceName": "a/b", "name": "x"}]})"),
              HasSubstr("an interface's name"));
  EXPECT_THAT(message(R"({"env": ["A=1"], "env": []})"), HasSubstr("twice"));
}

TEST(CdiSpecTest, TheWholeFile) {
  EXPECT_THAT(ErrorOf("{"), HasSubstr("not JSON"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("found a list where an object is wanted"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("cdiVersion: is missing"));
  EXPECT_THAT(ErrorOf(R"({"cdiVersion": "0.6.0", "kind": "a/b", "devices": []})"),
              HasSubstr("devices: is missing or empty"));
  EXPECT_THAT(ErrorOf(R"({"cdiVersion": "0.6.0", "kind": "a/b", "devices":
                          [{"name": "x"}, {"name": "x"}]})"),
              HasSubstr("devices[1].name: 'x' is there twice"));
  for (const char* version : {"0.2.0", "2.0.0", "1.2.0", "1.0", "x", "0.6.0-rc1", "-1.0.0"}) {
    EXPECT_THAT(ErrorOf(SpecWith("{}", version)), HasSubstr("allowed: 0.3.0 to 1.1.x")) << version;
  }
  for (const char* kind : {"gpu", "/gpu", "vendor.com/", "a/b/c", "1v/gpu", "v/1gpu", "v-/gpu"}) {
    EXPECT_THAT(ErrorOf(Cat(R"({"cdiVersion": "1.0.0", "kind": ")", kind,
                            R"(", "devices": [{"name": "x"}]})")),
                HasSubstr("kind: '"))
        << kind;
  }
}

TEST(CdiSpecTest, KeysNeedTheirVersion) {
  struct Case {
    const char* edits;
    const char* old;
    const char* since;
  };
  for (const Case& c :
       {Case{R"({"mounts": [{"hostPath": "/", "containerPath": "/c", "type": "x"}]})", "0.3.0",
             "0.4.0"},
        Case{R"({"deviceNodes": [{"path": "/d", "hostPath": "/e"}]})", "0.4.0", "0.5.0"},
        Case{R"({"additionalGids": [1]})", "0.6.0", "0.7.0"},
        Case{R"({"intelRdt": {"closID": "x"}})", "0.6.0", "0.7.0"},
        Case{R"({"intelRdt": {"schemata": ["x"]}})", "1.0.0", "1.1.0"},
        Case{R"({"netDevices": [{"hostInterfaceName": "a", "name": "b"}]})", "1.0.0", "1.1.0"}}) {
    const auto of_version = [&c](const char* version) {
      return Cat(R"({"cdiVersion": ")", version, R"(", "kind": "v/gpu", "devices": [)",
                 R"({"name": "x", "containerEdits": )", c.edits, "}]}");
    };
    EXPECT_THAT(ErrorOf(of_version(c.old)), HasSubstr(Cat("needs cdiVersion ", c.since)));
    EXPECT_TRUE(ParseCdiSpec(of_version(c.since)).ok()) << c.edits;
  }
  EXPECT_THAT(ErrorOf(SpecWith("{}", "0.4.0")), HasSubstr("a digit at the beginning needs"));
}

TEST(CdiNameTest, QualifiedNames) {
  const auto name = ParseCdiName("vendor.com/gpu=0:1");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->kind, "vendor.com/gpu");
  EXPECT_EQ(name->device, "0:1");
  for (const char* bad : {"", "gpu0", "vendor.com/gpu", "vendor.com/gpu=", "=x", "gpu=0", "a/b=-x",
                          "a/b=x/y", "a/b=x y", "a/b=x=y"}) {
    const Status status = ParseCdiName(bad).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << bad;
    EXPECT_THAT(status.message(), HasSubstr(Cat("CDI device '", bad, "'")));
  }
}

TEST(CdiNameTest, Annotations) {
  const auto devices = CdiDevicesOfAnnotations({{"cdi.k8s.io/vendor.gpu_1", "v/gpu=0,v/gpu=1"},
                                                {"cdi.k8s.io/a", "v/net=x"},
                                                {"other/cdi.k8s.io", "nonsense"}});
  ASSERT_TRUE(devices.ok()) << devices.status().ToString();
  EXPECT_THAT(*devices, ElementsAre("v/net=x", "v/gpu=0", "v/gpu=1"));
  EXPECT_THAT(*CdiDevicesOfAnnotations({}), IsEmpty());
  EXPECT_THAT(CdiDevicesOfAnnotations({{"cdi.k8s.io/x", "v/gpu=0,"}}).status().message(),
              HasSubstr("annotation cdi.k8s.io/x: CDI device ''"));
  EXPECT_THAT(CdiDevicesOfAnnotations({{"cdi.k8s.io/x", "gpu"}}).status().message(),
              HasSubstr("a qualified name"));
  for (const char* key : {"cdi.k8s.io/", "cdi.k8s.io/-x", "cdi.k8s.io/a/b", "cdi.k8s.io/x_"}) {
    EXPECT_EQ(CdiDevicesOfAnnotations({{key, "v/gpu=0"}}).status().code(), Code::kInvalidArgument)
        << key;
  }
}

}  // namespace
}  // namespace crisp::oci
