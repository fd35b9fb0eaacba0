// Faults within operations beside their steps: each place with a name (failpoint) where an
// operation has done something outside of memory. It fails there, the daemon is killed there, or it
// hangs there until the client has given up; then the client does the same again and it works, and
// nothing is left.
//
// EveryNameIsHere compares the table with the sources, so a new place without a case fails the
// suite. CI takes one of the faults for each place, by turns (FaultTurn), a hang for one in eight;
// CRISP_FAULT_ALL=1 takes all.
#include <dirent.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/core/file.h"
#include "tests/fault/fault_fixture.h"

namespace crisp::test {
namespace {

// "x.undo" of each step of a table comes from the daemon's own list.
constexpr char kUndoOfSandbox[] = "run_pod_sandbox.*";
constexpr char kUndoOfContainer[] = "create_container.*";

const std::map<std::string, std::vector<std::string>>& Places() {
  static const std::map<std::string, std::vector<std::string>> all = {
      {"RunPodSandbox",
       {"network.cache.write", "network.plugin.ADD.bridge.before",
        "network.plugin.ADD.bridge.after", "network.plugin.ADD.portmap.before",
        "network.plugin.ADD.portmap.after", "network.cache.update", "oci.monitor.launch",
        "oci.monitor.launch.spawned", "oci.monitor.launch.created", "oci.runtime.start",
        "pod.run_pod_sandbox.row"}},
      {"CreateContainer",
       {"image.mount_rootfs", "image.mount_image", "oci.monitor.launch",
        "oci.monitor.launch.spawned", "oci.monitor.launch.created", "pod.create_container.row"}},
      {"StartContainer",
       {"pod.start_container.before", "oci.runtime.start", "pod.start_container.started"}},
      {"ExecSync", {"oci.runtime.exec", "oci.runtime.exec.started"}},
      {"UpdateContainerResources", {"oci.runtime.update", "pod.update_container.applied"}},
      {"UpdatePodSandboxResources", {"pod.update_pod_sandbox.applied"}},
      {"StopContainer", {"pod.stop_container.before", "pod.container_exit.row"}},
      {"RemoveContainer",
       {kUndoOfContainer, "oci.monitor.ensure_gone", "oci.runtime.delete", "pod.layer_quotas.lift",
        "pod.remove_container.row"}},
      {"StopPodSandbox",
       {kUndoOfSandbox, "pod.stop_pod_sandbox.not_ready", "oci.monitor.ensure_gone",
        "oci.runtime.delete", "network.plugin.DEL.portmap.before",
        "network.plugin.DEL.portmap.after", "network.plugin.DEL.bridge.before",
        "network.plugin.DEL.bridge.after", "network.cache.remove", "pod.stop_pod_sandbox.row"}},
      {"RemovePodSandbox", {kUndoOfSandbox, kUndoOfContainer, "pod.remove_pod_sandbox.row"}},
  };
  return all;
}

// Names in the sources that no operation above meets.
const std::set<std::string>& Elsewhere() {
  static const std::set<std::string> all = {
      "oci.monitor.adopt",         // RecoveryFaultTest
      "oci.monitor.await_record",  // monitor_watch_test: between two looks
  };
  return all;
}
// And those that a test of the images arms, with the file that does.
const std::map<std::string, std::string>& OfImages() {
  static const std::string kStore = "/tests/unit/image/store_test.cc";
  static const std::map<std::string, std::string> all = {
      {"image.layer.publish.before", kStore},
      {"image.publish.before", kStore},
      {"image.remove.before", kStore},
      {"image.collect.rows", kStore},
      {"image.files.sync", "/tests/integration/image/pull_test.cc"},
  };
  return all;
}

// Steps without an undo, and undos that a stopped pod has behind it.
bool MayBeUnreached(const std::string& place) { return place.ends_with(".undo"); }
// A failure there is the daemon's own; the client hears nothing of it.
bool IsSilent(const std::string& place) { return place == "pod.container_exit.row"; }

std::vector<std::string> StepsOf(const std::string& pattern) {
  RunOptions run;
  run.argv = {ProgramPath("crispd"), "--list-steps"};
  run.deadline = MonoNow() + Patient(std::chrono::seconds(20));
  const std::string text = Must(Run(run)).stdout_data;
  std::vector<std::string> out;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const std::string step = text.substr(begin, end - begin);
    if (step.starts_with(pattern.substr(0, pattern.size() - 1))) out.push_back(step + ".undo");
  }
  EXPECT_FALSE(out.empty()) << pattern;
  return out;
}

std::vector<std::string> Expand(const std::vector<std::string>& places) {
  std::vector<std::string> out;
  for (const std::string& place : places) {
    if (!place.ends_with("*")) {
      out.push_back(place);
      continue;
    }
    for (std::string& undo : StepsOf(place)) out.push_back(std::move(undo));
  }
  return out;
}

class OperationFaultTest : public PodTest {
 protected:
  std::string Runtime() const override {
    const char* runtime = std::getenv("CRISP_FAULT_RUNTIME");  // NOLINT(concurrency-mt-unsafe)
    return runtime == nullptr ? "crun" : runtime;
  }
  // With an image volume: the longest way here, too.
  v1::ContainerConfig Config() const {
    v1::ContainerConfig out = ContainerConfig("c", {"top"});
    auto* mount = out.add_mounts();
    mount->mutable_image()->set_image(kBusybox);
    mount->set_container_path("/image");
    return out;
  }
  bool Is(const char* operation) const { return GetParam() == operation; }

  // A pod with a shared PID namespace and a port: the longest way through everything.
  void Prepare() {
    sandbox_ = SandboxConfig("pod");
    sandbox_.add_port_mappings()->set_container_port(80);
    sandbox_.mutable_port_mappings(0)->set_host_port(12000);
    sandbox_.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
        v1::POD);
    if (Is("RunPodSandbox")) return;
    pod_ = RunPod(sandbox_);
    if (Is("CreateContainer")) return;
    container_ = CreateContainer(pod_, Config(), sandbox_);
    if (!Is("StartContainer")) {
      EXPECT_THAT(TryStart(container_), IsOk());
    }
  }
  Status Operate(Duration limit = CriClient::kDefaultTimeout) {
    if (Is("RunPodSandbox")) return TryRunPod(sandbox_, "", limit).status();
    if (Is("CreateContainer")) return TryCreate(pod_, Config(), sandbox_, limit).status();
    if (Is("StartContainer")) return TryStart(container_, limit);
    if (Is("StopContainer")) return TryStop(container_, 0, limit);
    if (Is("RemoveContainer")) return TryRemove(container_, limit);
    if (Is("StopPodSandbox")) return TryStopPod(pod_, limit);
    if (Is("RemovePodSandbox")) return TryRemovePod(pod_, limit);
    if (Is("ExecSync")) return TryExec(container_, {"true"}, PatientSeconds(10), limit).status();
    if (Is("UpdatePodSandboxResources")) {
      v1::UpdatePodSandboxResourcesRequest request;
      request.set_pod_sandbox_id(pod_);
      request.mutable_resources()->set_cpu_shares(512);
      return client().Call(request, limit).status();
    }
    v1::UpdateContainerResourcesRequest request;
    request.set_container_id(container_);
    request.mutable_linux()->set_cpu_shares(512);
    return client().Call(request, limit).status();
  }
  // What a kubelet does next. A container that failed to start is not started again; a pod that
  // was killed half-made is found in the list, or its name is free.
  void Retry(bool killed) {
    if (Is("StartContainer")) {
      const auto state = StatusOf(container_).state();
      if (state == v1::CONTAINER_CREATED) {
        EXPECT_THAT(Operate(), IsOk()) << "the retry";
      } else if (!killed) {
        EXPECT_EQ(state, v1::CONTAINER_EXITED);
      }
      return;
    }
    if (killed && (Is("RunPodSandbox") || Is("CreateContainer"))) {
      RemoveAllPods();
      if (Is("CreateContainer")) pod_ = RunPod(sandbox_);
    }
    EXPECT_THAT(Operate(), IsOk()) << "the retry";
  }

  // Likewise, of what the daemon goes on with although the client has given up.
  void RetryAfterHang() {
    if (Is("StartContainer")) {
      EXPECT_TRUE(
          Eventually([&] { return StatusOf(container_).state() == v1::CONTAINER_RUNNING; }));
      return;
    }
    if (Is("RunPodSandbox") || Is("CreateContainer")) {
      // Listed or gone, sooner or later; never hidden with its name taken.
      EXPECT_TRUE(Eventually([&] {
        RemoveAllPods();
        return Census::Take(daemon()) == census_before();
      }));
      if (Is("CreateContainer")) pod_ = RunPod(sandbox_);
    }
    EXPECT_THAT(Operate(), IsOk()) << "the retry";
  }

  void FailsAt(const std::string& place) {
    SCOPED_TRACE(place + " fails");
    Prepare();
    Arm(place + "=1*error:on purpose");
    if (HasFatalFailure()) return;
    const Status status = Operate();
    const bool reached = WasReached(place);
    EXPECT_TRUE(reached || MayBeUnreached(place)) << "it was not reached";
    if (!reached) KillAndRestart();  // without the failpoint
    if (!reached || IsSilent(place)) {
      EXPECT_THAT(status, IsOk());
    } else {
      EXPECT_THAT(status, HasCode(Code::kInternal));
      EXPECT_THAT(status.message(), testing::HasSubstr("on purpose"));
      Retry(/*killed=*/false);
    }
    RemoveAllPods();
    ASSERT_EQ(AwaitCensus(daemon(), census_before()), "");
  }
  void DiesAt(const std::string& place) {
    SCOPED_TRACE(place + " kills the daemon");
    Prepare();
    Arm(place + "=kill");
    if (HasFatalFailure()) return;
    const Status status = Operate();
    if (!WasReached(place)) {
      EXPECT_TRUE(MayBeUnreached(place)) << "it was not reached";
      EXPECT_THAT(status, IsOk());
    } else {
      EXPECT_THAT(daemon().WaitUntilDead(std::chrono::seconds(5)), IsOk());
      ASSERT_THAT(daemon().Start(), IsOk());
      Retry(/*killed=*/true);
    }
    KillAndRestart();  // without the failpoint
    RemoveAllPods();
    ASSERT_EQ(AwaitCensus(daemon(), census_before()), "");
  }
  void HangsAt(const std::string& place) {
    SCOPED_TRACE(place + " hangs");
    Prepare();
    const auto sleep = std::chrono::duration_cast<std::chrono::milliseconds>(Patient(kHang));
    Arm(Cat(place, "=1*sleep:", sleep.count()));
    if (HasFatalFailure()) return;
    const Status status = Operate(Patient(kGivesUp));
    const bool gave_up = status.code() == Code::kDeadlineExceeded;
    const bool reached = WasReached(place, /*ended=*/!gave_up);
    EXPECT_TRUE(reached || MayBeUnreached(place)) << "it was not reached";
    if (reached && !IsSilent(place)) {
      EXPECT_TRUE(gave_up) << status.ToString();
    } else if (!gave_up) {
      EXPECT_THAT(status, IsOk());
    }
    if (!reached) KillAndRestart();  // without the failpoint
    LiveBeside();
    RetryAfterHang();
    RemoveAllPods();
    ASSERT_EQ(AwaitCensus(daemon(), census_before()), "");
  }
  std::string Log() { return Must(ReadFile(daemon().Path("crispd.log"), 256u << 20)); }
  void Arm(const std::string& failpoints) {
    log_mark_ = Log().size();
    KillAndRestart(failpoints);
  }
  // `ended`: the operation has; then it reaches nothing any more.
  bool WasReached(const std::string& place, bool ended = true) {
    const std::string line = Cat("failpoint hit name=", place);
    return Eventually(
        [&] { return Log().find(line, log_mark_) != std::string::npos; },
        ended && MayBeUnreached(place) ? std::chrono::milliseconds(50) : std::chrono::seconds(2));
  }

  static constexpr Duration kHang = std::chrono::milliseconds(1500);
  static constexpr Duration kGivesUp = std::chrono::milliseconds(300);

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  std::string container_;
  size_t log_mark_ = 0;
};

TEST_P(OperationFaultTest, HoldsAtEachPlace) {
  const bool all = WantsAllFaults();
  for (const std::string& place : Expand(Places().at(GetParam()))) {
    const size_t turn = FaultTurn(Cat(GetParam(), " ", place), 8);
    if (all || turn == 0) HangsAt(place);
    if (all || turn % 2 == 1) FailsAt(place);
    if (all || (turn != 0 && turn % 2 == 0)) DiesAt(place);
    if (HasFatalFailure()) return;
  }
}

std::vector<std::string> Operations() {
  std::vector<std::string> out;
  for (const auto& [operation, places] : Places()) out.push_back(operation);
  return out;
}
INSTANTIATE_TEST_SUITE_P(Operations, OperationFaultTest, testing::ValuesIn(Operations()),
                         FaultCaseName);

// A monitor that cannot be adopted (no descriptors left, say) is tried again, and meanwhile nothing
// is claimed of its container.
class RecoveryFaultTest : public OperationFaultTest {};
TEST_P(RecoveryFaultTest, MonitorIsNotAdopted) {
  Prepare();
  KillAndRestart("oci.monitor.adopt=error:on purpose");
  EXPECT_EQ(PodStatusOf(pod_).state(), v1::SANDBOX_READY);
  EXPECT_EQ(StatusOf(container_).state(), v1::CONTAINER_RUNNING);
  EXPECT_EQ(Shell(container_, "echo works"), "works\n");
  EXPECT_THAT(TryStop(container_, 0), HasCode(Code::kUnavailable));
  EXPECT_THAT(TryRemovePod(pod_), HasCode(Code::kUnavailable));
  KillAndRestart("oci.monitor.adopt=3*error:on purpose");
  EXPECT_TRUE(Eventually([&] { return TryStop(container_, 0).ok(); }));
  EXPECT_EQ(StatusOf(container_).exit_code(), 137);
}
INSTANTIATE_TEST_SUITE_P(Recovery, RecoveryFaultTest, testing::Values("daemon"), FaultCaseName);

// Text between `open` and the next quote, wherever `open` stands in the sources of a room.
void FindNames(const std::string& directory, const std::string& open,
               std::set<std::string>* names) {
  DIR* dir = ::opendir(directory.c_str());
  ASSERT_NE(dir, nullptr) << directory;
  while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): own stream
    if (!std::string_view(entry->d_name).ends_with(".cc")) continue;
    const std::string text = Must(ReadFile(Cat(directory, "/", entry->d_name)));
    for (size_t at = 0; (at = text.find(open, at)) != std::string::npos;) {
      at += open.size();
      names->insert(text.substr(at, text.find('"', at) - at));
    }
  }
  ::closedir(dir);
}

TEST(FaultPlacesTest, EveryNameIsHere) {
  std::set<std::string> in_sources;
  for (const char* room :
       {"/pod", "/oci", "/network", "/image", "/image/policy", "/image/pull", "/image/registry"}) {
    for (const char* open : {"CRISP_FAILPOINT(\"", "failpoint::Hit(\""}) {
      FindNames(std::string(CRISP_TEST_SOURCE_DIR) + room, open, &in_sources);
    }
  }
  EXPECT_GT(in_sources.size(), 10u);
  std::set<std::string> tested = Elsewhere();
  for (const auto& [name, file] : OfImages()) {
    EXPECT_THAT(Must(ReadFile(Cat(CRISP_TEST_SOURCE_DIR, file))),
                testing::HasSubstr(Cat('"', name, '=')))
        << file;
    tested.insert(name);
  }
  for (const auto& [operation, places] : Places()) tested.insert(places.begin(), places.end());
  for (const std::string& name : in_sources) {
    EXPECT_TRUE(tested.contains(name)) << name << " has no fault test: add it to Places()";
  }
  for (const auto& [name, file] : OfImages()) {
    EXPECT_TRUE(in_sources.contains(name)) << name << " is no place any more";
  }
}

}  // namespace
}  // namespace crisp::test
