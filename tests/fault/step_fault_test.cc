// The fault matrix: every step of every step table x what can happen there.
//
// The steps come from the daemon itself (`crispd --list-steps` prints "table.step" lines), so a new
// step is tested from the day it exists, and a new table without an operation below fails. All
// cases run in CI, but what a recovery meets after a kill is taken by turns (CRISP_FAULT_ALL: all).
#include <cstdlib>

#include "base/core/file.h"
#include "tests/fault/fault_fixture.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

// "table.step" of each step; one bad entry when crispd cannot say.
std::vector<std::string> ListSteps() {
  RunOptions run;
  run.argv = {ProgramPath("crispd"), "--list-steps"};
  run.deadline = MonoNow() + Patient(std::chrono::seconds(20));
  const Result<RunOutput> output = crisp::Run(run);
  std::vector<std::string> steps;
  if (output.ok() && output->status.success()) {
    const std::string& text = output->stdout_data;
    size_t begin = 0;
    for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (end > begin) steps.push_back(text.substr(begin, end - begin));
    }
  }
  if (steps.empty()) steps.emplace_back("none.none");
  return steps;
}

class StepFaultTest : public PodTest {
 protected:
  // crun is the quicker one; CRISP_FAULT_RUNTIME=runc runs the matrix with the other.
  std::string Runtime() const override {
    const char* runtime = std::getenv("CRISP_FAULT_RUNTIME");  // NOLINT(concurrency-mt-unsafe)
    return runtime == nullptr ? "crun" : runtime;
  }
  // The operation that walks the table, as a client makes it.
  Status Operate(const std::string& table, Duration limit = CriClient::kDefaultTimeout) {
    if (table == "run_pod_sandbox") {
      v1::RunPodSandboxRequest request;
      *request.mutable_config() = sandbox_;
      return client().Call(request, limit).status();
    }
    if (table == "create_container") {
      v1::CreateContainerRequest request;
      request.set_pod_sandbox_id(pod_);
      *request.mutable_config() = ContainerConfig("c", {"top"});
      if (!volume_.host_path().empty()) *request.mutable_config()->add_mounts() = volume_;
      *request.mutable_sandbox_config() = sandbox_;
      return client().Call(request, limit).status();
    }
    return Unimplemented("step table ", table, " has no operation in this test");
  }
  // Those that do something in a pod with a user namespace only, or something else there.
  static bool HasUserNamespaceSteps(const std::string& failpoints) {
    for (const char* step :
         {".user_namespace", ".namespaces", ".rootfs", ".mapped_volumes", ".unmap_volumes"}) {
      if (failpoints.find(step) != std::string::npos) return true;
    }
    return false;
  }
  void AddUserNamespace() {
    const auto status = Must(client().Call(v1::StatusRequest()), "status");
    if (!status.features().user_namespaces_host_network()) return;  // this machine has none
    auto* userns = sandbox_.mutable_linux()
                       ->mutable_security_context()
                       ->mutable_namespace_options()
                       ->mutable_userns_options();
    for (auto* mapping : {userns->add_uids(), userns->add_gids()}) {
      mapping->set_host_id(300000);
      mapping->set_length(65536);
    }
    volume_.Clear();
    volume_.set_host_path(daemon().Path("volume"));
    volume_.set_container_path("/data");
    *volume_.add_uidmappings() = userns->uids(0);
    *volume_.add_gidmappings() = userns->gids(0);
    ASSERT_THAT(EnsureDirectory(volume_.host_path()), IsOk());
  }
  // A daemon with these failpoints and, where the table needs one, a pod.
  void Prepare(const std::string& table, const std::string& failpoints) {
    sandbox_ = SandboxConfig("pod");
    sandbox_.add_port_mappings()->set_container_port(80);
    sandbox_.mutable_port_mappings(0)->set_host_port(12000);
    // Shared PID namespace: the longest way through both tables.
    sandbox_.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
        v1::POD);
    if (HasUserNamespaceSteps(failpoints)) AddUserNamespace();
    KillAndRestart(table == "run_pod_sandbox" ? failpoints : "");
    if (table == "run_pod_sandbox" || HasFatalFailure()) return;
    pod_ = RunPod(sandbox_);
    KillAndRestart(failpoints);
  }
  // What a kubelet does with whatever is listed, and then the whole life once more.
  void CleanUpAndRetry(const std::string& what) {
    RemoveAllPods();
    EXPECT_EQ(AwaitCensus(daemon(), census_before()), "") << what;
    pod_ = RunPod(sandbox_);
    const std::string id = StartContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
    EXPECT_EQ(Shell(id, "echo works"), "works\n") << what;
    RemoveAllPods();
    EXPECT_EQ(AwaitCensus(daemon(), census_before()), "") << what;
  }

  void Fails(const std::string& table, const std::string& point) {
    SCOPED_TRACE(point + " fails");
    Prepare(table, point + "=1*error:on purpose");
    if (HasFatalFailure()) return;
    const Census before = Census::Take(daemon());
    const Status status = Operate(table);
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.message(), testing::HasSubstr("on purpose"));
    EXPECT_EQ(AwaitCensus(daemon(), before), "");
    EXPECT_THAT(Operate(table), IsOk()) << "the retry";
    CleanUpAndRetry(point);
  }
  void FailsAndCannotBeUndone(const std::string& table, const std::string& step) {
    SCOPED_TRACE(step + " fails and its undo too");
    Prepare(table, Cat(step, ".after=1*error;", step, ".undo=1*error"));
    if (HasFatalFailure()) return;
    EXPECT_FALSE(Operate(table).ok());
    CleanUpAndRetry(step);
  }
  // Half of it is undone, and its row says that it is being made.
  void DiesWhileUndoing(const std::string& table, const std::string& step) {
    SCOPED_TRACE(step + " fails and its undo kills the daemon");
    Prepare(table, Cat(step, ".after=1*error;", step, ".undo=kill"));
    if (HasFatalFailure()) return;
    const Status status = Operate(table);
    EXPECT_FALSE(status.ok());
    if (status.code() == Code::kUnavailable) {  // not of a step that has no undo
      ASSERT_THAT(daemon().WaitUntilDead(std::chrono::seconds(5)), IsOk());
      ASSERT_THAT(daemon().Start(), IsOk());
    }
    CleanUpAndRetry(step);
  }
  void KillsTheDaemon(const std::string& table, const std::string& point) {
    SCOPED_TRACE(point + " kills the daemon");
    Prepare(table, point + "=kill");
    if (HasFatalFailure()) return;
    EXPECT_FALSE(Operate(table).ok());
    EXPECT_THAT(daemon().WaitUntilDead(std::chrono::seconds(5)), IsOk()) << "it was not reached";
    ASSERT_THAT(daemon().Start(), IsOk());
    CleanUpAndRetry(point);
  }
  // Steps that have no undo.
  static bool LeavesNothing(const std::string& step) {
    for (const char* name : {".files", ".volumes", ".spec", ".unmap_volumes"}) {
      if (step.ends_with(name)) return true;
    }
    return false;
  }
  // A daemon dies when `step` is done, and its successor starts with `failpoints`.
  Status DieAndStart(const std::string& table, const std::string& step,
                     const std::string& failpoints) {
    Prepare(table, step + ".after=kill");
    if (HasFatalFailure()) return Internal("not prepared");
    census_ = Census::Take(daemon());
    EXPECT_FALSE(Operate(table).ok());
    EXPECT_THAT(daemon().WaitUntilDead(std::chrono::seconds(5)), IsOk()) << "it was not reached";
    return daemon().Start(failpoints);
  }
  // What is undone already is undone once more.
  void DiesInRecovery(const std::string& table, const std::string& step) {
    SCOPED_TRACE(step + " kills the daemon, and its undo the recovery");
    const Status started = DieAndStart(table, step, step + ".undo=kill");
    if (HasFatalFailure()) return;
    if (LeavesNothing(step)) {
      EXPECT_THAT(started, IsOk());
    } else {
      EXPECT_THAT(started, HasCode(Code::kUnavailable));
      EXPECT_THAT(started.message(), testing::HasSubstr(Cat("failpoint hit name=", step, ".undo")));
      ASSERT_THAT(daemon().Start(), IsOk());
    }
    EXPECT_EQ(AwaitCensus(daemon(), census_), "");
    CleanUpAndRetry(step);
  }
  // The object stays listed, says why, and Stop and Remove finish it.
  void CannotBeUndoneInRecovery(const std::string& table, const std::string& step) {
    SCOPED_TRACE(step + " kills the daemon, and its undo fails in the recovery");
    ASSERT_THAT(DieAndStart(table, step, step + ".undo=1*error:on purpose"), IsOk());
    if (HasFatalFailure()) return;
    if (!LeavesNothing(step)) {
      if (table == "run_pod_sandbox") {
        RemoveHalfMadePod();
      } else {
        RemoveHalfMadeContainer();
      }
    }
    EXPECT_EQ(AwaitCensus(daemon(), census_), "");
    CleanUpAndRetry(step);
  }
  void RemoveHalfMadePod() {
    const auto pods = Must(client().Call(v1::ListPodSandboxRequest()));
    ASSERT_EQ(pods.items_size(), 1);
    EXPECT_EQ(pods.items(0).state(), v1::SANDBOX_NOTREADY);
    EXPECT_THAT(TryStopPod(pods.items(0).id()), IsOk());
    EXPECT_THAT(TryRemovePod(pods.items(0).id()), IsOk());
  }
  void RemoveHalfMadeContainer() {
    const auto all = Must(client().Call(v1::ListContainersRequest()));
    ASSERT_EQ(all.containers_size(), 1);
    const std::string id = all.containers(0).id();
    const auto status = StatusOf(id);
    EXPECT_EQ(status.state(), v1::CONTAINER_EXITED);
    EXPECT_THAT(status.message(), testing::HasSubstr("half-made when the daemon ended"));
    EXPECT_THAT(status.message(), testing::HasSubstr("on purpose"));
    EXPECT_THAT(TryStop(id, 0), IsOk());
    EXPECT_THAT(TryRemove(id), IsOk());
  }
  void Hangs(const std::string& table, const std::string& point, const std::string& before = "") {
    SCOPED_TRACE(point + " hangs");
    Prepare(table, Cat(before, point, "=1*sleep:1500"));
    if (HasFatalFailure()) return;
    const Status status = Operate(table, std::chrono::milliseconds(300));
    EXPECT_FALSE(status.ok());
    if (before.empty()) {  // what fails before may be all: a step may have no undo
      EXPECT_THAT(status, HasCode(Code::kDeadlineExceeded));
    }
    // Meanwhile other calls are answered.
    EXPECT_THAT(client().Call(v1::ListPodSandboxRequest(), Patient(std::chrono::milliseconds(500))),
                IsOk());
    // Later the object is either gone or listed; never hidden with its name taken.
    EXPECT_TRUE(Eventually([&] {
      RemoveAllPods();
      return Census::Take(daemon()) == census_before();
    }));
    CleanUpAndRetry(point);
  }

  v1::PodSandboxConfig sandbox_;
  Census census_;     // before the operation
  v1::Mount volume_;  // of pods with a user namespace
  std::string pod_;
};

// The parameter: "table.step:fault". "undo" is all that can happen to the undo within
// the operation.
std::vector<std::string> StepsTimesFaults() {
  std::vector<std::string> all;
  for (const std::string& step : ListSteps()) {
    for (const char* fault : {"fail", "undo", "kill", "hang"}) all.push_back(Cat(step, ":", fault));
  }
  return all;
}

TEST_P(StepFaultTest, Holds) {
  const std::string& parameter = GetParam();
  const size_t colon = parameter.find(':');
  const std::string step = parameter.substr(0, colon);
  const std::string fault = parameter.substr(colon + 1);
  const std::string table = step.substr(0, step.find('.'));
  if (fault == "undo") {
    FailsAndCannotBeUndone(table, step);
    DiesWhileUndoing(table, step);
    Hangs(table, step + ".undo", step + ".after=1*error;");
    return;
  }
  if (fault == "kill") {
    KillsTheDaemon(table, step + ".before");
    const bool all = WantsAllFaults();
    KillsTheDaemon(table, step + ".after");
    const size_t turn = FaultTurn(step, 2);
    if (all || turn == 0) DiesInRecovery(table, step);
    if (all || turn == 1) CannotBeUndoneInRecovery(table, step);
  }
  for (const char* moment : {".before", ".after"}) {
    if (fault == "fail") Fails(table, step + moment);
  }
  if (fault == "hang") Hangs(table, step + ".after");
}

INSTANTIATE_TEST_SUITE_P(Steps, StepFaultTest, testing::ValuesIn(StepsTimesFaults()),
                         FaultCaseName);

}  // namespace
}  // namespace crisp::test
