// PodTest: the fixture of the integration tests. A daemon with an image, and words for what tests
// do with it.
//
// What:     parameterised over the OCI runtime ("runc", "crun"). SetUp starts a daemon, imports a
//           busybox image with user alice, runs one pod once (so that the bridge and everything
//           else that stays is there) and takes a census; TearDown removes all pods and demands
//           the same census: every test is a leak test.
// Threads:  one; the client may be used by others.
// A helper that returns a bare value adds a test failure when the call fails; TryX gives the
// Result.
#ifndef CRISP_TESTS_SUPPORT_POD_TEST_H_
#define CRISP_TESTS_SUPPORT_POD_TEST_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/census.h"
#include "tests/support/images.h"
#include "tests/support/patience.h"
#include "tests/support/test_daemon.h"

namespace crisp::test {

struct LogLine {
  std::string time;
  std::string stream;
  std::string tag;
  std::string content;
};

class PodTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;
  void TearDown() override;
  // The default handler of the daemon; a suite with another parameter says which.
  virtual std::string Runtime() const { return GetParam(); }
  // For suites whose daemon has other settings or stands on something of its own: before it starts
  // for the first time, when its directories are there.
  virtual std::string MoreConfig() const { return ""; }
  virtual Status BeforeStart() { return OkStatus(); }

  // What a client allows. All that crisp waits for ends earlier, so an answer after this long (or
  // the client's own kDeadlineExceeded at that moment) is a failure of the test.
  static constexpr Duration kClientLimit = std::chrono::seconds(20);

  TestDaemon& daemon() { return *daemon_; }
  CriClient& client() { return daemon_->client(); }
  const Census& census_before() const { return *before_; }

  // Configurations as a kubelet would send them, with metadata, log path and small resources.
  v1::PodSandboxConfig SandboxConfig(const std::string& name) const;
  v1::ContainerConfig ContainerConfig(const std::string& name,
                                      const std::vector<std::string>& command) const;
  // `sh -c script`.
  v1::ContainerConfig ShellConfig(const std::string& name, const std::string& script) const;

  // `limit`: the client's.
  Result<std::string> TryRunPod(const v1::PodSandboxConfig& config, const std::string& handler = "",
                                Duration limit = CriClient::kDefaultTimeout);
  Result<std::string> TryCreate(const std::string& pod, const v1::ContainerConfig& config,
                                const v1::PodSandboxConfig& sandbox,
                                Duration limit = CriClient::kDefaultTimeout);
  Status TryStart(const std::string& container, Duration limit = CriClient::kDefaultTimeout);
  Status TryStop(const std::string& container, int64_t timeout_s,
                 Duration limit = CriClient::kDefaultTimeout);
  Status TryRemove(const std::string& container, Duration limit = CriClient::kDefaultTimeout);
  Status TryStopPod(const std::string& pod, Duration limit = CriClient::kDefaultTimeout);
  Status TryRemovePod(const std::string& pod, Duration limit = CriClient::kDefaultTimeout);
  Result<v1::ExecSyncResponse> TryExec(const std::string& container,
                                       const std::vector<std::string>& command,
                                       int64_t timeout_s = PatientSeconds(10),
                                       Duration limit = CriClient::kDefaultTimeout);

  std::string RunPod(const v1::PodSandboxConfig& config, const std::string& handler = "");
  std::string CreateContainer(const std::string& pod, const v1::ContainerConfig& config,
                              const v1::PodSandboxConfig& sandbox);
  // Create + Start.
  std::string StartContainer(const std::string& pod, const v1::ContainerConfig& config,
                             const v1::PodSandboxConfig& sandbox);
  v1::ContainerStatus StatusOf(const std::string& container);
  v1::PodSandboxStatus PodStatusOf(const std::string& pod);
  // Stdout of `sh -c script` in the container; fails the test on stderr or a non-zero exit.
  std::string Shell(const std::string& container, const std::string& script);
  // Runs `script` as the only container of a fresh pod to its end and returns its stdout lines.
  std::string RunToEnd(const v1::PodSandboxConfig& sandbox, v1::ContainerConfig container);
  v1::ContainerStatus AwaitExit(const std::string& container,
                                Duration limit = std::chrono::seconds(20));

  std::string LogPath(const v1::PodSandboxConfig& sandbox,
                      const v1::ContainerConfig& container) const;
  // Parsed strictly: a line that is not "<time> <stream> <tag> <content>" fails the test.
  std::vector<LogLine> ReadLog(const std::string& path);
  // Contents of F and P lines of one stream put together.
  std::string LogText(const std::string& path, const std::string& stream = "stdout");

  // The whole life of another pod, with a container, an exec and a log, within what a client waits.
  // Any thread.
  void LiveBeside(const std::string& name = "beside");

  void RemoveAllPods();
  // Kills the daemon (SIGKILL) and starts it again.
  void KillAndRestart(const std::string& failpoints = "");
  // The pid of the container's process 1, from verbose status.
  int PidOf(const std::string& container);

 private:
  Status Build();
  Status WarmUp();

  std::unique_ptr<TestDaemon> daemon_;
  std::optional<Census> before_;
};

inline const Status& StatusIn(const Status& status) { return status; }
template <typename T>
const Status& StatusIn(const Result<T>& result) {
  return result.status();
}
// EXPECT_THAT(result, HasCode(Code::kNotFound)), for a Status or a Result.
MATCHER_P(HasCode, code, Cat("has code ", CodeName(code))) {
  *result_listener << "which is " << StatusIn(arg).ToString();
  return StatusIn(arg).code() == code;
}
MATCHER(IsOk, "is OK") {
  *result_listener << "which is " << StatusIn(arg).ToString();
  return arg.ok();
}

// The value, or a test failure and an empty one.
template <typename T>
T Must(Result<T> result, const char* what = "call") {
  if (result.ok()) return std::move(result).value();
  ADD_FAILURE() << what << ": " << result.status().ToString();
  return T();
}

inline std::string RuntimeName(const testing::TestParamInfo<std::string>& param) {
  return param.param;
}
#define CRISP_FOR_EACH_RUNTIME(Fixture) \
  INSTANTIATE_TEST_SUITE_P(Runtimes, Fixture, testing::Values("crun", "runc"), RuntimeName)

}  // namespace crisp::test

#endif  // CRISP_TESTS_SUPPORT_POD_TEST_H_
