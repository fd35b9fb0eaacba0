#include "tests/fault/fault_fixture.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>

#include "base/core/clock.h"
#include "base/core/file.h"

namespace crisp::test {
namespace {

std::string FindPlugin(const std::string& name) {
  for (const char* dir : {"/opt/cni/bin/", "/usr/lib/cni/"}) {
    if (std::string path = dir + name; ::access(path.c_str(), X_OK) == 0) return path;
  }
  return name;
}

size_t FaultSeed() {
  const char* given = std::getenv("CRISP_FAULT_SEED");  // NOLINT(concurrency-mt-unsafe)
  const int64_t today = WallNowNs() / std::chrono::nanoseconds(std::chrono::hours(24)).count();
  const size_t seed = static_cast<size_t>(given != nullptr ? std::atoll(given) : today);
  std::printf("CRISP_FAULT_SEED=%zu\n", seed);
  return seed;
}

}  // namespace

bool WantsAllFaults() {
  return std::getenv("CRISP_FAULT_ALL") != nullptr;  // NOLINT(concurrency-mt-unsafe)
}

size_t FaultTurn(const std::string& place, size_t count) {
  static const size_t seed = FaultSeed();
  return (std::hash<std::string>()(place) + seed) % count;
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

void FaultTest::CleanUpAndLive() {
  RemoveAllPods();
  EXPECT_EQ(AwaitCensus(daemon(), census_before()), "");
  LiveBeside("afterwards");
  EXPECT_EQ(AwaitCensus(daemon(), census_before()), "");
}

void WriterFaultTest::StartWriter() {
  sandbox_ = SandboxConfig("pod");
  pod_ = RunPod(sandbox_);
  id_ = StartContainer(pod_, ShellConfig("c", "while :; do echo line; sleep 0.1; done"), sandbox_);
}

}  // namespace crisp::test
