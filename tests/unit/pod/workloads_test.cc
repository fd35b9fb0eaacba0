#include "pod/workloads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pod/resource_classes.h"

namespace crisp::pod {
namespace {

namespace v1 = ::runtime::v1;
using ::testing::HasSubstr;

class WorkloadsTest : public ::testing::Test {
 protected:
  WorkloadsTest() {
    resources_.set_cpu_shares(100);
    resources_.set_memory_limit_in_bytes(7);
  }
  Status Apply(const std::string& container = "c") {
    return ApplyWorkload(workloads_, pod_, container, &resources_);
  }
  void Annotate(const std::string& key, const std::string& value) {
    (*pod_.mutable_annotations())[key] = value;
  }
  std::vector<Workload> workloads_ = {
      {"management",
       "target/management",
       "resources",
       512,
       0,
       0,
       0,
       "0-1",
       {"io.a/", "io.b/exact"}},
      {"other", "target/other", "others", 0, 0, 0, 0, "3", {}},
      {"limited", "target/limited", "limits", 0, 70000, 0, 1500, "", {}}};
  v1::PodSandboxConfig pod_;
  v1::LinuxContainerResources resources_;
};

TEST_F(WorkloadsTest, OnlyPodsWithTheAnnotation) {
  EXPECT_TRUE(Apply().ok());
  EXPECT_EQ(resources_.cpu_shares(), 100);
  Annotate("target/management", "");
  EXPECT_TRUE(Apply().ok());
  EXPECT_EQ(resources_.cpu_shares(), 512);
  EXPECT_EQ(resources_.cpuset_cpus(), "0-1");
  EXPECT_EQ(resources_.cpu_quota(), 0) << "not set: the container's";
  EXPECT_EQ(resources_.memory_limit_in_bytes(), 7);
}

TEST_F(WorkloadsTest, OneContainerMayDiffer) {
  Annotate("target/management", "");
  Annotate("resources/c", R"({"cpushares": 20, "cpulimit": 1500})");
  Annotate("others/c", "not this workload's");
  EXPECT_TRUE(Apply().ok());
  EXPECT_EQ(resources_.cpu_shares(), 20);
  EXPECT_EQ(resources_.cpu_quota(), 150000);
  EXPECT_EQ(resources_.cpu_period(), 100000);
  EXPECT_EQ(resources_.cpuset_cpus(), "0-1");
  EXPECT_TRUE(Apply("d").ok());
  EXPECT_EQ(resources_.cpu_shares(), 512);
}

TEST_F(WorkloadsTest, ALimitIsForContainersWithoutAnnotationToo) {
  Annotate("target/limited", "");
  resources_.set_cpu_quota(5000);
  resources_.set_cpu_period(10000);
  EXPECT_TRUE(Apply().ok());
  EXPECT_EQ(resources_.cpu_quota(), 150000) << "not the workload's cpu_quota";
  EXPECT_EQ(resources_.cpu_period(), 100000) << "not the container's";
  workloads_[2].cpu_period_us = 20000;
  EXPECT_TRUE(Apply().ok());
  EXPECT_EQ(resources_.cpu_quota(), 30000);
  EXPECT_EQ(resources_.cpu_period(), 20000);
  workloads_[2].cpu_limit_millicpus = 1;
  EXPECT_TRUE(Apply().ok());
  EXPECT_EQ(resources_.cpu_quota(), 1000) << "the kernel's smallest";
}

TEST_F(WorkloadsTest, AnAnnotationWinsOverTheWorkloadsLimit) {
  Annotate("target/limited", "");
  const auto quota_and_period = [this](const std::string& annotation) {
    Annotate("limits/c", annotation);
    EXPECT_TRUE(Apply().ok()) << annotation;
    return std::pair<int64_t, int64_t>(resources_.cpu_quota(), resources_.cpu_period());
  };
  EXPECT_EQ(quota_and_period(R"({"cpulimit": 250})"), std::pair(25000l, 100000l));
  EXPECT_EQ(quota_and_period(R"({"cpuperiod": 50000})"), std::pair(75000l, 50000l));
  EXPECT_EQ(quota_and_period(R"({"cpulimit": 0})"), std::pair(70000l, 50000l)) << "of the workload";
  EXPECT_EQ(quota_and_period(R"({"cpuquota": 4000})"), std::pair(4000l, 50000l));
  // Whatever the order of the keys.
  EXPECT_EQ(quota_and_period(R"({"cpulimit": 500, "cpuperiod": 10000, "cpuquota": 4000})"),
            std::pair(5000l, 10000l));
  EXPECT_EQ(quota_and_period(R"({"cpuquota": 4000, "cpuperiod": 10000, "cpulimit": 500})"),
            std::pair(5000l, 10000l));
  EXPECT_EQ(quota_and_period(R"({"cpulimit": 10000000, "cpuperiod": 1000000})"),
            std::pair(10000000000l, 1000000l));
}

TEST_F(WorkloadsTest, ThePodsOwn) {
  const auto found = [this] { return FindWorkload(workloads_, pod_); };
  EXPECT_EQ(found().value(), nullptr);
  Annotate("target/management", "");
  ASSERT_EQ(found().value(), &workloads_[0]);
  EXPECT_EQ(found().value()->allowed_annotations.size(), 2u);
  Annotate("target/other", "");
  EXPECT_EQ(found().status().code(), Code::kInvalidArgument);
}

TEST_F(WorkloadsTest, WrongAnnotationsAreNamed) {
  Annotate("target/management", "");
  for (const char* text :
       {"", "[]", "{", R"({"cpushares": -1})", R"({"cpushares": 1.5})", R"({"cpushares": "7"})",
        R"({"cpushares": 1e300})", R"({"cpus": 1})", R"({"cpuset": 1})", R"({"cpushares": null})",
        R"({"cpulimit": -1})", R"({"cpulimit": 10000001})", R"({"cpuperiod": 1000001})"}) {
    Annotate("resources/c", text);
    const Status status = Apply();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << text;
    EXPECT_THAT(status.message(), HasSubstr("annotation resources/c"));
  }
  pod_.mutable_annotations()->erase("resources/c");
  Annotate("target/other", "");
  EXPECT_THAT(Apply().message(), HasSubstr("one workload"));
}

TEST(ResourceClasses, WhoAsksWins) {
  v1::PodSandboxConfig pod;
  v1::ContainerConfig container;
  container.mutable_metadata()->set_name("c");
  EXPECT_EQ(AskedClass("blockio", pod, container), "");
  (*pod.mutable_annotations())["blockio.resources.beta.kubernetes.io/pod"] = "all";
  EXPECT_EQ(AskedClass("blockio", pod, container), "all");
  EXPECT_EQ(AskedClass("rdt", pod, container), "");
  (*pod.mutable_annotations())["blockio.resources.beta.kubernetes.io/container.c"] = "one";
  EXPECT_EQ(AskedClass("blockio", pod, container), "one");
  (*container.mutable_annotations())["io.kubernetes.cri.blockio-class"] = "own";
  EXPECT_EQ(AskedClass("blockio", pod, container), "own");
}

TEST(ResourceClasses, UnknownOnesAreRefused) {
  v1::PodSandboxConfig pod;
  v1::ContainerConfig container;
  oci::ContainerRequest request;
  EXPECT_TRUE(FillClasses({}, {}, pod, container, &request).ok());
  (*pod.mutable_annotations())["rdt.resources.beta.kubernetes.io/pod"] = "gold";
  EXPECT_THAT(FillClasses({}, {}, pod, container, &request).message(), HasSubstr("rdt_classes"));
  EXPECT_THAT(FillClasses({}, {"silver"}, pod, container, &request).message(),
              HasSubstr("allowed: silver"));
  EXPECT_TRUE(FillClasses({}, {"gold"}, pod, container, &request).ok());
  EXPECT_EQ(request.rdt_class, "gold");
  (*pod.mutable_annotations())["blockio.resources.beta.kubernetes.io/pod"] = "fast";
  EXPECT_EQ(FillClasses({}, {"gold"}, pod, container, &request).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace crisp::pod
