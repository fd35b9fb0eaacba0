// The CRI log: content, partial lines, reopening (cri-contract section 10).
#include <unistd.h>

#include <algorithm>

#include "base/core/file.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class ContainerLogTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
  }
  // Runs to its end and returns the log's path.
  std::string Run(const v1::ContainerConfig& config) {
    AwaitExit(StartContainer(pod_, config, sandbox_));
    return LogPath(sandbox_, config);
  }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
};

TEST_P(ContainerLogTest, LinesOfBothStreams) {
  const auto lines =
      ReadLog(Run(ShellConfig("c", "echo one; echo; echo 'two  words '; echo err >&2")));
  std::vector<std::string> out;
  std::vector<std::string> err;
  for (const LogLine& line : lines) {
    EXPECT_EQ(line.tag, "F");
    EXPECT_THAT(line.time, MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
                                        "\\.[0-9]{9}(Z|[+-][0-9]{2}:[0-9]{2})"));
    if (line.stream == "stdout") out.push_back(line.content);
    if (line.stream == "stderr") err.push_back(line.content);
  }
  EXPECT_THAT(out, testing::ElementsAre("one", "", "two  words "));
  EXPECT_THAT(err, testing::ElementsAre("err"));
}

TEST_P(ContainerLogTest, LongLinesArePartial) {
  const auto lines =
      ReadLog(Run(ShellConfig("c",
                              "head -c 16384 /dev/zero | tr '\\0' a; echo;"
                              "head -c 40000 /dev/zero | tr '\\0' b; echo; printf end")));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0].tag, "F");
  EXPECT_EQ(lines[0].content, std::string(16384, 'a'));
  EXPECT_EQ(lines[1].tag, "P");
  EXPECT_EQ(lines[1].content.size(), 16384u);
  EXPECT_EQ(lines[2].tag, "P");
  EXPECT_EQ(lines[3].tag, "F");
  EXPECT_EQ(lines[1].content.size() + lines[2].content.size() + lines[3].content.size(), 40000u);
  EXPECT_EQ(lines[4].tag, "P") << "output that ends without a newline";
  EXPECT_EQ(lines[4].content, "end");
}

// A question without a newline: whoever looks at the log sees it while the program waits.
TEST_P(ContainerLogTest, AnUnfinishedLineIsSeenInAQuietMoment) {
  const auto config = ShellConfig(
      "c", "printf 'go on? '; while test ! -e /go; do sleep 0.05; done; echo yes; exec top");
  const std::string id = StartContainer(pod_, config, sandbox_);
  const std::string path = LogPath(sandbox_, config);
  EXPECT_TRUE(Eventually([&] { return LogText(path) == "go on? "; }));
  Shell(id, "touch /go");
  EXPECT_TRUE(Eventually([&] { return LogText(path).starts_with("go on? yes\n"); }));
  const auto lines = ReadLog(path);
  ASSERT_GE(lines.size(), 2u);
  EXPECT_EQ(lines[0].tag, "P");
  EXPECT_EQ(lines[1].tag, "F");
}

TEST_P(ContainerLogTest, NothingIsLost) {
  const auto config = ShellConfig("c", "seq 1 200000");
  const std::string text = LogText(Run(config));
  std::string expected;
  for (int i = 1; i <= 200000; ++i) expected += std::to_string(i) + "\n";
  EXPECT_TRUE(text == expected) << text.size() << " bytes, want " << expected.size();
}

TEST_P(ContainerLogTest, TheFileIsThereAfterTheStart) {
  const auto config = ContainerConfig("quiet", {"sleep", "1000"});
  const std::string id = StartContainer(pod_, config, sandbox_);
  EXPECT_TRUE(PathExists(LogPath(sandbox_, config)));
  EXPECT_EQ(StatusOf(id).log_path(), LogPath(sandbox_, config));
}

TEST_P(ContainerLogTest, ReopenAfterARename) {
  const auto config = ShellConfig("c", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done");
  const std::string path = LogPath(sandbox_, config);
  const std::string id = StartContainer(pod_, config, sandbox_);
  EXPECT_TRUE(Eventually([&] { return ReadLog(path).size() > 5; }));
  ASSERT_EQ(::rename(path.c_str(), (path + ".1").c_str()), 0);
  v1::ReopenContainerLogRequest reopen;
  reopen.set_container_id(id);
  EXPECT_THAT(client().Call(reopen), IsOk());
  EXPECT_TRUE(PathExists(path)) << "made before the answer";
  const size_t old_size = Must(ReadFile(path + ".1")).size();
  EXPECT_TRUE(Eventually([&] { return ReadLog(path).size() > 5; }));
  EXPECT_EQ(Must(ReadFile(path + ".1")).size(), old_size);
  EXPECT_THAT(TryStop(id, 0), IsOk());
  // Together they are all numbers, none twice.
  const std::string text = LogText(path + ".1") + LogText(path);
  std::string expected;
  const auto count = std::count(text.begin(), text.end(), '\n');
  for (int i = 0; i < count; ++i) expected += std::to_string(i) + "\n";
  EXPECT_EQ(text, expected);

  ASSERT_EQ(::rename(path.c_str(), (path + ".2").c_str()), 0);
  EXPECT_FALSE(client().Call(reopen).ok()) << "not running";
  EXPECT_FALSE(PathExists(path));
}

TEST_P(ContainerLogTest, WithoutALogDirectoryOutputIsDropped) {
  auto config = ShellConfig("c", "seq 1 50000; exit 4");
  config.clear_log_path();
  const std::string id = StartContainer(pod_, config, sandbox_);
  EXPECT_EQ(AwaitExit(id).exit_code(), 4);
  EXPECT_EQ(StatusOf(id).log_path(), "");
}

TEST_P(ContainerLogTest, Terminal) {
  auto config = ShellConfig("c", "test -t 1 && echo is-a-tty; echo $TERM; echo err >&2");
  config.set_tty(true);
  const std::string text = LogText(Run(config));
  EXPECT_THAT(text, HasSubstr("is-a-tty"));
  EXPECT_THAT(text, HasSubstr("xterm"));
  EXPECT_THAT(text, HasSubstr("err"));
}

CRISP_FOR_EACH_RUNTIME(ContainerLogTest);

}  // namespace
}  // namespace crisp::test
