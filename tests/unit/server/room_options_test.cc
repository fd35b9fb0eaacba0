#include "server/room_options.h"

#include <gtest/gtest.h>

namespace crisp {
namespace {

TEST(RoomOptionsTest, EveryRoomGetsItsSettings) {
  config::Config config;
  config.runtimes["kata"] = {"/bin/kata", "/run/kata", config::SandboxKind::kProcess};
  config.default_runtime = "kata";
  config.cgroup_driver = config::CgroupDriver::kSystemd;
  config.image.registries["r"].plain_http = true;
  config.image.pinned = {"p"};
  config.image.decryption_keys_path = "/k";
  config.network.prefer = config::AddressPreference::kIpv6;
  config.lanes.pull = 3;
  config.timeouts.kill = std::chrono::seconds(5);
  config.binaries = {"/m", "/i", "/p"};

  EXPECT_TRUE(ToImageOptions(config).registries.at("r").plain_http);
  EXPECT_EQ(ToImageOptions(config).pull_binary, "/p");
  EXPECT_EQ(ToImageOptions(config).pinned_images.size(), 1u);
  EXPECT_EQ(ToImageOptions(config).parallel_pulls, 3);
  EXPECT_EQ(ToImageOptions(config).decryption_keys_path, "/k");
  EXPECT_EQ(ToReloadable(config).decryption_keys_path, "/k");
  EXPECT_EQ(ToNetworkOptions(config).cache_dir, "/var/lib/crisp/cni");
  EXPECT_EQ(ToNetworkOptions(config).prefer, network::AddressPreference::kIpv6);
  const oci::RuntimeOptions runtime = ToRuntimeOptions(config, "kata");
  EXPECT_EQ(runtime.path, "/bin/kata");
  EXPECT_EQ(runtime.sandbox, oci::SandboxKind::kProcess);
  EXPECT_EQ(runtime.cgroup_driver, oci::CgroupDriver::kSystemd);
  const pod::Options pod = ToPodOptions(config);
  EXPECT_EQ(pod.monitor_binary, "/m");
  EXPECT_EQ(pod.init_binary, "/i");
  EXPECT_EQ(pod.default_handler, "kata");
  EXPECT_EQ(pod.kill_deadline, std::chrono::seconds(5));
  EXPECT_EQ(pod.default_capabilities.size(), 14u);
}

TEST(RoomOptionsTest, HandlersAndDevices) {
  config::Config config;
  config::RuntimeHandler& handler = config.runtimes["crun"];
  handler.path = "/bin/crun";
  handler.allowed_annotations = {"run.oci."};
  handler.default_annotations = {{"a", "b"}};
  handler.base_spec = "/base.json";
  handler.monitor_env = {{"K", "V"}};
  handler.seccomp_profile = "/s.json";
  handler.privileged_seccomp_profile = "/p.json";
  EXPECT_FALSE(ToRuntimeOptions(config, "crun").privileged_without_host_devices);
  handler.privileged_without_host_devices = true;
  const oci::RuntimeOptions options = ToRuntimeOptions(config, "crun");
  EXPECT_EQ(options.allowed_annotations, handler.allowed_annotations);
  EXPECT_EQ(options.default_annotations, handler.default_annotations);
  EXPECT_EQ(options.base_spec, "/base.json");
  EXPECT_EQ(options.monitor_env, std::vector<std::string>{"K=V"});
  EXPECT_EQ(options.seccomp_profile, "/s.json");
  EXPECT_EQ(options.privileged_seccomp_profile, "/p.json");
  EXPECT_TRUE(options.privileged_without_host_devices);

  config.workloads["w"] = {"a", "p", 1, 2, 3, 4, "5", {"io.a/"}};
  config.additional_devices = {"/dev/fuse:/dev/x:rw"};
  config.device_ownership_from_security_context = true;
  const pod::Options pod = ToPodOptions(config);
  ASSERT_EQ(pod.additional_devices.size(), 1u);
  EXPECT_EQ(pod.additional_devices[0].host_path, "/dev/fuse");
  EXPECT_EQ(pod.additional_devices[0].container_path, "/dev/x");
  EXPECT_EQ(pod.additional_devices[0].permissions, "rw");
  EXPECT_TRUE(pod.device_ownership_from_security_context);
  ASSERT_EQ(pod.workloads.size(), 1u);
  EXPECT_EQ(pod.workloads[0].name, "w");
  EXPECT_EQ(pod.workloads[0].cpu_shares, 1);
  EXPECT_EQ(pod.workloads[0].cpu_quota_us, 2);
  EXPECT_EQ(pod.workloads[0].cpu_period_us, 3);
  EXPECT_EQ(pod.workloads[0].cpu_limit_millicpus, 4);
  EXPECT_EQ(pod.workloads[0].cpuset, "5");
  EXPECT_EQ(pod.workloads[0].allowed_annotations, std::vector<std::string>{"io.a/"});
  const oci::CdiOptions cdi = ToCdiOptions(config);
  EXPECT_EQ(cdi.directories, (std::vector<std::string>{"/etc/cdi", "/var/run/cdi"}));
  EXPECT_EQ(*cdi.yaml_to_json("a: 1", "f"), R"({"a":1})");
}

TEST(RoomOptionsTest, OwnCgroupsDifferByStateDirectory) {
  config::Config config;
  EXPECT_EQ(OwnCgroup(config, "helpers"), "/crisp.helpers");
  config.state = "/run/a";
  const std::string a = OwnCgroup(config, "helpers");
  config.state = "/run/b";
  EXPECT_NE(OwnCgroup(config, "helpers"), a);
  EXPECT_TRUE(a.starts_with("/crisp-") && a.ends_with(".helpers")) << a;
}

}  // namespace
}  // namespace crisp
