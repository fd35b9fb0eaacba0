#include "oci/cdi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <future>
#include <thread>

#include "oci/cdi_edits.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string OneDevice(const std::string& name, const std::string& edits,
                      const std::string& common = "{}", const std::string& kind = "v/gpu") {
  return Cat(R"({"cdiVersion": "1.1.0", "kind": ")", kind, R"(", "containerEdits": )", common,
             R"(, "devices": [{"name": ")", name, R"(", "containerEdits": )", edits, "}]}");
}

class CdiTest : public ::testing::Test {
 protected:
  CdiTest() {
    request_.cdi = &catalog_;
    request_.features = &features_;
    spec_.process.env = {"PATH=/bin", "A=old"};
  }
  Status Apply(const std::vector<std::string>& names) {
    request_.cdi_devices = names;
    return ApplyCdi(request_, &spec_);
  }

  TestRootfs files_;
  CdiCatalog catalog_{{{files_.path() + "/first", files_.path() + "/second"},
                       [](const std::string& text, const std::string&) -> Result<std::string> {
                         return text.substr(1);  // a YAML of our own
                       }}};
  RuntimeFeatures features_;
  ContainerRequest request_;
  Spec spec_;
};

TEST_F(CdiTest, EditsOfTheFileComeOnce) {
  files_.Write("first/a.json", OneDevice("x", R"({"env": ["A=1", "X=1"]})",
                                         R"({"env": ["COMMON=1"], "additionalGids": [5]})"));
  ASSERT_TRUE(Apply({"v/gpu=x", "v/gpu=x"}).ok());
  EXPECT_THAT(spec_.process.env, ElementsAre("PATH=/bin", "A=1", "COMMON=1", "X=1"));
  EXPECT_THAT(spec_.process.user.additional_gids, ElementsAre(5));
}

// A privileged container has a rule for all devices; one whose handler leaves out the host's has
// not.
TEST_F(CdiTest, RulesOfPrivilegedContainers) {
  files_.Write("first/a.json", OneDevice("x", R"({"deviceNodes": [{"path": "/dev/x", "type": "c",
                                                  "major": 1, "minor": 3, "permissions": "r"}]})"));
  RuntimeOptions handler;
  request_.handler = &handler;
  request_.privileged = true;
  ASSERT_TRUE(Apply({"v/gpu=x"}).ok());
  EXPECT_THAT(spec_.resources.devices, IsEmpty());
  handler.privileged_without_host_devices = true;
  ASSERT_TRUE(Apply({"v/gpu=x"}).ok());
  ASSERT_THAT(spec_.resources.devices, SizeIs(1));
  EXPECT_EQ(spec_.resources.devices[0].access, "r");
}

TEST_F(CdiTest, AnnotationsNameDevicesToo) {
  files_.Write("first/a.json", OneDevice("x", R"({"env": ["X=1"]})"));
  files_.Write("second/b.json", OneDevice("y", R"({"env": ["Y=1"]})", "{}", "v/net"));
  request_.annotations = {{"cdi.k8s.io/plugin", "v/net=y,v/gpu=x"}};
  ASSERT_TRUE(Apply({"v/gpu=x"}).ok());
  EXPECT_THAT(spec_.process.env, ElementsAre("PATH=/bin", "A=old", "X=1", "Y=1"));
  request_.annotations = {{"cdi.k8s.io/plugin", "v/net"}};
  EXPECT_EQ(Apply({}).code(), Code::kInvalidArgument);
}

TEST_F(CdiTest, LaterDirectoriesWinAndChangesAreSeen) {
  ASSERT_EQ(Apply({"v/gpu=x"}).code(), Code::kNotFound);
  files_.Write("first/a.json", OneDevice("x", R"({"env": ["X=first"]})"));
  ASSERT_TRUE(Apply({"v/gpu=x"}).ok());
  EXPECT_THAT(spec_.process.env, Contains("X=first"));
  files_.Write("second/a.yaml", "#" + OneDevice("x", R"({"env": ["X=second"]})"));
  ASSERT_TRUE(Apply({"v/gpu=x"}).ok());
  EXPECT_THAT(spec_.process.env, Contains("X=second"));
  std::filesystem::remove_all(files_.path() + "/second");
  ASSERT_TRUE(Apply({"v/gpu=x"}).ok());
  EXPECT_THAT(spec_.process.env, Contains("X=first"));
  std::filesystem::rename(files_.path() + "/first", files_.path() + "/gone");
  EXPECT_EQ(Apply({"v/gpu=x"}).code(), Code::kNotFound);
  std::filesystem::create_directory_symlink(files_.path() + "/gone", files_.path() + "/first");
  EXPECT_TRUE(Apply({"v/gpu=x"}).ok());
}

TEST_F(CdiTest, UnknownDevicesSayWhereTheyWereLookedFor) {
  files_.Write("first/a.json", OneDevice("x", "{}"));
  Status status = Apply({"v/gpu=y"});
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(),
              HasSubstr(Cat("CDI device 'v/gpu=y': not found in ", files_.path(), "/first, ",
                            files_.path(), "/second; devices of kind v/gpu there: x")));
  EXPECT_THAT(Apply({"v/fpga=y"}).message(), HasSubstr("kinds there: v/gpu"));
  request_.cdi = nullptr;
  EXPECT_EQ(Apply({"v/gpu=x"}).code(), Code::kFailedPrecondition);
}

TEST_F(CdiTest, ABadFileDoesNotHideOthers) {
  files_.Write("first/a.json", OneDevice("x", "{}"));
  files_.Write("first/b.json", "{");
  files_.Write("first/c.txt", "no spec");
  files_.Write("first/.d.json", "hidden");
  ASSERT_EQ(::mkfifo((files_.path() + "/first/e.json").c_str(), 0600), 0);
  EXPECT_TRUE(Apply({"v/gpu=x"}).ok());
  EXPECT_THAT(catalog_.Problems(), ElementsAre(HasSubstr("/first/b.json: not JSON"),
                                               HasSubstr("/first/e.json: not a regular file")));
  EXPECT_THAT(Apply({"v/gpu=y"}).message(), HasSubstr("left out: "));
  std::filesystem::remove(files_.path() + "/first/b.json");
  std::filesystem::remove(files_.path() + "/first/e.json");
  EXPECT_THAT(catalog_.Problems(), SizeIs(2)) << "as they were read last";
  catalog_.Refresh();
  EXPECT_THAT(catalog_.Problems(), IsEmpty());
}

TEST_F(CdiTest, TwiceInOneDirectoryIsAConflict) {
  files_.Write("first/a.json", OneDevice("x", R"({"env": ["X=a"]})"));
  files_.Write("first/b.json", OneDevice("x", R"({"env": ["X=b"]})"));
  const Status status = Apply({"v/gpu=x"});
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("a.json and in "));
  EXPECT_THAT(catalog_.Problems(), SizeIs(1));
  files_.Write("second/c.json", OneDevice("x", R"({"env": ["X=c"]})"));
  EXPECT_TRUE(Apply({"v/gpu=x"}).ok());
  EXPECT_THAT(spec_.process.env, Contains("X=c"));
}

TEST_F(CdiTest, DeviceNodes) {
  spec_.process.user.uid = 1000;
  spec_.devices = {{"/dev/z", 'b', 9, 9}};
  files_.Symlink("/dev/zero", "zero");
  files_.Write("first/a.json",
               OneDevice("x", Cat(R"({"deviceNodes": [{"path": "/dev/z", "hostPath": ")",
                                  files_.path(), R"(/zero", "permissions": "r", "gid": 6},)",
                                  R"({"path": "/dev/none", "type": "b", "major": 7, "minor": 1,
                                      "fileMode": 256, "uid": 0, "permissions": "none"},
                                     {"path": "/dev/pipe", "type": "p"}]})")));
  const Status status = Apply({"v/gpu=x"});
  ASSERT_TRUE(status.ok()) << status.ToString();
  ASSERT_THAT(spec_.devices, SizeIs(3));
  const Device& zero = spec_.devices[0];
  EXPECT_EQ(zero.path, "/dev/z");
  EXPECT_EQ(zero.type, 'c');
  EXPECT_EQ(zero.major, 1);
  EXPECT_EQ(zero.minor, 5);
  EXPECT_EQ(zero.mode, 0666u);
  EXPECT_EQ(zero.uid, 1000u) << "the container's user";
  EXPECT_EQ(zero.gid, 6u);
  EXPECT_EQ(spec_.devices[1].mode, 0400u);
  EXPECT_EQ(spec_.devices[1].uid, 0u);
  EXPECT_EQ(spec_.devices[2].type, 'p');
  ASSERT_THAT(spec_.resources.devices, SizeIs(1)) << "not for 'none', not for the pipe";
  EXPECT_EQ(spec_.resources.devices[0].access, "r");
  EXPECT_EQ(spec_.resources.devices[0].minor, 5);
}

TEST_F(CdiTest, WhatIsMissingOnTheHost) {
  files_.Write("file", "");
  struct Case {
    std::string edits;
    Code code;
    const char* text;
  };
  for (const Case& c :
       {Case{R"({"deviceNodes": [{"path": "/dev/no-such"}]})", Code::kNotFound, "/dev/no-such"},
        Case{Cat(R"({"deviceNodes": [{"path": ")", files_.path(), R"(/file"}]})"),
             Code::kInvalidArgument, "no device node"},
        Case{R"({"deviceNodes": [{"path": "/dev/null", "type": "b"}]})", Code::kInvalidArgument,
             "is of type c, but type b is wanted"},
        Case{R"({"mounts": [{"hostPath": "/no/such", "containerPath": "/m",
                             "options": ["bind"]}]})",
             Code::kNotFound, "hostPath /no/such"},
        Case{R"({"mounts": [{"hostPath": "/", "containerPath": "/"}]})", Code::kInvalidArgument,
             "containerPath"},
        Case{R"({"hooks": [{"hookName": "prestart", "path": "/no/hook"}]})", Code::kNotFound,
             "prestart /no/hook"},
        Case{R"({"netDevices": [{"hostInterfaceName": "e", "name": "f"}]})",
             Code::kFailedPrecondition, "cannot move network devices"}}) {
    files_.Write("first/a.json", OneDevice("x", c.edits));
    const Status status = Apply({"v/gpu=x"});
    EXPECT_EQ(status.code(), c.code) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr(Cat("CDI device 'v/gpu=x' (", files_.path())));
    EXPECT_THAT(status.message(), HasSubstr(c.text));
  }
}

TEST_F(CdiTest, MountsReplaceAndAreSorted) {
  spec_.mounts = {{"/proc", "proc", "proc", {}}, {"/data/x/y", "bind", "/tmp", {"rbind"}}};
  files_.Write("first/a.json",
               OneDevice("x", R"({"mounts": [{"hostPath": "/tmp", "containerPath": "/data/"},
                   {"hostPath": "tmpfs", "containerPath": "/proc", "type": "tmpfs"},
                   {"hostPath": "/tmp", "containerPath": "/s", "options": ["bind", "rshared"]}]})"));
  const Status status = Apply({"v/gpu=x"});
  ASSERT_TRUE(status.ok()) << status.ToString();
  ASSERT_THAT(spec_.mounts, SizeIs(4));
  EXPECT_EQ(spec_.mounts[0].destination, "/data");
  EXPECT_EQ(spec_.mounts[0].type, "bind");
  EXPECT_THAT(spec_.mounts[0].options, ElementsAre("rbind"));
  EXPECT_EQ(spec_.mounts[1].type, "tmpfs");
  EXPECT_EQ(spec_.mounts[3].destination, "/data/x/y");
  EXPECT_EQ(spec_.rootfs_propagation, "rshared");
}

TEST_F(CdiTest, TwoDevicesWithDifferentRdt) {
  const auto rdt = [](const char* name) {
    return Cat(R"({"intelRdt": {"closID": ")", name, R"("}})");
  };
  files_.Write("first/a.json", OneDevice("x", rdt("gold")));
  files_.Write("first/b.json",
               Cat(R"({"cdiVersion": "1.1.0", "kind": "v/net", "devices": [
                      {"name": "y", "containerEdits": )",
                   rdt("silver"), R"(}, {"name": "same", "containerEdits": )", rdt("gold"), "}]}"));
  const Status status = Apply({"v/gpu=x", "v/net=y"});
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("CDI device 'v/gpu=x'"));
  EXPECT_THAT(status.message(), HasSubstr("CDI device 'v/net=y'"));
  EXPECT_FALSE(spec_.intel_rdt) << "nothing is applied";
  EXPECT_TRUE(Apply({"v/gpu=x", "v/net=same"}).ok());
  // A device's own wins over that of its file.
  files_.Write("second/c.json",
               Cat(R"({"cdiVersion": "1.1.0", "kind": "v/own", "containerEdits": )", rdt("file"),
                   R"(, "devices": [{"name": "z",
                                    "containerEdits": )",
                   rdt("device"), "}]}"));
  ASSERT_TRUE(Apply({"v/own=z"}).ok());
  EXPECT_EQ(spec_.intel_rdt->clos_id, "device");
}

TEST_F(CdiTest, RdtDoesNotDependOnTheOrderOfDevices) {
  files_.Write("first/a.json", R"({"cdiVersion": "1.1.0", "kind": "v/gpu",
      "containerEdits": {"intelRdt": {"closID": "file"}},
      "devices": [{"name": "plain", "containerEdits": {"env": ["A=1"]}},
                  {"name": "own", "containerEdits": {"intelRdt": {"closID": "own"}}},
                  {"name": "other", "containerEdits": {"intelRdt": {"closID": "other"}}}]})");
  for (const auto& names : {std::vector<std::string>{"v/gpu=plain", "v/gpu=own"},
                            std::vector<std::string>{"v/gpu=own", "v/gpu=plain"}}) {
    const Status status = Apply(names);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(spec_.intel_rdt->clos_id, "own");
  }
  EXPECT_EQ(Apply({"v/gpu=own", "v/gpu=other"}).code(), Code::kInvalidArgument);
  EXPECT_EQ(Apply({"v/gpu=other", "v/gpu=plain", "v/gpu=own"}).code(), Code::kInvalidArgument);
  ASSERT_TRUE(Apply({"v/gpu=plain"}).ok());
  EXPECT_EQ(spec_.intel_rdt->clos_id, "file");
}

// Status asks for them, and must not wait for a disk.
TEST_F(CdiTest, ProblemsDoNotWaitForFiles) {
  files_.Write("first/a.yaml", "x");
  std::promise<void> reading;
  std::promise<void> go_on;
  CdiCatalog catalog({{files_.path() + "/first"},
                      [&](const std::string&, const std::string&) -> Result<std::string> {
                        reading.set_value();
                        go_on.get_future().wait();
                        return InvalidArgument("no YAML");
                      }});
  std::thread reader([&] { catalog.Refresh(); });
  reading.get_future().wait();
  auto problems = std::async(std::launch::async, [&] { return catalog.Problems(); });
  EXPECT_EQ(problems.wait_for(std::chrono::seconds(5)), std::future_status::ready);
  go_on.set_value();
  reader.join();
  EXPECT_THAT(catalog.Problems(), SizeIs(1));
}

TEST_F(CdiTest, HooksRdtAndNetDevicesReachTheJson) {
  features_.net_devices = true;
  files_.Write("first/a.json", OneDevice("x", R"({
      "hooks": [{"hookName": "poststop", "path": "/bin/sh", "args": ["sh"], "timeout": 3}],
      "intelRdt": {"closID": "gold", "memBwSchema": "MB:0=50"},
      "netDevices": [{"hostInterfaceName": "e0", "name": "e0"},
                     {"hostInterfaceName": "e1", "name": "gpu"}]})"));
  ASSERT_TRUE(Apply({"v/gpu=x"}).ok());
  const auto json = ToJson(spec_);
  ASSERT_TRUE(json.ok());
  EXPECT_THAT(*json, HasSubstr(R"("hooks":{"poststop":[{"args":["sh"],"path":"/bin/sh",)"));
  EXPECT_THAT(*json, HasSubstr(R"("timeout":3)"));
  EXPECT_THAT(*json, HasSubstr(R"("intelRdt":{"closID":"gold","memBwSchema":"MB:0=50"})"));
  EXPECT_THAT(*json, HasSubstr(R"("netDevices":{"e0":{},"e1":{"name":"gpu"}})"));
  request_.host_network = true;
  EXPECT_EQ(Apply({"v/gpu=x"}).code(), Code::kInvalidArgument);
  request_.host_network = false;
  spec_.rdt_class = "silver";
  EXPECT_THAT(Apply({"v/gpu=x"}).message(), HasSubstr("RDT class is 'silver'"));
}

}  // namespace
}  // namespace crisp::oci
