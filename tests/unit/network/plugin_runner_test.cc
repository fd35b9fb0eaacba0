#include "network/plugin_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/process_stat.h"
#include "base/failpoint.h"
#include "test_dir.h"

namespace crisp::network {
namespace {

using testing::HasSubstr;
using testing::Not;

class PluginRunnerTest : public testing::Test {
 protected:
  Result<std::string> Run(const std::string& type, const std::string& command = "ADD",
                          const CancelToken& cancel = {}) {
    PluginRunner runner({.plugin_dirs = {dir_.path() + "/none", dir_.bin()},
                         .deadline = deadline_,
                         .helper_place = nullptr,
                         .reaper = nullptr,
                         .telemetry = &telemetry_});
    return runner.Run({.command = command,
                       .type = type,
                       .container_id = "cid",
                       .netns_path = "/run/ns/x",
                       .args = "A=1;B=2",
                       .request = "{\"name\":\"n\"}"},
                      cancel);
  }
  TestDir dir_;
  Telemetry telemetry_;
  Duration deadline_ = std::chrono::seconds(20);
};

TEST_F(PluginRunnerTest, GivesEnvironmentAndStdin) {
  ::setenv("CNI_PATH", "/wrong", 1);
  ::setenv("CNI_FOREIGN", "x", 1);
  dir_.WriteRecorder("good", "{}");
  EXPECT_EQ(Run("good").value(), "{}\n");
  ::unsetenv("CNI_PATH");
  ::unsetenv("CNI_FOREIGN");
  const std::string env = dir_.Read("good.ADD.env");
  EXPECT_THAT(env, HasSubstr("CNI_COMMAND=ADD\nCNI_CONTAINERID=cid\nCNI_IFNAME=eth0\n"
                             "CNI_NETNS=/run/ns/x\nCNI_PATH=" +
                             dir_.path() + "/none:" + dir_.bin()));
  EXPECT_THAT(env, HasSubstr("CNI_ARGS=A=1;B=2\n"));
  EXPECT_THAT(env, HasSubstr("PATH="));
  EXPECT_THAT(env, Not(HasSubstr("CNI_FOREIGN")));
  EXPECT_EQ(dir_.Read("good.ADD.in"), "{\"name\":\"n\"}");
}

TEST_F(PluginRunnerTest, AMissingPluginSaysWhereItWasLookedFor) {
  dir_.Write("bin/plain", "not executable");
  for (const char* type : {"absent", "plain"}) {
    const auto result = Run(type);
    EXPECT_EQ(result.status().code(), Code::kFailedPrecondition);
    EXPECT_EQ(result.status().message(),
              Cat("cni ADD ", type, ": no executable '", type, "' in the plugin directories ",
                  dir_.path(), "/none, ", dir_.bin(), ": install the plugin there"));
  }
}

TEST_F(PluginRunnerTest, ABrokenInterpreterIsNotNotFound) {
  dir_.Write("bin/odd", "#!/no/such/interpreter\n", 0755);
  EXPECT_EQ(Run("odd").status().code(), Code::kFailedPrecondition);
}

TEST_F(PluginRunnerTest, ErrorObjects) {
  dir_.WritePlugin("bad", "echo '{\"code\": 2, \"msg\": \"unknown key mtux\"}'; exit 1");
  const auto result = Run("bad");
  EXPECT_EQ(result.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(result.status().message(), "cni ADD bad: unknown key mtux (CNI code 2)");
}

TEST_F(PluginRunnerTest, NonZeroWithoutJsonAndRubbish) {
  dir_.WritePlugin("rubbish", "echo '%$#@ {'; echo why >&2; exit 3");
  EXPECT_EQ(
      Run("rubbish").status().message(),
      "cni ADD rubbish: exited with 3 without a CNI error object; stderr: why; stdout: %$#@ {");
}

TEST_F(PluginRunnerTest, DelOfAnUnknownContainerIsDone) {
  dir_.WritePlugin("gone", "echo '{\"code\": 3, \"msg\": \"no such container\"}'; exit 1");
  EXPECT_TRUE(Run("gone", "DEL").ok());
  EXPECT_FALSE(Run("gone", "ADD").ok());
}

TEST_F(PluginRunnerTest, AHangingPluginDiesWithItsChildren) {
  deadline_ = std::chrono::milliseconds(300);
  dir_.WritePlugin("hang", "sleep 60 & echo $! > $DIR/pid; wait");
  const MonoTime start = MonoNow();
  const auto result = Run("hang");
  EXPECT_EQ(result.status().code(), Code::kDeadlineExceeded);
  EXPECT_THAT(result.status().message(), HasSubstr("cni ADD hang: "));
  EXPECT_LT(MonoNow() - start, std::chrono::seconds(10));
  const pid_t sleeper = std::atoi(dir_.Read("pid").c_str());
  ASSERT_GT(sleeper, 0);
  // Without a reaper it becomes a zombie of init's; its state is then Z or it is gone.
  EXPECT_TRUE(Eventually([&] {
    const auto stat = ReadProcessStat(sleeper);
    return !stat.ok() || stat->state == 'Z';
  }));
}

TEST_F(PluginRunnerTest, Cancellation) {
  dir_.WritePlugin("hang", "sleep 60");
  CancelSource source;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    source.Cancel();
  });
  EXPECT_EQ(Run("hang", "ADD", source.token()).status().code(), Code::kCancelled);
  canceller.join();
}

TEST_F(PluginRunnerTest, HugeOutputIsRefused) {
  dir_.WritePlugin("huge", "head -c 3000000 /dev/zero");
  EXPECT_EQ(Run("huge").status().code(), Code::kResourceExhausted);
}

TEST_F(PluginRunnerTest, Failpoints) {
  dir_.WriteRecorder("good", "{}");
  ASSERT_TRUE(failpoint::Arm("network.plugin.ADD.good.before=1*error").ok());
  EXPECT_FALSE(Run("good").ok());
  EXPECT_EQ(dir_.Read("log"), "");
  ASSERT_TRUE(failpoint::Arm("network.plugin.ADD.good.after=1*error").ok());
  EXPECT_FALSE(Run("good").ok());
  EXPECT_EQ(dir_.Read("log"), "ADD good\n");
  failpoint::DisarmAll();
}

TEST_F(PluginRunnerTest, Telemetry) {
  dir_.WriteRecorder("good", "{}");
  ASSERT_TRUE(Run("good").ok());
  ASSERT_FALSE(Run("absent").ok());
  const Labels good = {{"plugin", "good"}, {"command", "ADD"}};
  const Labels absent = {{"plugin", "absent"}, {"command", "ADD"}};
  EXPECT_EQ(telemetry_.GetHistogram("crisp_network_plugin_seconds", "", good).count(), 1u);
  EXPECT_EQ(telemetry_.GetCounter("crisp_network_plugin_failures_total", "", absent).value(), 1u);
}

}  // namespace
}  // namespace crisp::network
