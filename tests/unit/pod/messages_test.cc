#include "pod/messages.h"

#include <gtest/gtest.h>

#include "base/utf8.h"
#include "pod_fixtures.h"

namespace crisp::pod {
namespace {

TEST(ContainerStatus, ExitFieldsAreOnlyThereWhenExited) {
  const SandboxPtr sandbox = MakeSandbox(MakeSandboxRow("p", "11"));
  ContainerRow row = MakeContainerRow("c", "c1");
  row.started_at_ns = 9;
  row.finished_at_ns = 10;
  row.exit_code = 3;
  row.reason = "Error";
  const ContainerPtr container = MakeContainer(row, sandbox);
  v1::ContainerStatus running;
  FillContainerStatus(*container, &running);
  EXPECT_EQ(running.state(), v1::CONTAINER_RUNNING);
  EXPECT_EQ(running.finished_at(), 0);
  EXPECT_EQ(running.exit_code(), 0);
  EXPECT_EQ(running.reason(), "");
  container->Update([](ContainerRow& r) { r.state = ContainerState::kExited; });
  v1::ContainerStatus exited;
  FillContainerStatus(*container, &exited);
  EXPECT_EQ(exited.finished_at(), 10);
  EXPECT_EQ(exited.exit_code(), 3);
  EXPECT_EQ(exited.reason(), "Error");
}

// Clients refuse the whole answer otherwise.
TEST(ContainerStatus, MessagesAreUtf8) {
  ContainerRow row = MakeContainerRow("c", "c1");
  row.state = ContainerState::kExited;
  row.message = "exec: \"gr\xc3\xbc\xc3";  // cut within a character
  v1::ContainerStatus status;
  FillContainerStatus(*MakeContainer(row, MakeSandbox(MakeSandboxRow("p", "11"))), &status);
  EXPECT_TRUE(IsUtf8(status.message()));
  EXPECT_TRUE(status.message().starts_with("exec: \"gr\xc3\xbc"));
}

TEST(ContainerStatus, EchoesTheConfigAndShowsTheEffectiveUserAndSignal) {
  SandboxRow sandbox_row = MakeSandboxRow("p", "11");
  sandbox_row.config.set_log_directory("/var/log/pods/p");
  ContainerRow row = MakeContainerRow("c", "c1");
  row.config.set_log_path("c/0.log");
  row.image_name = "docker.io/library/busybox:latest";
  row.user = {1000, 1000, {1000, 1234, 50000}};
  row.stop_signal = 15;
  (*row.config.mutable_annotations())["a"] = "b";
  v1::Mount& mount = *row.config.add_mounts();
  mount.set_container_path("/data");
  mount.set_host_path("/symlink");
  v1::ContainerStatus status;
  FillContainerStatus(*MakeContainer(row, MakeSandbox(std::move(sandbox_row))), &status);
  EXPECT_EQ(status.log_path(), "/var/log/pods/p/c/0.log");
  EXPECT_EQ(status.image().image(), "docker.io/library/busybox:latest");
  EXPECT_EQ(status.annotations().at("a"), "b");
  ASSERT_EQ(status.mounts_size(), 1);
  EXPECT_EQ(status.mounts(0).host_path(), "/symlink") << "unresolved (cri-contract 7.6)";
  const auto& groups = status.user().linux().supplemental_groups();
  EXPECT_EQ(std::vector<int64_t>(groups.begin(), groups.end()),
            (std::vector<int64_t>{1000, 1234, 50000}));
  EXPECT_EQ(v1::Signal_Name(status.stop_signal()), "SIGNAL_SIGTERM");
}

TEST(PodSandboxStatus, HasAnAddressOnlyWhileReady) {
  SandboxRow row = MakeSandboxRow("p", "11");
  row.addresses = {"10.0.0.2", {"fd00::2"}};
  const SandboxPtr sandbox = MakeSandbox(std::move(row));
  v1::PodSandboxStatus ready;
  FillPodSandboxStatus(*sandbox, &ready);
  EXPECT_EQ(ready.network().ip(), "10.0.0.2");
  EXPECT_EQ(ready.network().additional_ips(0).ip(), "fd00::2");
  sandbox->set_state(SandboxState::kNotReady);
  v1::PodSandboxStatus stopped;
  FillPodSandboxStatus(*sandbox, &stopped);
  EXPECT_TRUE(stopped.has_network());
  EXPECT_EQ(stopped.network().ip(), "");
  EXPECT_EQ(stopped.state(), v1::SANDBOX_NOTREADY);
}

TEST(Filters, AndTheirFieldsAndAcceptPrefixes) {
  SandboxRow row = MakeSandboxRow("p", "aabb");
  (*row.config.mutable_labels())["foo"] = "bar";
  const SandboxPtr sandbox = MakeSandbox(std::move(row));
  v1::PodSandboxFilter filter;
  EXPECT_TRUE(Matches(filter, *sandbox));
  filter.set_id("aa");
  (*filter.mutable_label_selector())["foo"] = "bar";
  filter.mutable_state()->set_state(v1::SANDBOX_READY);
  EXPECT_TRUE(Matches(filter, *sandbox));
  (*filter.mutable_label_selector())["foo"] = "baz";
  EXPECT_FALSE(Matches(filter, *sandbox));

  const ContainerPtr container = MakeContainer(MakeContainerRow("c", "c1"), sandbox);
  v1::ContainerFilter by_sandbox;
  by_sandbox.set_pod_sandbox_id("aab");
  EXPECT_TRUE(Matches(by_sandbox, *container));
  by_sandbox.mutable_state()->set_state(v1::CONTAINER_EXITED);
  EXPECT_FALSE(Matches(by_sandbox, *container));
}

TEST(MergeLimits, ChangesOnlyWhatIsSet) {
  v1::LinuxContainerResources current;
  current.set_cpu_shares(512);
  current.set_memory_limit_in_bytes(1000);
  (*current.mutable_unified())["memory.high"] = "1";
  v1::LinuxContainerResources update;
  update.set_cpu_quota(-1);
  update.set_cpuset_cpus("0");
  (*update.mutable_unified())["memory.low"] = "2";
  MergeLimits(update, &current);
  EXPECT_EQ(current.cpu_shares(), 512);
  EXPECT_EQ(current.memory_limit_in_bytes(), 1000);
  EXPECT_EQ(current.cpu_quota(), -1);
  EXPECT_EQ(current.cpuset_cpus(), "0");
  EXPECT_EQ(current.unified().size(), 2u);
}

TEST(MergeLimits, SwapNeverFallsBelowMemory) {
  v1::LinuxContainerResources current;
  current.set_memory_limit_in_bytes(1000);
  current.set_memory_swap_limit_in_bytes(1500);
  v1::LinuxContainerResources update;
  update.set_memory_limit_in_bytes(2000);
  MergeLimits(update, &current);
  EXPECT_EQ(current.memory_limit_in_bytes(), 2000);
  EXPECT_EQ(current.memory_swap_limit_in_bytes(), 2000);
}

TEST(MergeLimits, HugepagesBySize) {
  v1::LinuxContainerResources current;
  auto* two = current.add_hugepage_limits();
  two->set_page_size("2MB");
  two->set_limit(1);
  v1::LinuxContainerResources update;
  auto* one = update.add_hugepage_limits();
  one->set_page_size("1GB");
  one->set_limit(5);
  MergeLimits(update, &current);
  ASSERT_EQ(current.hugepage_limits_size(), 2);
  EXPECT_EQ(current.hugepage_limits(0).limit(), 1u);
  EXPECT_EQ(current.hugepage_limits(1).limit(), 5u);
}

}  // namespace
}  // namespace crisp::pod
