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
  config.network.prefer = config::AddressPreference::kIpv6;
  config.timeouts.kill = std::chrono::seconds(5);
  config.binaries = {"/m", "/i", "/p"};

  EXPECT_TRUE(ToImageOptions(config).registries.at("r").plain_http);
  EXPECT_EQ(ToImageOptions(config).pull_binary, "/p");
  EXPECT_EQ(ToImageOptions(config).pinned_images.size(), 1u);
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
