// GetContainerEvents: what a subscriber is told of pods and containers (cri-contract 15).
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

class EventsTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    events_ = client().OpenEvents(Patient(std::chrono::seconds(60)));
  }
  // The next one is this.
  v1::ContainerEventResponse Expect(v1::ContainerEventType type, const std::string& id) {
    const auto event = Must(events_->Next());
    EXPECT_EQ(v1::ContainerEventType_Name(event.container_event_type()),
              v1::ContainerEventType_Name(type));
    EXPECT_EQ(event.container_id(), id);
    EXPECT_GT(event.created_at(), last_at_);
    last_at_ = event.created_at();
    return event;
  }

  v1::PodSandboxConfig sandbox_;
  std::unique_ptr<EventStream> events_;
  int64_t last_at_ = 0;
};

TEST_P(EventsTest, OfAPodsLife) {
  const std::string pod = RunPod(sandbox_);
  Expect(v1::CONTAINER_CREATED_EVENT, pod);
  EXPECT_EQ(Expect(v1::CONTAINER_STARTED_EVENT, pod).pod_sandbox_status().state(),
            v1::SANDBOX_READY);
  const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox_);
  Expect(v1::CONTAINER_CREATED_EVENT, id);
  const auto started = Expect(v1::CONTAINER_STARTED_EVENT, id);
  ASSERT_EQ(started.containers_statuses_size(), 1);
  EXPECT_EQ(started.containers_statuses(0).state(), v1::CONTAINER_RUNNING);
  EXPECT_THAT(TryStop(id, 0), IsOk());
  const auto stopped = Expect(v1::CONTAINER_STOPPED_EVENT, id);
  ASSERT_EQ(stopped.containers_statuses_size(), 1);
  EXPECT_EQ(stopped.containers_statuses(0).exit_code(), 137);
  EXPECT_THAT(TryRemove(id), IsOk());
  EXPECT_EQ(Expect(v1::CONTAINER_DELETED_EVENT, id).containers_statuses_size(), 0);
  EXPECT_THAT(TryStopPod(pod), IsOk());
  EXPECT_EQ(Expect(v1::CONTAINER_STOPPED_EVENT, pod).pod_sandbox_status().state(),
            v1::SANDBOX_NOTREADY);
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  Expect(v1::CONTAINER_DELETED_EVENT, pod);
}

TEST_P(EventsTest, AFailedStartIsAnEnd) {
  const std::string pod = RunPod(sandbox_);
  Expect(v1::CONTAINER_CREATED_EVENT, pod);
  Expect(v1::CONTAINER_STARTED_EVENT, pod);
  const std::string id = CreateContainer(pod, ContainerConfig("c", {"/no/such/program"}), sandbox_);
  Expect(v1::CONTAINER_CREATED_EVENT, id);
  EXPECT_FALSE(TryStart(id).ok());
  const auto stopped = Expect(v1::CONTAINER_STOPPED_EVENT, id);
  ASSERT_EQ(stopped.containers_statuses_size(), 1);
  EXPECT_EQ(stopped.containers_statuses(0).state(), v1::CONTAINER_EXITED);
  EXPECT_EQ(stopped.containers_statuses(0).exit_code(), 128);
}

// It exits while another one of its pod is made, which no other call shows yet.
TEST_P(EventsTest, WhatIsBeingMadeIsNotToldOf) {
  const std::string pod = RunPod(sandbox_);
  const std::string id = StartContainer(pod, ContainerConfig("c", {"top"}), sandbox_);
  KillAndRestart("create_container.monitor.before=1*sleep:2000");
  events_ = client().OpenEvents(Patient(std::chrono::seconds(60)));
  std::thread creator(
      [&] { EXPECT_THAT(TryCreate(pod, ContainerConfig("later", {"top"}), sandbox_), IsOk()); });
  const auto is_reached = [&] {
    return daemon().Log().find("failpoint hit name=create_container.monitor.before") !=
           std::string::npos;
  };
  EXPECT_TRUE(Eventually(is_reached));
  EXPECT_THAT(TryStop(id, 0), IsOk());
  const auto stopped = Expect(v1::CONTAINER_STOPPED_EVENT, id);
  creator.join();
  ASSERT_EQ(stopped.containers_statuses_size(), 1);
  EXPECT_EQ(stopped.containers_statuses(0).id(), id);
}

CRISP_FOR_EACH_RUNTIME(EventsTest);

}  // namespace
}  // namespace crisp::test
