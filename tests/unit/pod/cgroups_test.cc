#include "pod/cgroups.h"

#include <gtest/gtest.h>

namespace crisp::pod {
namespace {

using oci::CgroupDriver;

TEST(CgroupPaths, CgroupfsIsParentAndId) {
  auto paths = MakeCgroupPaths("/kubepods/burstable/pod1", "abc", CgroupDriver::kCgroupfs);
  ASSERT_TRUE(paths.ok());
  EXPECT_EQ(paths->oci, "/kubepods/burstable/pod1/abc");
  EXPECT_EQ(paths->host, "/kubepods/burstable/pod1/abc");
  EXPECT_EQ(MakeCgroupPaths("relative", "abc", CgroupDriver::kCgroupfs)->host, "/relative/abc");
}

TEST(CgroupPaths, SystemdUsesTheLastElementOnly) {
  auto paths =
      MakeCgroupPaths("/kubepods.slice/kubepods-burstable.slice", "abc", CgroupDriver::kSystemd);
  ASSERT_TRUE(paths.ok());
  EXPECT_EQ(paths->oci, "kubepods-burstable.slice:crisp:abc");
  EXPECT_EQ(paths->host, "/kubepods.slice/kubepods-burstable.slice/crisp-abc.scope");
}

TEST(CgroupPaths, SlicesListTheirParents) {
  EXPECT_EQ(ExpandSlice("test.slice"), "/test.slice");
  EXPECT_EQ(ExpandSlice("a-b-c.slice"), "/a.slice/a-b.slice/a-b-c.slice");
  EXPECT_EQ(ExpandSlice("-.slice"), "/");
}

TEST(CgroupPaths, RefusesAParentOfTheOtherDriverAndDots) {
  EXPECT_EQ(MakeCgroupPaths("/a.slice", "x", CgroupDriver::kCgroupfs).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(MakeCgroupPaths("/a", "x", CgroupDriver::kSystemd).status().code(),
            Code::kInvalidArgument);
  for (const char* parent : {"/a--b.slice", "/-a.slice", "/a-.slice", "/.slice", "/a:b.slice"}) {
    EXPECT_EQ(MakeCgroupPaths(parent, "x", CgroupDriver::kSystemd).status().code(),
              Code::kInvalidArgument)
        << parent;
  }
  EXPECT_EQ(MakeCgroupPaths("/a/../../b", "x", CgroupDriver::kCgroupfs).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(MakeCgroupPaths("", "x", CgroupDriver::kCgroupfs).status().code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace crisp::pod
