// Containers: states, exit codes, stop, limits, status fields, filters.
#include <sys/stat.h>

#include <thread>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

double SecondsSince(MonoTime start) {
  return std::chrono::duration<double>(MonoNow() - start).count();
}

class ContainerTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
  }
  std::string Start(const v1::ContainerConfig& config) {
    return StartContainer(pod_, config, sandbox_);
  }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
};

TEST_P(ContainerTest, StatesAndTimes) {
  const auto config = ShellConfig("c", "sleep 0.2; exit 3");
  const std::string id = CreateContainer(pod_, config, sandbox_);
  auto status = StatusOf(id);
  EXPECT_EQ(status.state(), v1::CONTAINER_CREATED);
  EXPECT_GT(status.created_at(), PodStatusOf(pod_).created_at());
  EXPECT_EQ(status.started_at(), 0);
  EXPECT_EQ(status.finished_at(), 0);
  EXPECT_EQ(status.reason(), "");
  EXPECT_THAT(TryStart(id), IsOk());
  status = StatusOf(id);
  EXPECT_EQ(status.state(), v1::CONTAINER_RUNNING);
  EXPECT_GE(status.started_at(), status.created_at());
  EXPECT_EQ(status.finished_at(), 0);
  EXPECT_THAT(TryStart(id), HasCode(Code::kFailedPrecondition));
  status = AwaitExit(id);
  EXPECT_EQ(status.exit_code(), 3);
  EXPECT_EQ(status.reason(), "Error");
  EXPECT_GE(status.finished_at(), status.started_at());
  EXPECT_THAT(TryStart(id), HasCode(Code::kFailedPrecondition));
}

TEST_P(ContainerTest, ExitCodesAndReasons) {
  const std::string good = Start(ShellConfig("good", "true"));
  EXPECT_EQ(AwaitExit(good).exit_code(), 0);
  EXPECT_EQ(StatusOf(good).reason(), "Completed");
  const std::string killed = Start(ShellConfig("killed", "exec sleep 1000"));
  // A signal from outside; process 1 ignores what it has no handler for, except SIGKILL.
  EXPECT_THAT(TryStop(killed, 0), IsOk());
  EXPECT_EQ(StatusOf(killed).exit_code(), 137);
  EXPECT_EQ(StatusOf(killed).reason(), "Error");
}

TEST_P(ContainerTest, MissingExecutableIsNamed) {
  // runc and crun look for it in `create` already; clients hear of it at the start.
  const std::string id = CreateContainer(pod_, ContainerConfig("c", {"/no/such"}), sandbox_);
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_CREATED);
  EXPECT_EQ(StatusOf(id).message(), "");
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  update.mutable_linux()->set_cpu_shares(100);
  EXPECT_THAT(client().Call(update), IsOk());
  KillAndRestart();
  if (HasFatalFailure()) return;
  EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_CREATED);
  const Status started = TryStart(id);
  EXPECT_FALSE(started.ok());
  EXPECT_THAT(started.message(), HasSubstr("/no/such"));
  const auto status = StatusOf(id);
  EXPECT_EQ(status.state(), v1::CONTAINER_EXITED);
  EXPECT_EQ(status.exit_code(), 128);
  EXPECT_EQ(status.reason(), "StartError");
  EXPECT_THAT(status.message(), HasSubstr("/no/such"));
  EXPECT_GT(status.finished_at(), 0);
  EXPECT_EQ(status.started_at(), 0);
  EXPECT_THAT(TryStart(id), HasCode(Code::kFailedPrecondition));
  EXPECT_THAT(TryRemove(id), IsOk());
}

TEST_P(ContainerTest, AContainerThatCannotStartIsStoppedAndRemoved) {
  // A file that is there but is no program.
  const std::string id = CreateContainer(pod_, ContainerConfig("c", {"/etc/passwd"}), sandbox_);
  EXPECT_THAT(TryStop(id, 1), IsOk());
  const MonoTime start = MonoNow();
  EXPECT_THAT(TryRemove(id), IsOk());
  EXPECT_LT(MonoNow() - start, Patient(std::chrono::seconds(5)));
  const std::string second = CreateContainer(pod_, ContainerConfig("d", {"/no/such"}), sandbox_);
  EXPECT_THAT(TryStopPod(pod_), IsOk()) << second;
}

TEST_P(ContainerTest, StopWaitsForTheGrace) {
  const std::string polite =
      Start(ShellConfig("polite", "trap 'sleep 0.3; exit 9' TERM; while :; do sleep 0.1; done"));
  Eventually([] { return false; }, std::chrono::milliseconds(200));  // the trap is set
  MonoTime start = MonoNow();
  EXPECT_THAT(TryStop(polite, 20), IsOk());
  EXPECT_LT(SecondsSince(start), 10 * TimeFactor());
  EXPECT_EQ(StatusOf(polite).exit_code(), 9);

  const std::string deaf = Start(ShellConfig("deaf", "trap '' TERM; while :; do sleep 0.1; done"));
  Eventually([] { return false; }, std::chrono::milliseconds(200));
  start = MonoNow();
  EXPECT_THAT(TryStop(deaf, 1), IsOk());
  EXPECT_GE(SecondsSince(start), 0.9);
  EXPECT_LT(SecondsSince(start), 10 * TimeFactor());
  EXPECT_EQ(StatusOf(deaf).exit_code(), 137);
}

TEST_P(ContainerTest, ALaterStopShortensTheGrace) {
  const std::string deaf = Start(ShellConfig("deaf", "trap '' TERM; while :; do sleep 0.1; done"));
  Eventually([] { return false; }, std::chrono::milliseconds(200));
  const MonoTime start = MonoNow();
  std::thread patient([&] { EXPECT_THAT(TryStop(deaf, 600), IsOk()); });
  Eventually([] { return false; }, std::chrono::milliseconds(300));
  // Meanwhile the container is listed, running, and answers.
  EXPECT_EQ(StatusOf(deaf).state(), v1::CONTAINER_RUNNING);
  EXPECT_THAT(TryStop(deaf, 1), IsOk());
  patient.join();
  EXPECT_LT(SecondsSince(start), 15 * TimeFactor());
  EXPECT_EQ(StatusOf(deaf).exit_code(), 137);
}

TEST_P(ContainerTest, AStopWhoseClientLeftMayBeRepeated) {
  const std::string deaf = Start(ShellConfig("deaf", "trap '' TERM; while :; do sleep 0.1; done"));
  Eventually([] { return false; }, std::chrono::milliseconds(200));
  EXPECT_THAT(TryStop(deaf, 600, std::chrono::milliseconds(200)), HasCode(Code::kDeadlineExceeded));
  EXPECT_THAT(TryStop(deaf, 0), IsOk());
  EXPECT_EQ(StatusOf(deaf).state(), v1::CONTAINER_EXITED);
}

TEST_P(ContainerTest, StopSignalOfTheConfiguration) {
  auto config = ShellConfig("c", "trap 'exit 5' USR1; while :; do sleep 0.1; done");
  config.set_stop_signal(v1::SIGNAL_SIGUSR1);
  const std::string id = Start(config);
  Eventually([] { return false; }, std::chrono::milliseconds(200));
  EXPECT_EQ(StatusOf(id).stop_signal(), v1::SIGNAL_SIGUSR1);
  EXPECT_THAT(TryStop(id, 20), IsOk());
  EXPECT_EQ(StatusOf(id).exit_code(), 5);
}

TEST_P(ContainerTest, StopKillsEverythingInTheContainer) {
  auto sandbox = SandboxConfig("shared");
  sandbox.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::POD);
  auto config = ShellConfig("c", "setsid sleep 4242 & setsid sleep 4243 & wait");
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(v1::POD);
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, config, sandbox);
  auto watcher_config = ContainerConfig("watch", {"top"});
  watcher_config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::POD);
  const std::string watcher = StartContainer(pod, watcher_config, sandbox);
  EXPECT_TRUE(
      Eventually([&] { return Shell(watcher, "ps -o args").find("4243") != std::string::npos; }));
  EXPECT_THAT(TryStop(id, 0), IsOk());
  EXPECT_THAT(Shell(watcher, "ps -o args"), testing::Not(HasSubstr("sleep 424")));
}

TEST_P(ContainerTest, OutOfMemoryIsSaid) {
  auto config = ShellConfig("c", "dd if=/dev/zero of=/dev/null bs=200M count=1; echo survived");
  // The shell is process 1 and must die with its child: exec leaves one process.
  config = ContainerConfig("c", {"dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"});
  config.mutable_linux()->mutable_resources()->set_memory_limit_in_bytes(20 << 20);
  config.mutable_linux()->mutable_resources()->set_memory_swap_limit_in_bytes(20 << 20);
  const auto status = AwaitExit(Start(config));
  EXPECT_EQ(status.exit_code(), 137);
  EXPECT_EQ(status.reason(), "OOMKilled");
}

TEST_P(ContainerTest, UpdateIsSeenInTheCgroup) {
  auto config = ContainerConfig("c", {"top"});
  auto* resources = config.mutable_linux()->mutable_resources();
  resources->set_cpu_period(100000);
  resources->set_cpu_quota(50000);
  resources->set_cpu_shares(512);
  resources->set_memory_limit_in_bytes(64 << 20);
  const std::string id = Start(config);
  const CgroupLayout layout = CgroupLayout::Detect().value();
  const CgroupDir group(&layout, daemon().CgroupOf(id));
  ASSERT_TRUE(group.Exists());
  const auto memory = [&] {
    return std::string(Trim(layout.v2 ? group.ReadFile("memory", "memory.max").value()
                                      : group.ReadFile("memory", "memory.limit_in_bytes").value()));
  };
  const auto quota = [&] {
    return layout.v2 ? group.ReadFile("cpu", "cpu.max").value()
                     : group.ReadFile("cpu", "cpu.cfs_quota_us").value();
  };
  EXPECT_EQ(memory(), std::to_string(64 << 20));
  EXPECT_THAT(quota(), HasSubstr("50000"));

  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  update.mutable_linux()->set_memory_limit_in_bytes(96 << 20);
  update.mutable_linux()->set_memory_swap_limit_in_bytes(96 << 20);
  update.mutable_linux()->set_cpu_quota(70000);
  EXPECT_THAT(client().Call(update), IsOk());
  EXPECT_EQ(memory(), std::to_string(96 << 20));
  EXPECT_THAT(quota(), HasSubstr("70000"));
  auto now = StatusOf(id).resources().linux();
  EXPECT_EQ(now.memory_limit_in_bytes(), 96 << 20);
  EXPECT_EQ(now.cpu_quota(), 70000);
  EXPECT_EQ(now.cpu_period(), 100000);
  EXPECT_EQ(now.cpu_shares(), 512);

  // Only what is set changes.
  update.mutable_linux()->Clear();
  update.mutable_linux()->set_cpu_shares(1024);
  EXPECT_THAT(client().Call(update), IsOk());
  now = StatusOf(id).resources().linux();
  EXPECT_EQ(now.cpu_shares(), 1024);
  EXPECT_EQ(now.cpu_quota(), 70000);
  EXPECT_EQ(memory(), std::to_string(96 << 20));

  // A memory limit above the explicit swap limit takes it along: the kernel would refuse.
  update.mutable_linux()->Clear();
  update.mutable_linux()->set_memory_limit_in_bytes(192 << 20);
  EXPECT_THAT(client().Call(update), IsOk());
  now = StatusOf(id).resources().linux();
  EXPECT_EQ(now.memory_swap_limit_in_bytes(), 192 << 20);
  EXPECT_EQ(memory(), std::to_string(192 << 20));
}

TEST_P(ContainerTest, UpdateBeforeTheStart) {
  const std::string id = CreateContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
  v1::UpdateContainerResourcesRequest update;
  update.set_container_id(id);
  update.mutable_linux()->set_memory_limit_in_bytes(128 << 20);
  update.mutable_linux()->set_memory_swap_limit_in_bytes(128 << 20);
  EXPECT_THAT(client().Call(update), IsOk());
  EXPECT_THAT(TryStart(id), IsOk());
  EXPECT_EQ(StatusOf(id).resources().linux().memory_limit_in_bytes(), 128 << 20);
}

TEST_P(ContainerTest, EveryStatusField) {
  const std::string host_dir = daemon().Path("volume");
  ASSERT_THAT(EnsureDirectory(host_dir), IsOk());
  auto config = ContainerConfig("fields", {"top"});
  config.mutable_metadata()->set_attempt(7);
  (*config.mutable_annotations())["io.kubernetes.container.hash"] = "abc";
  auto* mount = config.add_mounts();
  mount->set_host_path(host_dir);
  mount->set_container_path("/data");
  mount->set_readonly(true);
  mount->set_propagation(v1::PROPAGATION_HOST_TO_CONTAINER);
  auto* resources = config.mutable_linux()->mutable_resources();
  resources->set_cpu_period(100000);
  resources->set_cpu_quota(20000);
  resources->set_cpu_shares(256);
  resources->set_oom_score_adj(500);
  const std::string id = Start(config);
  const auto status = StatusOf(id.substr(0, 13));
  EXPECT_EQ(status.id(), id);
  EXPECT_EQ(status.metadata().name(), "fields");
  EXPECT_EQ(status.metadata().attempt(), 7u);
  EXPECT_EQ(status.image().image(), kBusybox);
  EXPECT_EQ(status.image().user_specified_image(), "busybox");
  v1::ImageStatusRequest image_request;
  image_request.mutable_image()->set_image("busybox");
  const auto image = Must(client().Call(image_request)).image();
  EXPECT_EQ(status.image_id(), image.id());
  EXPECT_NE(status.image_ref(), "");
  EXPECT_EQ(status.labels().at("io.kubernetes.container.name"), "fields");
  EXPECT_EQ(status.labels().size(), config.labels().size());
  EXPECT_EQ(status.annotations().size(), 1u);
  ASSERT_EQ(status.mounts_size(), 1);
  EXPECT_EQ(status.mounts(0).DebugString(), mount->DebugString());
  EXPECT_EQ(status.log_path(), LogPath(sandbox_, config));
  EXPECT_EQ(status.resources().linux().cpu_quota(), 20000);
  EXPECT_EQ(status.resources().linux().cpu_shares(), 256);
  EXPECT_EQ(status.resources().linux().memory_limit_in_bytes(), 256 << 20);
  EXPECT_EQ(status.user().linux().uid(), 0);
  EXPECT_THAT(status.user().linux().supplemental_groups(), ElementsAre(0));
  EXPECT_EQ(status.stop_signal(), v1::SIGNAL_SIGTERM);
  EXPECT_EQ(Shell(id, "cat /proc/1/oom_score_adj /proc/self/oom_score_adj"), "500\n500\n");

  v1::ContainerStatusRequest verbose;
  verbose.set_container_id(id);
  verbose.set_verbose(true);
  const std::string info = Must(client().Call(verbose)).info().at("info");
  EXPECT_EQ(info.front(), '{');
  EXPECT_EQ(info.back(), '}');
  EXPECT_THAT(info, HasSubstr("\"runtimeSpec\""));
  EXPECT_GT(PidOf(id), 0);
}

TEST_P(ContainerTest, ListAndFilters) {
  const std::string one = Start(ContainerConfig("one", {"top"}));
  const std::string two = CreateContainer(pod_, ContainerConfig("two", {"top"}), sandbox_);
  const auto list = [&](const std::function<void(v1::ContainerFilter*)>& fill) {
    v1::ListContainersRequest request;
    fill(request.mutable_filter());
    std::vector<std::string> ids;
    const auto response = client().Call(request);
    EXPECT_THAT(response, IsOk());
    for (const auto& item : response->containers()) {
      EXPECT_EQ(item.pod_sandbox_id(), pod_);
      EXPECT_EQ(item.image().image(), kBusybox);
      EXPECT_NE(item.image_id(), "");
      EXPECT_NE(item.image_ref(), "");
      EXPECT_GT(item.created_at(), 0);
      ids.push_back(item.id());
    }
    return ids;
  };
  EXPECT_THAT(list([](auto*) {}), testing::UnorderedElementsAre(one, two));
  EXPECT_THAT(list([&](auto* f) { f->set_id(two.substr(0, 12)); }), ElementsAre(two));
  EXPECT_THAT(list([&](auto* f) { f->set_pod_sandbox_id(pod_.substr(0, 12)); }),
              testing::UnorderedElementsAre(one, two));
  EXPECT_THAT(list([&](auto* f) { f->set_pod_sandbox_id("00000000"); }), IsEmpty());
  EXPECT_THAT(list([](auto* f) { f->mutable_state()->set_state(v1::CONTAINER_RUNNING); }),
              ElementsAre(one));
  EXPECT_THAT(
      list([](auto* f) { (*f->mutable_label_selector())["io.kubernetes.container.name"] = "two"; }),
      ElementsAre(two));
}

TEST_P(ContainerTest, Stats) {
  const std::string id = Start(ShellConfig("c", "while :; do :; done"));
  v1::ContainerStatsRequest request;
  request.set_container_id(id);
  const auto first = Must(client().Call(request)).stats();
  EXPECT_EQ(first.attributes().id(), id);
  EXPECT_EQ(first.attributes().metadata().name(), "c");
  EXPECT_GT(first.memory().working_set_bytes().value(), 0u);
  EXPECT_EQ(first.memory().timestamp() > 0, true);
  struct stat info {};
  EXPECT_EQ(::stat(first.writable_layer().fs_id().mountpoint().c_str(), &info), 0);
  EXPECT_TRUE(Eventually([&] {
    const auto next = Must(client().Call(request)).stats();
    return next.cpu().timestamp() > first.cpu().timestamp() &&
           next.cpu().usage_core_nano_seconds().value() >
               first.cpu().usage_core_nano_seconds().value();
  }));
  const auto all = client().Call(v1::ListContainerStatsRequest());
  ASSERT_THAT(all, IsOk());
  ASSERT_EQ(all->stats_size(), 1);
  EXPECT_EQ(all->stats(0).attributes().id(), id);
}

CRISP_FOR_EACH_RUNTIME(ContainerTest);

}  // namespace
}  // namespace crisp::test
