// Wrong calls and wrong surroundings: the right code, a message that helps, nothing left behind
// (the census of every PodTest sees to that).
#include <unistd.h>

#include "base/core/file.h"
#include "tests/support/pod_test.h"
#include "tests/support/surroundings.h"

namespace crisp::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kNoId[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

class BadInputTest : public PodTest {
 protected:
  template <typename Request>
  Status CallWithContainer(const std::string& id) {
    Request request;
    request.set_container_id(id);
    return client().Call(request).status();
  }
  template <typename Request>
  Status CallWithPod(const std::string& id) {
    Request request;
    request.set_pod_sandbox_id(id);
    return client().Call(request).status();
  }
};

TEST_P(BadInputTest, UnknownIds) {
  EXPECT_THAT(CallWithPod<v1::StopPodSandboxRequest>(kNoId), IsOk());
  EXPECT_THAT(CallWithPod<v1::RemovePodSandboxRequest>(kNoId), IsOk());
  EXPECT_THAT(CallWithContainer<v1::StopContainerRequest>(kNoId), IsOk());
  EXPECT_THAT(CallWithContainer<v1::RemoveContainerRequest>(kNoId), IsOk());

  // critest's unknown ids are UUIDs: not found, not malformed.
  constexpr char kUuid[] = "0b5f1d6e-8b0c-4c3e-9f55-0d5b0f6f6a11";
  EXPECT_THAT(CallWithPod<v1::StopPodSandboxRequest>(kUuid), IsOk());
  EXPECT_THAT(CallWithContainer<v1::RemoveContainerRequest>(kUuid), IsOk());
  EXPECT_THAT(CallWithContainer<v1::ContainerStatusRequest>(kUuid), HasCode(Code::kNotFound));

  EXPECT_THAT(CallWithPod<v1::PodSandboxStatusRequest>(kNoId), HasCode(Code::kNotFound));
  EXPECT_THAT(CallWithContainer<v1::ContainerStatusRequest>(kNoId), HasCode(Code::kNotFound));
  EXPECT_THAT(CallWithContainer<v1::StartContainerRequest>(kNoId), HasCode(Code::kNotFound));
  EXPECT_THAT(CallWithContainer<v1::ContainerStatsRequest>(kNoId), HasCode(Code::kNotFound));
  EXPECT_THAT(CallWithContainer<v1::ReopenContainerLogRequest>(kNoId), HasCode(Code::kNotFound));
  EXPECT_THAT(CallWithContainer<v1::UpdateContainerResourcesRequest>(kNoId),
              HasCode(Code::kNotFound));
  EXPECT_THAT(TryExec(kNoId, {"true"}), HasCode(Code::kNotFound));
  const auto sandbox = SandboxConfig("x");
  EXPECT_THAT(TryCreate(kNoId, ContainerConfig("c", {"top"}), sandbox), HasCode(Code::kNotFound));
}

TEST_P(BadInputTest, EmptyIdsAreNotPrefixesOfEverything) {
  const auto sandbox = SandboxConfig("x");
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox);
  EXPECT_FALSE(CallWithPod<v1::PodSandboxStatusRequest>("").ok());
  EXPECT_FALSE(CallWithContainer<v1::ContainerStatusRequest>("").ok());
  EXPECT_FALSE(CallWithContainer<v1::ExecSyncRequest>("").ok());
  (void)CallWithPod<v1::StopPodSandboxRequest>("");
  (void)CallWithContainer<v1::RemoveContainerRequest>("");
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_RUNNING);
  EXPECT_EQ(PodStatusOf(pod).state(), v1::SANDBOX_READY);
}

TEST_P(BadInputTest, AmbiguousPrefix) {
  // With 17 pods two of them begin with the same digit.
  std::map<char, std::string> seen;
  std::string ambiguous;
  auto sandbox = SandboxConfig("x");
  auto* options = sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  options->set_network(v1::NODE);  // quick to make
  sandbox.clear_hostname();
  for (uint32_t i = 0; i < 17 && ambiguous.empty(); ++i) {
    sandbox.mutable_metadata()->set_attempt(i);
    const std::string pod = RunPod(sandbox);
    ASSERT_FALSE(pod.empty());
    if (!seen.emplace(pod[0], pod).second) ambiguous = pod.substr(0, 1);
  }
  const Status status = CallWithPod<v1::PodSandboxStatusRequest>(ambiguous);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("ambiguous"));
  EXPECT_FALSE(CallWithPod<v1::RemovePodSandboxRequest>(ambiguous).ok());
}

TEST_P(BadInputTest, MissingMetadataAndUnknownHandler) {
  const auto good = SandboxConfig("x");
  auto config = good;
  config.mutable_metadata()->clear_name();
  EXPECT_THAT(TryRunPod(config), HasCode(Code::kInvalidArgument));
  config = good;
  config.mutable_metadata()->clear_namespace_();
  EXPECT_THAT(TryRunPod(config), HasCode(Code::kInvalidArgument));
  config = good;
  config.mutable_metadata()->clear_uid();
  EXPECT_THAT(TryRunPod(config), HasCode(Code::kInvalidArgument));
  config.clear_metadata();
  EXPECT_THAT(TryRunPod(config), HasCode(Code::kInvalidArgument));
  EXPECT_THAT(client().Call(v1::RunPodSandboxRequest()), HasCode(Code::kInvalidArgument));
  const auto wrong = TryRunPod(good, "kata");
  EXPECT_FALSE(wrong.ok());
  EXPECT_THAT(wrong.status().message(), AllOf(HasSubstr("kata"), HasSubstr("crun")))
      << "says which there are";
  // Nothing of `linux` is required.
  config = good;
  config.clear_linux();
  EXPECT_THAT(TryRunPod(config), IsOk());
}

TEST_P(BadInputTest, WrongContainers) {
  const auto sandbox = SandboxConfig("x");
  const std::string pod = RunPod(sandbox);
  auto config = ContainerConfig("", {"top"});
  EXPECT_THAT(TryCreate(pod, config, sandbox), HasCode(Code::kInvalidArgument));
  config = ContainerConfig("c", {"top"});
  config.mutable_image()->set_image("no/such/image:1");
  EXPECT_THAT(TryCreate(pod, config, sandbox), HasCode(Code::kNotFound));
  config.mutable_image()->set_image("UPPER case");
  EXPECT_FALSE(TryCreate(pod, config, sandbox).ok());
  config = ContainerConfig("c", {"top"});
  config.clear_image();
  EXPECT_FALSE(TryCreate(pod, config, sandbox).ok());
  config = ContainerConfig("c", {"top"});
  config.set_stop_signal(static_cast<v1::Signal>(9999));  // of a later CRI version
  EXPECT_THAT(TryCreate(pod, config, sandbox), HasCode(Code::kInvalidArgument));
  config = ContainerConfig("c", {"top"});
  config.set_log_path(std::string(300, 'l'));  // no fault of the command, which start would name
  EXPECT_THAT(TryCreate(pod, config, sandbox), HasCode(Code::kInternal));
  // `linux` may be absent, and the name is free again after all those failures.
  config = ContainerConfig("c", {"top"});
  config.clear_linux();
  EXPECT_THAT(TryCreate(pod, config, sandbox), IsOk());
  EXPECT_THAT(TryStopPod(pod), IsOk());
  const auto late = TryCreate(pod, ContainerConfig("late", {"top"}), sandbox);
  EXPECT_FALSE(late.ok()) << "the pod is not ready";
}

TEST_P(BadInputTest, ImageCalls) {
  v1::ImageStatusRequest status;
  status.mutable_image()->set_image("no/such/image:1");
  const auto missing = client().Call(status);
  ASSERT_THAT(missing, IsOk());
  EXPECT_FALSE(missing->has_image());
  v1::RemoveImageRequest remove;
  remove.mutable_image()->set_image("no/such/image:1");
  EXPECT_THAT(client().Call(remove), IsOk());
  v1::PullImageRequest pull;
  pull.mutable_image()->set_image("127.0.0.1:1/no/registry:1");
  const auto down = client().Call(pull);
  EXPECT_FALSE(down.ok());
  EXPECT_THAT(down.status().message(), HasSubstr("127.0.0.1:1"));
  pull.mutable_image()->set_image("::::");
  EXPECT_THAT(client().Call(pull), HasCode(Code::kInvalidArgument));
  pull.mutable_image()->clear_image();
  EXPECT_FALSE(client().Call(pull).ok());
}

TEST_P(BadInputTest, APluginThatFailsOrIsMissing) {
  const std::string conflist = Cat(daemon().cni_config_dir(), "/10-test.conflist");
  const std::string good = Must(ReadFile(conflist));
  ASSERT_THAT(WriteFile(conflist, R"({"cniVersion": "1.0.0", "name": "broken", "plugins": [
      {"type": "no-such-plugin"}]})"),
              IsOk());
  const auto sandbox = SandboxConfig("x");
  Result<std::string> pod = Status(Code::kUnknown, "not tried");
  EXPECT_TRUE(Eventually([&] {  // the directory is watched
    pod = TryRunPod(sandbox);
    if (pod.ok()) return !TryRemovePod(*pod).ok();
    return true;
  }));
  EXPECT_THAT(pod.status().message(), HasSubstr("no-such-plugin"));
  ASSERT_THAT(WriteFile(conflist, good), IsOk());
  EXPECT_TRUE(Eventually([&] { return TryRunPod(sandbox).ok(); })) << "the name is free";
}

TEST_P(BadInputTest, NetworkReadinessFollowsTheDirectory) {
  const std::string conflist = Cat(daemon().cni_config_dir(), "/10-test.conflist");
  const std::string good = Must(ReadFile(conflist));
  const auto network_ready = [&] {
    const auto response = Must(client().Call(v1::StatusRequest()));
    for (const auto& condition : response.status().conditions()) {
      if (condition.type() == "NetworkReady") return condition.status();
    }
    return false;
  };
  EXPECT_TRUE(network_ready());
  ASSERT_EQ(::unlink(conflist.c_str()), 0);
  EXPECT_TRUE(Eventually([&] { return !network_ready(); }));
  EXPECT_FALSE(TryRunPod(SandboxConfig("x")).ok());
  auto on_host = SandboxConfig("host");
  on_host.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(
      v1::NODE);
  EXPECT_THAT(TryRunPod(on_host), IsOk()) << "needs no network";
  ASSERT_THAT(WriteFile(conflist, good), IsOk());
  EXPECT_TRUE(Eventually(network_ready));
}

TEST_P(BadInputTest, VersionStatusAndRuntimeConfig) {
  const auto version = Must(client().Call(v1::VersionRequest()));
  EXPECT_EQ(version.version(), "0.1.0");
  EXPECT_EQ(version.runtime_name(), "crisp");
  EXPECT_EQ(version.runtime_api_version(), "v1");
  EXPECT_NE(version.runtime_version(), "");
  v1::StatusRequest verbose;
  verbose.set_verbose(true);
  const auto status = Must(client().Call(verbose));
  EXPECT_GE(status.status().conditions_size(), 2);
  std::vector<std::string> handlers;
  for (const auto& handler : status.runtime_handlers()) handlers.push_back(handler.name());
  EXPECT_THAT(handlers, testing::Contains(""));
  EXPECT_THAT(handlers, testing::Contains(GetParam()));
  for (const auto& [key, value] : status.info()) {
    if (value.starts_with("{")) {
      EXPECT_TRUE(value.ends_with("}")) << key;
    }
  }
  EXPECT_EQ(Must(client().Call(v1::RuntimeConfigRequest())).linux().cgroup_driver(),
            UsesSystemd() ? v1::SYSTEMD : v1::CGROUPFS);
  v1::UpdateRuntimeConfigRequest update;
  update.mutable_runtime_config()->mutable_network_config()->set_pod_cidr("10.1.0.0/24");
  EXPECT_THAT(client().Call(update), IsOk());
  const auto fs = Must(client().Call(v1::ImageFsInfoRequest()));
  ASSERT_GE(fs.image_filesystems_size(), 1);
  EXPECT_GT(fs.image_filesystems(0).timestamp(), 0);
  EXPECT_TRUE(fs.image_filesystems(0).has_used_bytes());
  EXPECT_TRUE(PathExists(fs.image_filesystems(0).fs_id().mountpoint()));
}

CRISP_FOR_EACH_RUNTIME(BadInputTest);

}  // namespace
}  // namespace crisp::test
