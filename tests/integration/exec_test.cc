// ExecSync: results, limits, and what must be gone afterwards (cri-contract section 11).
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;
using testing::Not;

double SecondsSince(MonoTime start) {
  return std::chrono::duration<double>(MonoNow() - start).count();
}

class ExecTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
    auto config = ContainerConfig("c", {"top"});
    auto* env = config.add_envs();
    env->set_key("COLOUR");
    env->set_value("blue");
    config.set_working_dir("/var");
    id_ = StartContainer(pod_, config, sandbox_);
  }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  std::string id_;
};

TEST_P(ExecTest, OutputsAndExitCode) {
  const auto response =
      Must(TryExec(id_, {"sh", "-c", "echo out; echo err >&2; echo $COLOUR; pwd; exit 42"}));
  EXPECT_EQ(response.stdout(), "out\nblue\n/var\n");
  EXPECT_EQ(response.stderr(), "err\n");
  EXPECT_EQ(response.exit_code(), 42);
  EXPECT_EQ(Must(TryExec(id_, {"sh", "-c", "kill -9 $$"})).exit_code(), 137);
  // stdin is empty, and there is no terminal.
  EXPECT_EQ(Shell(id_, "cat; test -t 0 || echo no-tty"), "no-tty\n");
}

TEST_P(ExecTest, WrongCalls) {
  EXPECT_THAT(TryExec(id_, {}), HasCode(Code::kInvalidArgument));
  EXPECT_THAT(TryExec("0123456789ab", {"true"}), HasCode(Code::kNotFound));
  const auto missing = TryExec(id_, {"/no/such/command"});
  if (missing.ok()) {
    EXPECT_THAT(missing->exit_code(), testing::AnyOf(126, 127));
  } else {
    EXPECT_THAT(missing.status().message(), HasSubstr("/no/such/command"));
  }
  const auto created = CreateContainer(pod_, ContainerConfig("created", {"top"}), sandbox_);
  EXPECT_FALSE(TryExec(created, {"true"}).ok()) << "not running";
  EXPECT_THAT(TryStop(id_, 0), IsOk());
  EXPECT_FALSE(TryExec(id_, {"true"}).ok()) << "exited";
}

TEST_P(ExecTest, TimeoutKillsTheWholeTree) {
  const MonoTime start = MonoNow();
  const auto response =
      TryExec(id_, {"sh", "-c", "setsid sleep 4242 & sleep 4243 & exec sleep 4244"}, 1);
  EXPECT_THAT(response, HasCode(Code::kDeadlineExceeded));
  EXPECT_THAT(response.status().message(), HasSubstr("timeout"));
  EXPECT_LT(SecondsSince(start), 6 * TimeFactor());
  EXPECT_TRUE(
      Eventually([&] { return Shell(id_, "ps -o args").find("sleep 424") == std::string::npos; },
                 std::chrono::seconds(3)))
      << Shell(id_, "ps -o pid,args");
}

TEST_P(ExecTest, ALeavingClientEndsTheCommand) {
  v1::ExecSyncRequest request;
  request.set_container_id(id_);
  for (const char* argument : {"sleep", "4245"}) request.add_cmd(argument);
  EXPECT_THAT(client().Call(request, std::chrono::milliseconds(500)),
              HasCode(Code::kDeadlineExceeded));
  EXPECT_TRUE(
      Eventually([&] { return Shell(id_, "ps -o args").find("sleep 4245") == std::string::npos; }));
}

TEST_P(ExecTest, InheritedPipesDoNotHang) {
  const MonoTime start = MonoNow();
  const auto response = Must(TryExec(id_, {"sh", "-c", "sleep 30 & echo done"}, 20));
  EXPECT_EQ(response.stdout(), "done\n");
  EXPECT_EQ(response.exit_code(), 0);
  EXPECT_LT(SecondsSince(start), 10 * TimeFactor());
}

TEST_P(ExecTest, OutputIsCapped) {
  const auto response = Must(TryExec(id_,
                                     {"sh", "-c",
                                      "head -c 20000000 /dev/zero | tr '\\0' x; "
                                      "head -c 20000000 /dev/zero | tr '\\0' y >&2; exit 3"},
                                     30));
  EXPECT_EQ(response.exit_code(), 3);
  // The cap may be one for both or one for each.
  EXPECT_GT(response.stdout().size() + response.stderr().size(), 8u << 20);
  EXPECT_LT(response.ByteSizeLong(), 16u << 20);
  EXPECT_EQ(response.stdout().find_first_not_of('x'), std::string::npos);
}

// What commands write must not become the daemon's memory: 64 MiB for all that run at a time, and
// what a probe needs for each of them.
TEST_P(ExecTest, OutputOfAllTogetherIsCapped) {
  constexpr int kCommands = 8;
  constexpr size_t kEach_bytes = 15'000'000;
  std::vector<std::thread> callers;
  std::mutex mutex;
  size_t all = 0;
  for (int i = 0; i < kCommands; ++i) {
    callers.emplace_back([&] {
      const std::string script =
          Cat("head -c ", kEach_bytes, " /dev/zero | tr '\\0' x; sleep ", PatientSeconds(3));
      const auto response = Must(TryExec(id_, {"sh", "-c", script}, PatientSeconds(20)));
      EXPECT_EQ(response.exit_code(), 0);
      EXPECT_GE(response.stdout().size(), 64u << 10);
      const std::lock_guard lock(mutex);
      all += response.stdout().size();
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_GT(all, 60u << 20);
  EXPECT_LE(all, (64u << 20) + kCommands * (64u << 10));
  // And it is given back.
  const auto after = Must(TryExec(id_, {"sh", "-c", Cat("head -c ", kEach_bytes, " /dev/zero")}));
  EXPECT_EQ(after.stdout().size(), kEach_bytes);
}

TEST_P(ExecTest, ManyAtOnceAndNothingIsLeft) {
  std::vector<std::thread> callers;
  for (int i = 0; i < 20; ++i) {
    callers.emplace_back([&, i] { EXPECT_EQ(Shell(id_, Cat("echo ", i)), Cat(i, "\n")); });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(Shell(id_, "ps -o stat,args"), Not(HasSubstr("Z ")));
}

TEST_P(ExecTest, ExecCountsToTheContainersCgroup) {
  const CgroupLayout layout = Must(CgroupLayout::Detect());
  const CgroupDir group(&layout, daemon().CgroupOf(id_));
  ASSERT_EQ(Must(group.Processes()).size(), 1u);
  std::thread caller([&] { EXPECT_THAT(TryExec(id_, {"sleep", "1"}), IsOk()); });
  EXPECT_TRUE(Eventually([&] { return Must(group.Processes()).size() == 2; }));
  caller.join();
}

// A probe each few seconds must not use up the kernel's cgroups.
TEST_P(ExecTest, GroupsOfCommandsThatLeaveAChildDoNotPileUp) {
  const CgroupLayout layout = Must(CgroupLayout::Detect());
  const CgroupDir group(&layout, daemon().CgroupOf(id_));
  for (int i = 0; i < 3; ++i) Shell(id_, "sleep 1 >/dev/null 2>&1 & echo left");
  EXPECT_TRUE(Eventually([&] { return Must(group.Processes()).size() == 1; }));
  Shell(id_, "echo last");
  const auto count = [&] {
    size_t found = 0;
    for (const auto& [controller, mount] : layout.mounts) {
      std::error_code gone;
      std::filesystem::recursive_directory_iterator at(JoinPath(mount, group.path()), gone);
      for (; !gone && at != std::filesystem::recursive_directory_iterator(); at.increment(gone)) {
        found += at->path().filename().string().starts_with("exec-") ? 1 : 0;
      }
    }
    return found;
  };
  EXPECT_TRUE(Eventually([&] { return count() == 0; })) << count();
}

CRISP_FOR_EACH_RUNTIME(ExecTest);

}  // namespace
}  // namespace crisp::test
