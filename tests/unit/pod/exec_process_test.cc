// Execs whose container is removed while they begin.
#include "pod/exec_process.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/core/dir_fd.h"
#include "pod_fixtures.h"
#include "recording_runtime.h"

namespace crisp::pod {
namespace {

constexpr const char* kContainer =
    "c000000000000000000000000000000000000000000000000000000000000000";

// Its container is not there any more.
class LateRuntime final : public RecordingRuntime {
 public:
  explicit LateRuntime(const CgroupLayout& layout) {
    layout_ = layout;
    features_.exec_cgroup = true;
  }
  Result<pid_t> ExecDetached(const oci::ExecRequest& request) override {
    sub_cgroup = request.sub_cgroup;
    return NotFound("container does not exist");
  }
  std::string sub_cgroup;
};

class ExecProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto layout = CgroupLayout::Detect();
    if (::geteuid() != 0 || !layout.ok()) GTEST_SKIP() << "needs root and a cgroup file system";
    layout_ = *layout;
    parent_ = CgroupDir(&layout_, Cat("/crisp-unit-", ::getpid()));
    if (!parent_.EnsureCreated().ok()) GTEST_SKIP() << "needs a writable cgroup file system";
    std::string pattern = ::testing::TempDir() + "crisp-exec-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    Options options;
    options.root = directory_ + "/root";
    options.state = directory_ + "/state";
    options.cgroup_layout = &layout_;
    options.default_cgroup_parent = parent_.path();
    env_ = std::make_unique<Environment>(std::move(options));
    runtime_ = std::make_unique<LateRuntime>(layout_);
    sandbox_ = std::make_shared<Sandbox>(MakeSandboxRow("p", SandboxId::MakeRandom().str()),
                                         runtime_.get(), env_->roots, nullptr);
    ContainerRow row = MakeContainerRow("c", kContainer);
    row.sandbox = sandbox_->id();
    container_ = std::make_shared<Container>(std::move(row), sandbox_, env_->roots);
    ASSERT_TRUE(EnsureDirectory(container_->paths().state()).ok());
    ASSERT_TRUE(EnsureDirectory(container_->paths().bundle()).ok());
    ASSERT_TRUE(WriteFile(container_->paths().config_json(),
                          R"({"process":{"args":["top"],"env":["A=b"],"cwd":"/"}})")
                    .ok());
  }
  void TearDown() override {
    if (directory_.empty()) return;
    EXPECT_TRUE(RemoveTreeAt(directory_).ok());
    EXPECT_TRUE(parent_.EnsureRemoved().ok());
  }
  // A failed exec: whether the container's group is there afterwards.
  bool LeavesGroup() {
    ExecPlan plan;
    plan.command = {"true"};
    EXPECT_EQ(ExecProcess::Launch(env_.get(), container_, plan).status().code(), Code::kNotFound);
    EXPECT_NE(runtime_->sub_cgroup, "") << "it did not get as far as the group";
    const std::vector<std::string> names = parent_.ChildNames();
    EXPECT_LE(names.size(), 1u);
    EXPECT_EQ(env_->CgroupOf(*container_).ChildNames(), std::vector<std::string>()) << "the exec's";
    return !names.empty();
  }

  CgroupLayout layout_;
  std::unique_ptr<LateRuntime> runtime_;
  CgroupDir parent_;
  std::string directory_;
  std::unique_ptr<Environment> env_;
  SandboxPtr sandbox_;
  ContainerPtr container_;
};

// Its own group is made with the parents that are missing.
TEST_F(ExecProcessTest, ACgroupThatTheRemovalTookIsNotLeft) {
  container_->Update([](ContainerRow& row) { row.state = ContainerState::kExited; });
  EXPECT_FALSE(LeavesGroup());
}

TEST_F(ExecProcessTest, TheCgroupOfARunningContainerStays) {
  ASSERT_TRUE(env_->CgroupOf(*container_).EnsureCreated().ok());
  EXPECT_TRUE(LeavesGroup());
  EXPECT_TRUE(env_->CgroupOf(*container_).EnsureRemoved().ok());
}

}  // namespace
}  // namespace crisp::pod
