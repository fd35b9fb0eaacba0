#include "base/process_cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

namespace crisp {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// The path on the hierarchy of `controller`; "none" without one.
std::string PathOf(std::string_view text, std::string_view controller) {
  for (const ProcessCgroup& group : ParseProcessCgroups(text)) {
    if (group.Has(controller)) return group.path;
  }
  return "none";
}

TEST(ProcessCgroupsTest, V1) {
  constexpr char kText[] =
      "12:pids:/kubepods/pod1/c1\n11:cpu,cpuacct:/kubepods/pod1\n5:name=systemd:/init.scope\n"
      "3:memory:/\n";
  EXPECT_THAT(ParseProcessCgroups(kText), SizeIs(4));
  EXPECT_EQ(PathOf(kText, "pids"), "/kubepods/pod1/c1");
  EXPECT_EQ(PathOf(kText, "cpu"), "/kubepods/pod1");
  EXPECT_EQ(PathOf(kText, "cpuacct"), "/kubepods/pod1");
  EXPECT_EQ(PathOf(kText, "name=systemd"), "/init.scope");
  EXPECT_EQ(PathOf(kText, "memory"), "/");
}

TEST(ProcessCgroupsTest, MissingControllers) {
  constexpr char kText[] = "11:cpuacct,cpuset:/a\n5:name=systemd:/b\n0::/c\n";
  for (const char* missing : {"cpu", "set", "acct", "systemd", "name", "pids"}) {
    EXPECT_EQ(PathOf(kText, missing), "none") << missing;
  }
}

TEST(ProcessCgroupsTest, V2HasNoControllers) {
  constexpr char kText[] = "0::/kubepods.slice/x.scope\n";
  const auto groups = ParseProcessCgroups(kText);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_EQ(groups[0].controllers, "");
  EXPECT_EQ(groups[0].path, "/kubepods.slice/x.scope");
  EXPECT_EQ(PathOf(kText, "cpu"), "none");
}

TEST(ProcessCgroupsTest, OddPaths) {
  EXPECT_EQ(PathOf("4:pids:/a:b::c\n", "pids"), "/a:b::c") << "systemd's and CRI-O's have colons";
  EXPECT_EQ(PathOf("4:pids:/a b (deleted)\n", "pids"), "/a b (deleted)");
  EXPECT_EQ(PathOf("4:pids:/../../x\n", "pids"), "/../../x") << "outside of the cgroup namespace";
  EXPECT_EQ(PathOf("4:pids:/last", "pids"), "/last") << "without a newline";
  EXPECT_EQ(PathOf("4:pids:/one\n4:pids:/two\n", "pids"), "/one");
}

TEST(ProcessCgroupsTest, LinesOfAnotherForm) {
  for (const char* text : {"", "\n\n", "4", "4:pids", "4:pids:", "4:pids:a", ":", "::", "/a\n"}) {
    EXPECT_THAT(ParseProcessCgroups(text), IsEmpty()) << text;
  }
  EXPECT_EQ(PathOf("4:cpu\n\n:\n5:pids:/a\n", "pids"), "/a") << "the others are there";
}

TEST(ProcessCgroupsTest, ThisProcess) {
  const auto groups = ReadProcessCgroups(::getpid());
  ASSERT_TRUE(groups.ok()) << groups.status().ToString();
  EXPECT_FALSE(groups->empty());
  EXPECT_TRUE(std::all_of(groups->begin(), groups->end(),
                          [](const auto& group) { return group.path.starts_with('/'); }));
  EXPECT_EQ(ReadProcessCgroups(1 << 30).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace crisp
