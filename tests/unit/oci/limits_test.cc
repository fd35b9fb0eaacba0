// Block I/O classes, RDT classes and resource limits of processes.
#include <glob.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <nlohmann/json.hpp>

#include "oci/blockio.h"
#include "oci/resctrl.h"
#include "oci/rlimits.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Some block device of this machine; empty: there is none.
std::string AnyBlockDevice() {
  glob_t found{};
  std::string out;
  if (::glob("/dev/*", 0, nullptr, &found) == 0) {
    for (size_t i = 0; out.empty() && i < found.gl_pathc; ++i) {
      struct stat st {};
      if (::stat(found.gl_pathv[i], &st) == 0 && S_ISBLK(st.st_mode)) out = found.gl_pathv[i];
    }
  }
  ::globfree(&found);
  return out;
}

TEST(Blockio, UnknownClassesAndDevicesAreNamed) {
  BlockioClasses classes;
  Status status = ResolveBlockio(classes, "fast").status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("blockio_config"));
  classes["slow"] = {};
  classes["slower"] = {{{"/dev/no-such-device"}, {}, 1, {}, {}, {}}};
  status = ResolveBlockio(classes, "fast").status();
  EXPECT_THAT(status.message(), HasSubstr("slow, slower"));
  EXPECT_EQ(ResolveBlockio(classes, "slower").status().code(), Code::kNotFound);
  classes["slower"].front().devices = {"/dev/no-such-device*"};
  const auto none = ResolveBlockio(classes, "slower");
  ASSERT_TRUE(none.ok()) << "patterns may match nothing";
  EXPECT_THAT(none->read_bps, IsEmpty());
}

TEST(Blockio, TheLastRuleOfADeviceWins) {
  const std::string device = AnyBlockDevice();
  if (device.empty()) GTEST_SKIP() << "no block device in /dev";
  struct stat st {};
  ASSERT_EQ(::stat(device.c_str(), &st), 0);
  const BlockioClasses classes = {{"c",
                                   {{{}, uint16_t{80}, {}, {}, {}, {}},
                                    {{"/dev/*"}, {}, 1000, 2000, {}, {}},
                                    {{device}, uint16_t{50}, 3000, {}, 40, 50}}}};
  const auto resolved = ResolveBlockio(classes, "c");
  ASSERT_TRUE(resolved.ok()) << resolved.status().ToString();
  EXPECT_EQ(resolved->weight, 80);
  ASSERT_THAT(resolved->weight_device, SizeIs(1));
  EXPECT_EQ(resolved->weight_device[0].major, major(st.st_rdev));
  EXPECT_EQ(resolved->weight_device[0].minor, minor(st.st_rdev));
  EXPECT_EQ(resolved->weight_device[0].value, 50u);
  const auto of_device = [&st](const std::vector<BlockIoDevice>& list) -> uint64_t {
    for (const BlockIoDevice& d : list) {
      if (d.major == major(st.st_rdev) && d.minor == minor(st.st_rdev)) return d.value;
    }
    return 0;
  };
  EXPECT_EQ(of_device(resolved->read_bps), 3000u);
  EXPECT_EQ(of_device(resolved->write_bps), 2000u);
  EXPECT_EQ(of_device(resolved->read_iops), 40u);
  EXPECT_EQ(of_device(resolved->write_iops), 50u);

  LinuxResources resources;
  resources.block_io = *resolved;
  const auto json = nlohmann::json::parse(ToJson(resources).value()).at("blockIO");
  EXPECT_EQ(json.at("weight"), 80);
  EXPECT_EQ(json.at("weightDevice")[0].at("weight"), 50);
  EXPECT_EQ(json.at("throttleReadIOPSDevice")[0].at("rate"), 40);
  EXPECT_EQ(json.at("throttleWriteIOPSDevice")[0].at("major"), major(st.st_rdev));
}

TEST(Resctrl, ClassesAreDirectoriesOfTheMount) {
  const TestRootfs machine;
  HostFacts host = FullHost();
  host.resctrl_directory = machine.path() + "/resctrl";
  EXPECT_EQ(CheckRdtClass("gold", host).code(), Code::kFailedPrecondition);
  EXPECT_THAT(CheckRdtClass("gold", host).message(), HasSubstr("not mounted"));
  machine.Write("resctrl/schemata", "L3:0=ff\n");
  EXPECT_EQ(CheckRdtClass("gold", host).code(), Code::kInvalidArgument);
  machine.Write("resctrl/gold/schemata", "L3:0=f\n");
  EXPECT_TRUE(CheckRdtClass("gold", host).ok());
  for (const char* name : {"", ".", "..", "../resctrl/gold", "info", "mon_groups", "a/b"}) {
    EXPECT_EQ(CheckRdtClass(name, host).code(), Code::kInvalidArgument) << name;
  }
  Spec spec;
  spec.rdt_class = "gold";
  EXPECT_THAT(ToJson(spec).value(), HasSubstr(R"("intelRdt":{"closID":"gold"})"));
}

TEST(Rlimits, AreClampedToWhatThisProcessMayGive) {
  rlimit own{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &own), 0);
  const std::vector<Rlimit> wanted = {
      {"nofile", UINT64_MAX, UINT64_MAX}, {"core", 0, 0}, {"memlock", UINT64_MAX, UINT64_MAX}};
  EXPECT_EQ(ClampRlimits(wanted, true)[2].hard, UINT64_MAX);
  EXPECT_LT(ClampRlimits(wanted, true)[0].hard, UINT64_MAX) << "fs.nr_open";
  const std::vector<Rlimit> given = ClampRlimits(wanted, false);
  EXPECT_EQ(given[0].hard, own.rlim_max);
  EXPECT_EQ(given[0].soft, own.rlim_max);
  EXPECT_EQ(given[1].hard, 0u);
  EXPECT_TRUE(IsRlimitName("nofile"));
  EXPECT_FALSE(IsRlimitName("NOFILE"));
}

TEST(Rlimits, AreInTheProcessAndReadBackForExecs) {
  Process process;
  process.args = {"a"};
  process.rlimits = {{"nofile", 5, UINT64_MAX}};
  const std::string json = ToJson(process).value();
  EXPECT_THAT(json, HasSubstr("RLIMIT_NOFILE"));
  const auto again = ProcessFromSpecJson(Cat("{\"process\":", json, "}"));
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  ASSERT_THAT(again->rlimits, SizeIs(1));
  EXPECT_EQ(again->rlimits[0].name, "nofile");
  EXPECT_EQ(again->rlimits[0].soft, 5u);
  EXPECT_EQ(again->rlimits[0].hard, UINT64_MAX);
  for (const char* wrong :
       {R"([{"type":"NOFILE","soft":1,"hard":1}])", R"([{"type":"RLIMIT_NOFILE","soft":-1}])"}) {
    const std::string text = Cat(R"({"process":{"args":["a"],"rlimits":)", wrong, "}}");
    EXPECT_EQ(ProcessFromSpecJson(text).status().code(), Code::kDataLoss) << wrong;
  }
}

}  // namespace
}  // namespace crisp::oci
