#include "pod/sandbox_operations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "environment_fixture.h"
#include "pod/container_stats.h"

namespace crisp::pod {
namespace {

// Whose cache of attachments somebody has removed.
class LostNetwork final : public network::Network {
 public:
  network::Readiness readiness() const override { return {}; }
  Result<network::PodAddresses> Add(const network::Attachment&, const CancelToken&) override {
    return NotFound("add");
  }
  Status Del(const network::Attachment&, const CancelToken&) override { return OkStatus(); }
  Result<std::vector<SandboxId>> ListCached() const override {
    if (is_lost) return NotFound("cni cache");
    return std::vector<SandboxId>();
  }
  Result<network::PodAddresses> CachedAddresses(const SandboxId&) const override {
    return NotFound("addresses");
  }
  void SetPodCidrs(std::vector<std::string>) override {}

  bool is_lost = true;
};

class EndTest : public EnvironmentTest {
 protected:
  void SetUp() override {
    loop_ = std::move(EpollLoop::Create()).value();
    thread_ = std::thread([this] { loop_->Run(); });
    Options options;
    options.loop = loop_.get();
    options.work_lane = &lane_;
    options.network = &network_;
    options.cgroup_layout = &layout_;
    options.default_cgroup_parent = "/crisp-unit";
    SandboxRow row = MakeSandboxRow("pod", "11");
    row.config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
        v1::CONTAINER);
    Open(std::move(options), std::move(row));
    env_->layer_quotas = std::move(LayerQuotas::Open(directory_, {})).value();
    stopper_ = std::make_unique<Stopper>(env_.get());
    lifecycle_ = std::make_unique<ContainerLifecycle>(env_.get(), stopper_.get());
    stats_ = std::make_unique<StatsReader>(env_.get());
    containers_ = std::make_unique<ContainerOperations>(env_.get(), stopper_.get(),
                                                        lifecycle_.get(), &leases_, stats_.get());
    sandboxes_ = std::make_unique<SandboxOperations>(env_.get(), stopper_.get(), containers_.get());
  }
  void TearDown() override {
    lane_.Shutdown();
    loop_->Stop();
    thread_.join();
    sandboxes_.reset();
    containers_.reset();
    stats_.reset();
    lifecycle_.reset();
    stopper_.reset();
    EnvironmentTest::TearDown();
  }
  template <typename Operation>
  static Status Answer(Operation operation) {
    std::promise<Status> answer;
    operation([&answer](Status status) { answer.set_value(std::move(status)); });
    return answer.get_future().get();
  }
  Status StopPod(const std::string& id) {
    return Answer([&](auto done) { sandboxes_->Stop(id, std::move(done)); });
  }
  Status RemovePod(const std::string& id) {
    return Answer([&](auto done) { sandboxes_->Remove(id, std::move(done)); });
  }
  Status Remove(const std::string& id) {
    return Answer([&](auto done) { containers_->Remove(id, std::move(done)); });
  }
  void AddExited() {
    ContainerRow row = MakeContainerRow("c", "22");
    row.state = ContainerState::kExited;
    Add(std::move(row));
  }

  Telemetry telemetry_;
  Lane lane_{"work", 1, 100, &telemetry_};
  LostNetwork network_;
  CgroupLayout layout_;  // no hierarchies
  Leases leases_;
  std::unique_ptr<EpollLoop> loop_;
  std::thread thread_;
  std::unique_ptr<Stopper> stopper_;
  std::unique_ptr<ContainerLifecycle> lifecycle_;
  std::unique_ptr<StatsReader> stats_;
  std::unique_ptr<ContainerOperations> containers_;
  std::unique_ptr<SandboxOperations> sandboxes_;
};

TEST_F(EndTest, WhatIsUnknownIsDone) {
  EXPECT_TRUE(StopPod("99").ok());
  EXPECT_TRUE(RemovePod("99").ok());
  EXPECT_TRUE(Remove("99").ok());
}

// The kubelet takes NOT_FOUND for done (cri-contract 1), and this is not.
TEST_F(EndTest, AFailedStopIsNotCalledUnknown) {
  EXPECT_EQ(StopPod("11").code(), Code::kInternal);
  EXPECT_EQ(RemovePod("11").code(), Code::kInternal);
  EXPECT_TRUE(env_->registry.GetSandbox("11").ok());
  network_.is_lost = false;
  EXPECT_TRUE(StopPod("11").ok());
  EXPECT_TRUE(RemovePod("11").ok());
  EXPECT_FALSE(env_->registry.GetSandbox("11").ok());
}

TEST_F(EndTest, AFailedRemovalIsNotCalledUnknown) {
  AddExited();
  network_.is_lost = false;
  runtime_.delete_status = NotFound("something else");
  EXPECT_EQ(Remove("22").code(), Code::kInternal);
  EXPECT_EQ(RemovePod("11").code(), Code::kInternal);
  EXPECT_TRUE(env_->registry.GetContainer("22").ok());
  runtime_.delete_status = OkStatus();
  EXPECT_TRUE(Remove("22").ok());
  EXPECT_FALSE(env_->registry.GetContainer("22").ok());
}

}  // namespace
}  // namespace crisp::pod
