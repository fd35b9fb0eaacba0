// Programs that crisp depends on misbehave: the OCI runtime at each of its subcommands, a CNI
// plugin at ADD and DEL, crisp-monitor at its start, crisp-init, crisp-pull.
//
// For each: the right code within the client's time, nobody else waits, the retry works once the
// program does, and nothing is left. The full matrix: CRISP_FAULT_ALL=1.
#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "tests/fault/fault_fixture.h"

namespace crisp::test {
namespace {

struct Fault {
  const char* what;  // a MisbehavingProgram's
  Code code;         // of the operation's answer
  bool sampled;      // also without CRISP_FAULT_ALL
};

// What is the same for all of them.
constexpr Fault kFailing[] = {
    {"missing", Code::kFailedPrecondition, true}, {"exit 1 on purpose", Code::kInternal, false},
    {"crash 11", Code::kInternal, true},          {"hang", Code::kDeadlineExceeded, false},
    {"stuck", Code::kDeadlineExceeded, true},     {"after 1 on purpose", Code::kInternal, true},
    {"flood 100000000", Code::kOk, true},         {"slow 300", Code::kOk, false},
};
// "Done", says the program, and has done nothing: where that can be seen.
constexpr Fault kSeenAsNothing[] = {
    {"nothing", Code::kInternal, true},
    {"rubbish 100000", Code::kInternal, true},
};
// Where it cannot: a runtime is believed that it started a container, or changed its limits.
constexpr Fault kBelieved[] = {
    {"nothing", Code::kOk, false},
    {"rubbish 100000", Code::kOk, false},
};

class ProgramFaultTest : public FaultTest {
 protected:
  MisbehavingProgram& program() {
    if (word_ == "monitor") return monitor();
    return word_ == "ADD" || word_ == "DEL" ? plugin() : runtime();
  }
  bool NeedsContainer() const { return word_ != "ADD" && word_ != "create" && word_ != "monitor"; }

  // Everything up to the call that shall meet the fault.
  void Prepare() {
    sandbox_ = SandboxConfig("pod");
    if (word_ == "ADD") return;
    pod_ = RunPod(sandbox_);
    if (!NeedsContainer()) return;
    container_ = CreateContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
    if (word_ != "start") {
      EXPECT_THAT(TryStart(container_), IsOk());
    }
  }

  Status Operate() {
    if (word_ == "ADD") return TryRunPod(sandbox_).status();
    if (word_ == "DEL") return TryStopPod(pod_);
    if (word_ == "create" || word_ == "monitor") {
      const auto made = TryCreate(pod_, ContainerConfig("c", {"top"}), sandbox_);
      if (made.ok()) container_ = *made;
      return made.status();
    }
    if (word_ == "start") return TryStart(container_);
    if (word_ == "kill") return TryStop(container_, 0);
    if (word_ == "delete") return TryRemove(container_);
    if (word_ == "exec") {
      const auto answer = TryExec(container_, {"echo", "works"});
      if (answer.ok()) {
        EXPECT_EQ(answer->stdout(), "works\n");
        EXPECT_EQ(answer->exit_code(), 0);
      }
      return answer.status();
    }
    if (word_ == "update") {
      v1::UpdateContainerResourcesRequest request;
      request.set_container_id(container_);
      request.mutable_linux()->set_memory_limit_in_bytes(kNewLimit_bytes);
      return client().Call(request).status();
    }
    return Unimplemented("no operation runs '", word_, "'");
  }

  // What a kubelet does after the failure.
  void Retry() {
    if (word_ != "start") {
      EXPECT_THAT(Operate(), IsOk()) << "the retry";
      return;
    }
    EXPECT_EQ(StatusOf(container_).state(), v1::CONTAINER_EXITED);
    EXPECT_EQ(StatusOf(container_).reason(), "StartError");
    EXPECT_THAT(TryRemove(container_), IsOk());
    container_ = StartContainer(pod_, ContainerConfig("c", {"top"}), sandbox_);
    EXPECT_EQ(Shell(container_, "echo works"), "works\n");
  }

  void ExpectOldLimit() {
    const auto layout = Must(CgroupLayout::Detect());
    const CgroupDir cgroup(&layout, daemon().CgroupOf(container_));
    const auto limit =
        Must(cgroup.ReadFile("memory", layout.v2 ? "memory.max" : "memory.limit_in_bytes"));
    EXPECT_NE(Trim(limit), Cat(kNewLimit_bytes)) << "an update that failed has changed a limit";
  }

  // Where one word differs from the others.
  Code Expected(const Fault& fault) const {
    const std::string_view what = fault.what;
    // The runtime's stderr is the command's, and is read from when the command runs.
    if (word_ == "exec" && what.starts_with("flood")) return Code::kDeadlineExceeded;
    // "After" its work a monitor's end is as good as any.
    if (word_ == "monitor" && what.starts_with("after")) return Code::kOk;
    return fault.code;
  }

  void Meet(const Fault& fault) {
    SCOPED_TRACE(Cat(word_, ": ", fault.what));
    Prepare();
    if (HasFatalFailure()) return;
    const std::string what = fault.what;
    ASSERT_THAT(program().Arm(word_, what), IsOk());
    Status status;
    std::atomic<bool> answered = false;
    std::thread caller([&] {
      status = Timed([&] { return Operate(); });
      answered = true;
    });
    if (what == "stuck") {
      EXPECT_TRUE(Eventually([&] { return program().Calls(word_) > 0 || answered; }));
      LiveBeside();
    }
    caller.join();
    if (what != "missing") {
      EXPECT_GT(program().Calls(word_), 0) << "the fault was not reached";
    }
    EXPECT_THAT(status, HasCode(Expected(fault)));
    ASSERT_THAT(program().Disarm(), IsOk());
    if (!status.ok()) {
      if (word_ == "update") ExpectOldLimit();
      Retry();
    }
    RemoveAllPods();
    ASSERT_EQ(AwaitCensus(daemon(), census_before()), "");
  }

  template <size_t N>
  void MeetAll(const Fault (&faults)[N]) {
    for (const Fault& fault : faults) {
      if (fault.sampled || WantsAllFaults()) Meet(fault);
      if (HasFatalFailure()) return;
    }
  }

  static constexpr int64_t kNewLimit_bytes = 200 << 20;
  std::string word_;
  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  std::string container_;
};

TEST_P(ProgramFaultTest, Holds) {
  word_ = GetParam();
  MeetAll(kFailing);
  if (word_ == "create" || word_ == "exec" || word_ == "ADD" || word_ == "monitor") {
    MeetAll(kSeenAsNothing);
  } else if (word_ == "start" || word_ == "update") {
    MeetAll(kBelieved);
  }
  // A runtime or plugin that says it has deleted what it has not is believed as well; what it
  // leaves is known to it alone.
}
INSTANTIATE_TEST_SUITE_P(Programs, ProgramFaultTest,
                         testing::Values("create", "start", "delete", "exec", "update", "ADD",
                                         "DEL", "monitor"),
                         FaultCaseName);

// What crisp does not depend on.
class UnneededProgramTest : public ProgramFaultTest {};
TEST_P(UnneededProgramTest, IsNotRun) {
  word_ = GetParam();
  Prepare();
  ASSERT_THAT(program().Arm(word_, "stuck", "*"), IsOk());
  EXPECT_THAT(Timed([&] { return Operate(); }), IsOk());
  EXPECT_EQ(program().Calls(word_), 0);
}
INSTANTIATE_TEST_SUITE_P(Programs, UnneededProgramTest, testing::Values("kill"), FaultCaseName);

// A probe of one second is answered after about one, however patient the daemon is with runtimes.
class ProbeFaultTest : public ProgramFaultTest {};
TEST_P(ProbeFaultTest, ItsTimeoutHoldsForTheRuntimeToo) {
  ASSERT_THAT(WriteFile(daemon().Path("conf.d/more.yaml"), "timeouts:\n  runtime: 120s\n"), IsOk());
  KillAndRestart();
  word_ = "exec";
  Prepare();
  ASSERT_THAT(runtime().Arm("exec", "stuck"), IsOk());
  EXPECT_THAT(Timed([&] { return TryExec(container_, {"true"}, 1).status(); }),
              HasCode(Code::kDeadlineExceeded));
  EXPECT_EQ(runtime().Calls("exec"), 1);
}
INSTANTIATE_TEST_SUITE_P(Programs, ProbeFaultTest, testing::Values("exec"), FaultCaseName);

using PluginFaultTest = ProgramFaultTest;

// Error objects keep their meaning (CNI spec section 5): 11 is "try again later".
TEST_P(PluginFaultTest, RefusesWithAnErrorObject) {
  word_ = GetParam();
  Meet({"refuse 11 on purpose", Code::kUnavailable, true});
}
INSTANTIATE_TEST_SUITE_P(Plugins, PluginFaultTest, testing::Values("ADD", "DEL"), FaultCaseName);

// A result is bounded; what else is on stdout is read and dropped.
class GushingProgramTest : public ProgramFaultTest {};
TEST_P(GushingProgramTest, FillsItsStdout) {
  word_ = GetParam();
  const bool is_plugin = word_ == "ADD" || word_ == "DEL";
  Meet({"gush 100000000", is_plugin ? Code::kResourceExhausted : Code::kOk, true});
}
INSTANTIATE_TEST_SUITE_P(Programs, GushingProgramTest,
                         testing::Values("ADD", "DEL", "create", "monitor"), FaultCaseName);

class MonitorOfAnotherTimeTest : public ProgramFaultTest {};
TEST_P(MonitorOfAnotherTimeTest, IsRefusedAndNamed) {
  word_ = "monitor";
  Meet({"refuse-hello", Code::kFailedPrecondition, true});
}
INSTANTIATE_TEST_SUITE_P(Monitor, MonitorOfAnotherTimeTest, testing::Values("new_protocol"),
                         FaultCaseName);

// crisp-init as the helper that makes a pod's user namespace, and those that belong to it.
class InitFaultTest : public FaultTest {
 protected:
  bool HasUserNamespaces() {
    const auto status = Must(client().Call(v1::StatusRequest()), "status");
    for (const auto& handler : status.runtime_handlers()) {
      if (handler.name() == Runtime()) return handler.features().user_namespaces();
    }
    return false;
  }
};

TEST_P(InitFaultTest, MakesNoNamespaces) {
  if (!HasUserNamespaces()) GTEST_SKIP() << "this machine cannot make user namespaces for pods";
  auto init = Must(
      MisbehavingProgram::Install(daemon().Path("fake/crisp-init"), ProgramPath("crisp-init")));
  ASSERT_THAT(
      WriteFile(daemon().Path("conf.d/more.yaml"), Cat("binaries:\n  init: ", init.path(), "\n")),
      IsOk());
  KillAndRestart();
  auto sandbox = SandboxConfig("pod");
  auto* userns = sandbox.mutable_linux()
                     ->mutable_security_context()
                     ->mutable_namespace_options()
                     ->mutable_userns_options();
  userns->set_mode(v1::POD);
  for (auto* mappings : {userns->mutable_uids(), userns->mutable_gids()}) {
    v1::IDMapping* mapping = mappings->Add();
    mapping->set_host_id(300000);
    mapping->set_length(65536);
  }
  constexpr Fault kFaults[] = {
      {"missing", Code::kFailedPrecondition, true},
      {"exit 1 on purpose", Code::kFailedPrecondition, false},
      {"crash 11", Code::kFailedPrecondition, true},
      {"nothing", Code::kFailedPrecondition, false},
      {"rubbish 100000", Code::kFailedPrecondition, false},
      {"flood 100000000", Code::kOk, false},
      {"slow 300", Code::kOk, false},
      {"stuck", Code::kDeadlineExceeded, false},  // 10 s
  };
  for (const Fault& fault : kFaults) {
    if (!fault.sampled && !WantsAllFaults()) continue;
    SCOPED_TRACE(fault.what);
    ASSERT_THAT(init.Arm(GetParam(), fault.what), IsOk());
    Status status;
    std::thread caller([&] { status = Timed([&] { return TryRunPod(sandbox).status(); }); });
    LiveBeside();
    caller.join();
    EXPECT_THAT(status, HasCode(fault.code));
    ASSERT_THAT(init.Disarm(), IsOk());
    if (!status.ok()) {
      EXPECT_THAT(TryRunPod(sandbox), IsOk()) << "the retry";
    }
    RemoveAllPods();
    ASSERT_EQ(AwaitCensus(daemon(), census_before()), "");
  }
}
INSTANTIATE_TEST_SUITE_P(Init, InitFaultTest, testing::Values("--user-namespace", "--namespaces"),
                         FaultCaseName);

// crisp-pull, which a pull runs; the registry is a real one.
class PullFaultTest : public FaultTest {
 protected:
  void SetUp() override {
    if (FindProgram("docker-registry").empty() || FindProgram("skopeo").empty()) {
      GTEST_SKIP() << "needs docker-registry and skopeo";
    }
    FaultTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    pull_ = Must(
        MisbehavingProgram::Install(daemon().Path("fake/crisp-pull"), ProgramPath("crisp-pull")));
    ASSERT_THAT(WriteFile(daemon().Path("conf.d/more.yaml"),
                          Cat("binaries:\n  pull: ", pull_.path(), "\n")),
                IsOk());
    KillAndRestart();
  }
  // So that the registry is in the census.
  Status BeforeStart() override {
    LayoutOptions layout;
    layout.name = "docker.io/test/tool:1";
    CRISP_RETURN_IF_ERROR(MakeLayout(daemon().Path("images/tool"), layout).status());
    registry_ = CRISP_TRY(StartRegistry(daemon().Path("registry"), 5000));
    return PushLayout(daemon().Path("images/tool"), layout.name, kReference);
  }
  Status Pull(Duration limit) {
    v1::PullImageRequest request;
    request.mutable_image()->set_image(kReference);
    return client().Call(request, limit).status();
  }
  Status Remove() {
    v1::RemoveImageRequest request;
    request.mutable_image()->set_image(kReference);
    return client().Call(request).status();
  }
  bool HasImage() {
    v1::ImageStatusRequest request;
    request.mutable_image()->set_image(kReference);
    return Must(client().Call(request)).has_image();
  }

  void Meet(const Fault& fault) {
    SCOPED_TRACE(fault.what);
    const std::string what = fault.what;
    ASSERT_THAT(pull_.Arm(kNoArguments, what), IsOk());
    const bool hangs = fault.code == Code::kDeadlineExceeded;  // until its client has given up
    Status status;
    std::thread caller([&] { status = Pull(hangs ? Patient(std::chrono::seconds(2)) : limit()); });
    if (what != "missing") {
      EXPECT_TRUE(Eventually([&] { return pull_.Calls(kNoArguments) > 0; }))
          << "it was not reached";
    }
    if (what == "stuck") {
      EXPECT_THAT(Pull(limit()), IsOk()) << "another client";
      LiveBeside();
    }
    caller.join();
    EXPECT_THAT(status, HasCode(fault.code));
    EXPECT_EQ(HasImage(), status.ok() || what == "stuck");
    ASSERT_THAT(pull_.Disarm(), IsOk());
    EXPECT_THAT(Pull(limit()), IsOk()) << "the retry";
    EXPECT_TRUE(HasImage());
    EXPECT_THAT(Remove(), IsOk());
    EXPECT_FALSE(HasImage());
    ASSERT_EQ(AwaitCensus(daemon(), census_before()), "");
  }

  static constexpr char kReference[] = "127.0.0.1:5000/test/tool:1";
  static constexpr char kNoArguments[] = "-";
  MisbehavingProgram pull_;
  ChildProcess registry_;
};

TEST_P(PullFaultTest, Holds) {
  constexpr Fault kFaults[] = {
      {"missing", Code::kFailedPrecondition, true},
      {"exit 1 on purpose", Code::kInternal, false},
      {"crash 11", Code::kInternal, true},
      {"hang", Code::kDeadlineExceeded, false},
      {"stuck", Code::kDeadlineExceeded, true},
      {"nothing", Code::kInternal, true},
      {"rubbish 1000", Code::kInternal, true},
      {"after 1 on purpose", Code::kOk, false},  // by then it has said all
      {"flood 1000000", Code::kOk, true},        // into the daemon's own log
      {"slow 300", Code::kOk, false},
  };
  for (const Fault& fault : kFaults) {
    if (fault.sampled || WantsAllFaults()) Meet(fault);
    if (HasFatalFailure()) return;
  }
  LiveBeside();
}
INSTANTIATE_TEST_SUITE_P(Programs, PullFaultTest, testing::Values("PullImage"), FaultCaseName);

// At the daemon's start.
class StartFaultTest : public FaultTest {};

// A daemon that restarts while a container is created asks the runtime whether it was started.
TEST_P(StartFaultTest, RuntimeStateAtRecovery) {
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  std::vector<std::string> ids;
  // All of them: more than the daemon may ask about within its time.
  for (int i = 0; i < (WantsAllFaults() ? 12 : 2); ++i) {
    ids.push_back(CreateContainer(pod, ContainerConfig(Cat("c", i), {"top"}), sandbox));
  }
  for (const char* fault : {"missing", "exit 1 on purpose", "crash 11", "stuck", "nothing",
                            "rubbish 100000", "flood 100000000"}) {
    SCOPED_TRACE(fault);
    ASSERT_THAT(runtime().Arm("state", fault, "*"), IsOk());
    daemon().Kill();
    if (std::string_view(fault) == "missing") continue;  // no daemon starts without its runtime
    ASSERT_THAT(Timed([&] { return daemon().Start(); }), IsOk());
    EXPECT_GT(runtime().Calls("state"), 0);
    for (const std::string& id : ids) EXPECT_EQ(StatusOf(id).state(), v1::CONTAINER_CREATED);
    EXPECT_EQ(PodStatusOf(pod).state(), v1::SANDBOX_READY);
  }
  ASSERT_THAT(runtime().Disarm(), IsOk());
  for (const std::string& id : ids) EXPECT_THAT(TryStart(id), IsOk());
}

// A daemon that died while many pods came up, and whose plugin hangs since then.
TEST_P(StartFaultTest, PluginHangsAtRecovery) {
  constexpr int kPods = 12;  // of two seconds each: more than a client waits
  KillAndRestart("run_pod_sandbox.network.after=sleep:60000");
  const int before = plugin().Calls("ADD");
  std::vector<std::future<Status>> calls;
  for (int i = 0; i < kPods; ++i) {
    calls.push_back(std::async(std::launch::async, [this, i] {
      return TryRunPod(SandboxConfig(Cat("pod-", i))).status();
    }));
  }
  ASSERT_TRUE(Eventually([&] { return plugin().Calls("ADD") - before == kPods; }));
  ASSERT_THAT(plugin().Arm("DEL", "stuck", "*"), IsOk());
  daemon().Kill();
  for (auto& call : calls) EXPECT_FALSE(call.get().ok());
  ASSERT_THAT(Timed([&] { return daemon().Start(); }), IsOk());
  EXPECT_EQ(Must(client().Call(v1::ListPodSandboxRequest())).items_size(), kPods);
  ASSERT_THAT(plugin().Disarm(), IsOk());
  CleanUpAndLive();
}

// A handler whose program does not work is left out, and no other handler with it.
TEST_P(StartFaultTest, HandlerThatDoesNotWork) {
  auto broken =
      Must(MisbehavingProgram::Install(daemon().Path("fake/broken"), FindProgram(Runtime())));
  ASSERT_THAT(WriteFile(daemon().Path("conf.d/more.yaml"),
                        Cat("runtimes:\n  broken:\n    path: ", broken.path(), "\n")),
              IsOk());
  for (const char* word : {"--version", "features"}) {
    for (const char* fault :
         {"missing", "exit 1 on purpose", "crash 11", "nothing", "rubbish 100000", "stuck"}) {
      if (std::string_view(fault) == "stuck" && !WantsAllFaults()) continue;  // 10 s
      SCOPED_TRACE(Cat(word, ": ", fault));
      ASSERT_THAT(broken.Arm(word, fault, "*"), IsOk());
      daemon().Kill();
      ASSERT_THAT(Timed([&] { return daemon().Start(); }), IsOk());
      const auto pod = TryRunPod(SandboxConfig("pod"), "broken");
      // An old runtime has no `features`, and says so with an error: that is none of its faults.
      if (!pod.ok()) {
        EXPECT_THAT(pod, HasCode(Code::kInvalidArgument));
      }
      RemoveAllPods();
    }
  }
  LiveBeside();
  ASSERT_THAT(broken.Disarm(), IsOk());
  KillAndRestart();
  EXPECT_THAT(TryRunPod(SandboxConfig("pod"), "broken"), IsOk());
}
INSTANTIATE_TEST_SUITE_P(Start, StartFaultTest, testing::Values("runtime"), FaultCaseName);

}  // namespace
}  // namespace crisp::test
