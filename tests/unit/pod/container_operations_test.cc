#include "pod/container_operations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/failpoint.h"
#include "environment_fixture.h"
#include "pod/container_stats.h"

namespace crisp::pod {
namespace {

class UpdateTest : public EnvironmentTest {
 protected:
  void SetUp() override {
    Options options;
    options.work_lane = &lane_;
    options.cgroup_layout = &layout_;
    Open(std::move(options));
    ContainerRow row = MakeContainerRow("c", "22");
    row.resources.set_cpu_shares(100);
    container_ = Add(std::move(row));
    ASSERT_TRUE(env_->db->Put(container_->row()).ok());
  }
  void TearDown() override {
    failpoint::DisarmAll();
    lane_.Shutdown();
    container_.reset();
    EnvironmentTest::TearDown();
  }
  Status Update(int64_t cpu_shares, int64_t cpu_quota) {
    Stopper stopper(env_.get());
    ContainerLifecycle lifecycle(env_.get(), &stopper);
    Leases leases;
    StatsReader stats(env_.get());
    ContainerOperations operations(env_.get(), &stopper, &lifecycle, &leases, &stats);
    v1::UpdateContainerResourcesRequest request;
    request.set_container_id("22");
    request.mutable_linux()->set_cpu_shares(cpu_shares);
    request.mutable_linux()->set_cpu_quota(cpu_quota);
    std::promise<Status> answer;
    operations.UpdateResources(request,
                               [&answer](Status status) { answer.set_value(std::move(status)); });
    return answer.get_future().get();
  }
  void ExpectShares(int64_t cpu_shares) {
    EXPECT_EQ(container_->row().resources.cpu_shares(), cpu_shares);
    const std::vector<ContainerRow> written = std::move(env_->db->Containers()).value();
    ASSERT_EQ(written.size(), 1u);
    EXPECT_EQ(written.front().resources.cpu_shares(), cpu_shares);
  }

  Telemetry telemetry_;
  Lane lane_{"work", 1, 100, &telemetry_};
  CgroupLayout layout_;  // no hierarchies
  ContainerPtr container_;
};

TEST_F(UpdateTest, IsAppliedAndWritten) {
  EXPECT_TRUE(Update(200, 0).ok());
  ASSERT_EQ(runtime_.updates.size(), 1u);
  EXPECT_EQ(runtime_.updates.back().cpu_shares, 200u);
  ExpectShares(200);
}

// cri-contract 7.7: all or nothing.
TEST_F(UpdateTest, WhatCannotBeWrittenIsTakenBack) {
  ASSERT_TRUE(failpoint::Arm("pod.update_container.applied=1*error:on purpose").ok());
  EXPECT_EQ(Update(200, 5000).code(), Code::kInternal);
  ASSERT_EQ(runtime_.updates.size(), 2u);
  EXPECT_EQ(runtime_.updates.front().cpu_shares, 200u);
  EXPECT_EQ(runtime_.updates.back().cpu_shares, 100u);
  EXPECT_EQ(runtime_.updates.back().cpu_quota_us, -1);  // there was none before
  ExpectShares(100);

  env_->db.reset();
  env_->db = std::move(StateDb::Open(directory_ + "/pods.db")).value();
  EXPECT_TRUE(Update(300, 0).ok());
  ExpectShares(300);
}

}  // namespace
}  // namespace crisp::pod
