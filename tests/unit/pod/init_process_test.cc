// The init process of an earlier daemon, played by a child of the test's own without a monitor.
#include "pod/init_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <thread>

#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/process_stat.h"
#include "base/failpoint.h"
#include "pod_fixtures.h"
#include "tests/support/patience.h"

namespace crisp::pod {
namespace {

using std::chrono::milliseconds;
using test::Eventually;

class InitProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "crisp-init-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    loop_ = std::move(EpollLoop::Create()).value();
    thread_ = std::thread([this] { loop_->Run(); });
    Options options;
    options.root = directory_ + "/root";
    options.state = directory_ + "/state";
    options.loop = loop_.get();
    options.work_lane = &lane_;
    env_ = std::make_unique<Environment>(std::move(options));
    env_->db = std::move(StateDb::Open(directory_ + "/pods.db")).value();

    SpawnOptions spawn;
    spawn.argv = {"sleep", "100"};
    child_ = std::move(ChildProcess::Spawn(spawn)).value();
    SandboxRow row = MakeSandboxRow("p", SandboxId::MakeRandom().str());
    row.init.container_pid = child_.pid();
    row.init.container_start_time = ReadProcessStat(child_.pid()).value().start_time;
    sandbox_ = std::make_shared<Sandbox>(std::move(row), nullptr, env_->roots, &lane_);
  }
  void TearDown() override {
    failpoint::DisarmAll();
    lane_.Shutdown();
    loop_->Stop();
    thread_.join();
    sandbox_.reset();
    env_.reset();
    EXPECT_TRUE(RemoveTreeAt(directory_).ok());
  }

  Telemetry telemetry_;
  Lane lane_{"work", 4, 100, &telemetry_};
  std::string directory_;
  std::unique_ptr<EpollLoop> loop_;
  std::thread thread_;
  std::unique_ptr<Environment> env_;
  SandboxPtr sandbox_;
  ChildProcess child_;
};

TEST_F(InitProcessTest, OneThatCannotBeWatchedAtOnceIsTriedAgain) {
  ASSERT_TRUE(failpoint::Arm("oci.monitor.adopt=1*error:no descriptors").ok());
  const auto events = env_->events.Subscribe({});
  AdoptInitProcess(*env_, sandbox_);
  EXPECT_EQ(sandbox_->init(), nullptr);
  EXPECT_EQ(sandbox_->init_process().container_pid, child_.pid()) << "what is known stays";
  ASSERT_TRUE(Eventually([this] { return sandbox_->init() != nullptr; }));
  EXPECT_EQ(sandbox_->state(), SandboxState::kReady);

  ASSERT_TRUE(child_.Signal(SIGKILL).ok());
  Result<Event> event = NotFound("none");
  ASSERT_TRUE(Eventually([&] { return (event = events->Next()).ok(); }));
  EXPECT_EQ(event->type, EventType::kStopped);
  EXPECT_EQ(sandbox_->state(), SandboxState::kNotReady);
  const auto rows = env_->db->Sandboxes();
  ASSERT_TRUE(rows.ok() && rows->size() == 1);
  EXPECT_EQ(rows->front().state, SandboxState::kNotReady);
}

TEST_F(InitProcessTest, OneThatWasEndedMeanwhileIsNotTriedAgain) {
  ASSERT_TRUE(failpoint::Arm("oci.monitor.adopt=1*error:no descriptors").ok());
  AdoptInitProcess(*env_, sandbox_);
  sandbox_->set_init(nullptr);  // as StopPodSandbox does
  std::this_thread::sleep_for(milliseconds(1500));
  EXPECT_EQ(sandbox_->init(), nullptr);
}

TEST_F(InitProcessTest, TheRootIsWrittenOnlyWhenItDiffers) {
  Options options;
  options.state = directory_ + "/state";
  options.init_binary = directory_ + "/init";
  const Environment env(options);
  const std::string copy = options.state + "/init-rootfs/crisp-init";
  const auto ensure = [&] {
    const Status made = EnsureInitRoot(env);
    EXPECT_TRUE(made.ok()) << made.ToString();
    struct stat st {};
    EXPECT_EQ(::stat(copy.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0555u);
    EXPECT_EQ(*ReadFile(copy), *ReadFile(options.init_binary));
    return st.st_ino;
  };
  ASSERT_TRUE(WriteFile(options.init_binary, "one").ok());
  (void)ensure();
  // Held open, so that no other file gets its number.
  const UniqueFd first = std::move(OpenFile(copy, O_RDONLY)).value();
  struct stat st {};
  ASSERT_EQ(::fstat(first.get(), &st), 0);
  EXPECT_EQ(ensure(), st.st_ino);
  for (const char* other : {"two", "longer", "1"}) {
    ASSERT_TRUE(WriteFile(options.init_binary, other).ok());
    EXPECT_NE(ensure(), st.st_ino);
  }
  ASSERT_EQ(::chmod(copy.c_str(), 0755), 0);
  (void)ensure();
}

TEST_F(InitProcessTest, ASandboxThatIsGoneIsNotKept) {
  ASSERT_TRUE(failpoint::Arm("oci.monitor.adopt=error:no descriptors").ok());
  AdoptInitProcess(*env_, sandbox_);
  const std::weak_ptr<Sandbox> weak = sandbox_;
  sandbox_.reset();
  EXPECT_TRUE(Eventually([&weak] { return weak.expired(); }));
}

}  // namespace
}  // namespace crisp::pod
