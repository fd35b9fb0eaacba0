// What containers get by default: ulimits, sysctls, classes, workloads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/file.h"
#include "server/config/blockio_file.h"
#include "server/config/container_codec.h"
#include "server/config/load.h"
#include "server/config/yaml_reader.h"

namespace crisp::config {
namespace {

using ::testing::HasSubstr;

Result<Config> Parse(const std::string& text) {
  Surroundings surroundings;
  surroundings.path = "/usr/sbin:/usr/bin:/sbin:/bin";
  return FromValue(ReadYaml(Cat("runtimes: {sh: {path: /bin/sh}}\n", text), "c.yaml").value(),
                   surroundings);
}
std::string ErrorOf(const std::string& text) {
  const auto config = Parse(text);
  EXPECT_EQ(config.status().code(), Code::kInvalidArgument) << text;
  return config.status().message();
}

TEST(ContainerConfig, Ulimits) {
  const auto config =
      Parse("default_ulimits: [nofile=1024:4096, core=0, 'memlock=-1:unlimited']\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  ASSERT_EQ(config->default_ulimits.size(), 3u);
  EXPECT_EQ(config->default_ulimits[0].soft, 1024u);
  EXPECT_EQ(config->default_ulimits[0].hard, 4096u);
  EXPECT_EQ(config->default_ulimits[1].hard, 0u);
  EXPECT_EQ(config->default_ulimits[2].soft, UINT64_MAX);
  EXPECT_THAT(ToYaml(ToValue(*config)), HasSubstr("memlock=unlimited:unlimited"));
  EXPECT_THAT(ErrorOf("default_ulimits: [files=1]\n"), HasSubstr("nofile"));
  for (const char* wrong :
       {"nofile", "nofile=", "nofile=2:1", "nofile=-2", "nofile=1:2:3", "nofile=unlimited:5"}) {
    EXPECT_THAT(ErrorOf(Cat("default_ulimits: ['", wrong, "']\n")), HasSubstr("allowed"));
  }
  EXPECT_THAT(ErrorOf("default_ulimits: [core=0, core=1]\n"), HasSubstr("twice"));
}

TEST(ContainerConfig, SysctlsOfTheNodeAreRefused) {
  EXPECT_TRUE(Parse("default_sysctls: {kernel.shmmax: 1, net.core.somaxconn: 2}\n").ok());
  EXPECT_THAT(ErrorOf("default_sysctls: {vm.swappiness: 1}\n"),
              testing::AllOf(HasSubstr("c.yaml:2"), HasSubstr("vm.swappiness")));
}

TEST(ContainerConfig, WorkloadsAndCpus) {
  const auto config = Parse(
      "infra_ctr_cpuset: 0-1\nown_cgroup_parent: /system/crisp\npids_limit: 100\n"
      "workloads:\n  management:\n    cpu_shares: 512\n    cpuset: '0'\n    cpu_limit: 1500\n"
      "  b: {activation_annotation: x, annotation_prefix: y, allowed_annotations: [io.a/]}\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  const Workload& management = config->workloads.at("management");
  EXPECT_EQ(management.activation_annotation, "target.workload.openshift.io/management");
  EXPECT_EQ(management.annotation_prefix, "resources.workload.openshift.io");
  EXPECT_EQ(management.cpu_shares, 512);
  EXPECT_EQ(management.cpu_limit_millicpus, 1500);
  EXPECT_EQ(config->workloads.at("b").cpu_limit_millicpus, 0);
  EXPECT_EQ(config->workloads.at("b").activation_annotation, "x");
  EXPECT_EQ(config->workloads.at("b").allowed_annotations, std::vector<std::string>{"io.a/"});
  EXPECT_TRUE(management.allowed_annotations.empty());
  EXPECT_EQ(config->own_cgroup_parent, "/system/crisp");
  EXPECT_EQ(Parse("own_cgroup_parent: /\n")->own_cgroup_parent, "/");
  EXPECT_THAT(ErrorOf("infra_ctr_cpuset: 1-0\n"), HasSubstr("0-3,5"));
  for (const char* wrong : {"a", "/a/", "/a/../b", "''"})
    ErrorOf(Cat("own_cgroup_parent: ", wrong));
  EXPECT_THAT(ErrorOf("workloads: {b: {cpus: 1}}\n"), HasSubstr("cpu_shares"));
  for (const char* wrong : {"-1", "10000001", "1.5", "500m", "''"}) {
    EXPECT_THAT(ErrorOf(Cat("workloads: {b: {cpu_limit: ", wrong, "}}\n")),
                testing::AllOf(HasSubstr("c.yaml:2"), HasSubstr("workloads.b.cpu_limit"),
                               HasSubstr("allowed: a whole number, 0 to 10000000")));
  }
  EXPECT_THAT(ErrorOf("workloads: {b: {allowed_annotations: ['']}}\n"), HasSubstr("io.example."));
}

TEST(ContainerConfig, WritableLayers) {
  EXPECT_EQ(Parse("pids_limit: 1\n")->writable_layer.size_limit_bytes, 0);
  const auto config = Parse(
      "writable_layer: {size_limit: 10GiB, inode_limit: 100000, first_project_id: 7, "
      "project_ids: 500}\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->writable_layer.size_limit_bytes, int64_t{10} << 30);
  EXPECT_EQ(config->writable_layer.inode_limit, 100'000);
  EXPECT_EQ(config->writable_layer.first_project_id, 7);
  EXPECT_EQ(config->writable_layer.project_ids, 500);
  for (const char* wrong : {"size_limit: 10", "inode_limit: -1", "first_project_id: 0",
                            "first_project_id: 5000000000", "project_ids: 0"}) {
    EXPECT_THAT(ErrorOf(Cat("writable_layer: {", wrong, "}\n")), HasSubstr("allowed"));
  }
}

TEST(ContainerConfig, BlockioFile) {
  const auto classes = ParseBlockio(
      "Classes:\n  slow:\n  - Weight: 80\n  - Devices: [/dev/sd*, /dev/vda]\n"
      "    ThrottleReadBps: 60M\n    ThrottleWriteBps: 1Gi\n    ThrottleReadIOPS: 10k\n"
      "    ThrottleWriteIOPS: 7\n",
      "b.yaml");
  ASSERT_TRUE(classes.ok()) << classes.status().ToString();
  const auto& rules = classes->at("slow");
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].weight, 80);
  EXPECT_EQ(rules[1].devices.size(), 2u);
  EXPECT_EQ(rules[1].read_bps, 60'000'000u);
  EXPECT_EQ(rules[1].write_bps, uint64_t{1} << 30);
  EXPECT_EQ(rules[1].read_iops, 10'000u);
  EXPECT_EQ(rules[1].write_iops, 7u);
}

TEST(ContainerConfig, MistakesInTheBlockioFile) {
  const std::pair<const char*, const char*> cases[] = {
      {"Class: {}", "Classes"},
      {"Classes: []", "Classes"},
      {"Classes: {a: {}}", "list of rules"},
      {"Classes: {a: [1]}", "a rule (map)"},
      {"Classes: {a: [{Weight: 5}]}", "10 to 1000"},
      {"Classes: {a: [{Weigth: 50}]}", "allowed: Devices"},
      {"Classes: {a: [{ThrottleReadBps: 5}]}", "needs Devices"},
      {"Classes: {a: [{Devices: [sda], ThrottleReadBps: 5}]}", "absolute path"},
      {"Classes: {a: [{Devices: [/a], ThrottleReadBps: 5x}]}", "'5x'"},
      {"Classes: {a: [{Devices: [/a], ThrottleReadBps: 99999999999T}]}", "allowed"}};
  for (const auto& [text, part] : cases) {
    const auto classes = ParseBlockio(text, "b.yaml");
    EXPECT_EQ(classes.status().code(), Code::kInvalidArgument) << text;
    EXPECT_THAT(classes.status().message(), HasSubstr(part)) << text;
    EXPECT_THAT(classes.status().message(), HasSubstr("b.yaml:1")) << text;
  }
}

}  // namespace
}  // namespace crisp::config
