#include "tests/fault/fault_fixture.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/core/file.h"

namespace crisp::test {
namespace {

std::string FindPlugin(const std::string& name) {
  for (const char* dir : {"/opt/cni/bin/", "/usr/lib/cni/"}) {
    if (std::string path = dir + name; ::access(path.c_str(), X_OK) == 0) return path;
  }
  return name;
}

}  // namespace

bool WantsAllFaults() {
  return std::getenv("CRISP_FAULT_ALL") != nullptr;  // NOLINT(concurrency-mt-unsafe)
}

std::string FaultCaseName(const testing::TestParamInfo<std::string>& param) {
  std::string name = param.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

std::string FaultTest::Runtime() const {
  const char* runtime = std::getenv("CRISP_FAULT_RUNTIME");  // NOLINT(concurrency-mt-unsafe)
  return runtime == nullptr ? "crun" : runtime;
}

void FaultTest::SetUp() {
  PodTest::SetUp();
  if (IsSkipped() || HasFatalFailure()) return;
  const std::string name = Runtime();
  const auto install = [&](const std::string& path, const std::string& real) {
    return Must(MisbehavingProgram::Install(daemon().Path(path), real), path.c_str());
  };
  runtime_ = install("fake/" + name, FindProgram(name));
  // Its own directory, so that a plugin that is missing there is missing.
  plugin_ = install("fake/plugins/bridge", FindPlugin("bridge"));
  for (const char* other : {"portmap", "host-local"}) {
    install(Cat("fake/plugins/", other), FindPlugin(other));
  }
  monitor_ = install("fake/crisp-monitor", ProgramPath("crisp-monitor"));
  ASSERT_FALSE(HasFailure());
  ASSERT_THAT(EnsureDirectory(daemon().Path("conf.d")), IsOk());
  const std::string config =
      Cat("runtimes:\n  ", name, ":\n    path: ", runtime_.path(),
          "\nbinaries:\n  monitor: ", monitor_.path(),
          "\nnetwork:\n  plugin_timeout: ", PatientSeconds(2), "s\n  plugin_dirs: [",
          daemon().Path("fake/plugins"), "]\ntimeouts:\n  runtime: ", PatientSeconds(2),
          "s\n  kill: ", PatientSeconds(3), "s\n  shutdown: ", PatientSeconds(5), "s\n");
  ASSERT_THAT(WriteFile(daemon().Path("conf.d/fault.yaml"), config), IsOk());
  KillAndRestart();
}

Status FaultTest::Timed(const std::function<Status()>& call) {
  const MonoTime begin = MonoNow();
  Status status = call();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(MonoNow() - begin);
  EXPECT_LT(took, limit()) << status.ToString();
  return status;
}

void FaultTest::LiveBeside(const std::string& name) {
  const MonoTime begin = MonoNow();
  const auto sandbox = SandboxConfig(name);
  const std::string pod = RunPod(sandbox);
  const std::string id =
      StartContainer(pod, ShellConfig("c", "echo in the log; exec top"), sandbox);
  EXPECT_EQ(Shell(id, "echo works"), "works\n");
  const std::string log = LogPath(sandbox, ContainerConfig("c", {}));
  EXPECT_TRUE(Eventually([&] { return LogText(log).starts_with("in the log\n"); }));
  EXPECT_THAT(TryStop(id, 0), IsOk());
  EXPECT_THAT(TryStopPod(pod), IsOk());
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  EXPECT_LT(MonoNow() - begin, limit());
}

void FaultTest::CleanUpAndLive() {
  RemoveAllPods();
  EXPECT_EQ(AwaitCensus(daemon(), census_before()), "");
  LiveBeside("afterwards");
  EXPECT_EQ(AwaitCensus(daemon(), census_before()), "");
}

}  // namespace crisp::test
