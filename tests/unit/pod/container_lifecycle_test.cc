#include "pod/container_lifecycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "environment_fixture.h"

namespace crisp::pod {
namespace {

using testing::HasSubstr;

class StartTest : public EnvironmentTest {
 protected:
  void SetUp() override { Open(Options()); }
  ContainerPtr Created(v1::NamespaceMode pid, const std::string& target = "") {
    ContainerRow row = MakeContainerRow("c", "22");
    row.state = ContainerState::kCreated;
    auto& options =
        *row.config.mutable_linux()->mutable_security_context()->mutable_namespace_options();
    options.set_pid(pid);
    options.set_target_id(target);
    return Add(std::move(row));
  }
  Status Start(const ContainerPtr& container) {
    Stopper stopper(env_.get());
    return ContainerLifecycle(env_.get(), &stopper).Start(container);
  }
  // cri-contract section 3: EXITED as after every start that failed, also over a restart.
  void ExpectStartError(const ContainerPtr& container, const std::string& message) {
    const std::vector<ContainerRow> written = std::move(env_->db->Containers()).value();
    ASSERT_EQ(written.size(), 1u);
    for (const ContainerRow& row : {container->row(), written.front()}) {
      EXPECT_EQ(row.state, ContainerState::kExited);
      EXPECT_EQ(row.exit_code, 128);
      EXPECT_EQ(row.reason, "StartError");
      EXPECT_THAT(row.message, HasSubstr(message));
      EXPECT_EQ(row.started_at_ns, 0);
      EXPECT_GT(row.finished_at_ns, 0);
    }
    EXPECT_EQ(runtime_.starts, 0);
    EXPECT_EQ(runtime_.deletes, 1) << "its process waits to be started";
  }
};

TEST_F(StartTest, Works) {
  const ContainerPtr container = Created(v1::CONTAINER);
  EXPECT_TRUE(Start(container).ok());
  EXPECT_EQ(container->state(), ContainerState::kRunning);
  EXPECT_EQ(runtime_.starts, 1);
  EXPECT_EQ(runtime_.deletes, 0);
  EXPECT_EQ(Start(container).code(), Code::kFailedPrecondition);
  EXPECT_EQ(container->state(), ContainerState::kRunning);
}

TEST_F(StartTest, ASandboxThatIsNotReadyIsAFailedStart) {
  const ContainerPtr container = Created(v1::CONTAINER);
  sandbox_->set_state(SandboxState::kNotReady);
  const Status status = Start(container);
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("its sandbox 11 is not ready"));
  ExpectStartError(container, "its sandbox 11 is not ready");
}

// A debugger whose target has ended since it was made: nobody starts it a second time.
TEST_F(StartTest, ATargetThatIsGoneIsAFailedStart) {
  ContainerRow target = MakeContainerRow("target", "33");
  target.state = ContainerState::kExited;
  ASSERT_TRUE(env_->registry.Add(MakeContainer(std::move(target), sandbox_)).ok());
  const ContainerPtr container = Created(v1::TARGET, "33");
  const Status status = Start(container);
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("namespace_options.target_id"));
  ExpectStartError(container, "is not running");
}

}  // namespace
}  // namespace crisp::pod
