// `crisp`, the command-line tool, and crispd's start and stop.
#include <signal.h>
#include <unistd.h>

#include "base/core/file.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;

class CliTest : public PodTest {
 protected:
  std::string Crisp(const std::vector<std::string>& command,
                    const std::vector<std::string>& arguments = {}, int exit_code = 0) {
    const RunOutput output = Must(daemon().Crisp(command, arguments));
    EXPECT_EQ(output.status.code, exit_code) << output.stdout_data << output.stderr_data;
    return output.stdout_data + output.stderr_data;
  }
};

TEST_P(CliTest, VersionStatusImages) {
  EXPECT_THAT(Crisp({"version"}), HasSubstr("crisp"));
  EXPECT_THAT(Crisp({"status"}), HasSubstr("RuntimeReady"));
  EXPECT_THAT(Crisp({"image", "ls"}), HasSubstr("busybox"));
  EXPECT_THAT(Crisp({"config", "show"}), HasSubstr(daemon().root()));
  EXPECT_THAT(Crisp({"config", "check"}), testing::Not(HasSubstr("error")));
}

// crispd runs without a handler that is not its default; who configured it wants to know.
TEST_P(CliTest, EveryConfiguredHandlerIsChecked) {
  const std::string fake = daemon().Path("fake");
  ASSERT_THAT(EnsureDirectory(daemon().Path("conf.d")), IsOk());
  ASSERT_THAT(
      WriteFile(fake, "#!/bin/sh\n[ $1 = --version ] && exec echo fake version 1.0\nexit 3\n",
                0755),
      IsOk());
  for (const std::string& path : {daemon().Path("missing"), std::string("/bin/true"), fake}) {
    ASSERT_THAT(WriteFile(daemon().Path("conf.d/other.yaml"),
                          Cat("runtimes:\n  other:\n    path: ", path, "\n")),
                IsOk());
    const std::string printed = Crisp({"config", "check"}, {}, 1);
    EXPECT_THAT(printed, HasSubstr("wrong  runtime other: "));
    EXPECT_THAT(printed, HasSubstr(path));
    EXPECT_THAT(printed, HasSubstr(Cat("ok  runtime ", GetParam(), ": ")));
  }
  ASSERT_THAT(WriteFile(daemon().Path("conf.d/other.yaml"),
                        Cat("runtimes:\n  other:\n    path: ", FindProgram(GetParam()), "\n")),
              IsOk());
  EXPECT_THAT(Crisp({"config", "check"}), HasSubstr("ok  runtime other: "));
}

// Without a word about handlers those that are here are used, and one that does not work is not.
TEST_P(CliTest, AHandlerThatNobodyConfiguredNeedNotWork) {
  const std::string bin = daemon().Path("bin");
  ASSERT_THAT(EnsureDirectory(bin), IsOk());
  ASSERT_EQ(::symlink(FindProgram(GetParam()).c_str(), Cat(bin, "/", GetParam()).c_str()), 0);
  const char* other = Runtime() == "runc" ? "crun" : "runc";
  const auto check = [&] {
    RunOptions run;
    run.argv = {ProgramPath("crisp"), "config", "check", "--config", daemon().Path("plain.yaml")};
    run.env = {Cat("PATH=", bin)};
    run.deadline = MonoNow() + Patient(std::chrono::seconds(30));
    const RunOutput output = Must(crisp::Run(run));
    EXPECT_TRUE(output.status.success()) << output.stdout_data << output.stderr_data;
    return output.stdout_data;
  };
  ASSERT_THAT(WriteFile(daemon().Path("plain.yaml"), Cat("root: ", daemon().root(), "\n")), IsOk());
  EXPECT_THAT(check(), HasSubstr(Cat("left out  runtime ", other, ": not in PATH")));
  ASSERT_THAT(WriteFile(Cat(bin, "/", other), "#!/bin/sh\nexit 3\n", 0755), IsOk());
  EXPECT_THAT(check(), HasSubstr(Cat("left out  runtime ", other, ": ")));
}

TEST_P(CliTest, RunShowsTheLogAndPassesTheExitCodeOn) {
  EXPECT_EQ(Crisp({"run"}, {"busybox", "sh", "-c", "echo hello; exit 7"}, 7), "hello\n");
  EXPECT_EQ(Must(client().Call(v1::ListPodSandboxRequest())).items_size(), 0)
      << "nothing is left behind";
}

TEST_P(CliTest, WrongConfigurationIsExplained) {
  ASSERT_THAT(WriteFile(daemon().Path("bad.yaml"), "root: /var/lib/x\nno_such_key: 1\n"), IsOk());
  RunOptions run;
  run.argv = {ProgramPath("crispd"), "--config", daemon().Path("bad.yaml")};
  run.deadline = MonoNow() + std::chrono::seconds(10);
  const RunOutput output = Must(crisp::Run(run));
  EXPECT_NE(output.status.code, 0);
  EXPECT_THAT(output.stderr_data, HasSubstr("bad.yaml:2"));
  EXPECT_THAT(output.stderr_data, HasSubstr("no_such_key"));
}

TEST_P(CliTest, OneDaemonPerStateDirectory) {
  RunOptions run;
  run.argv = {ProgramPath("crispd"), "--config", daemon().config_file()};
  run.deadline = MonoNow() + std::chrono::seconds(10);
  const RunOutput output = Must(crisp::Run(run));
  EXPECT_NE(output.status.code, 0);
  EXPECT_THAT(client().Call(v1::VersionRequest()), IsOk()) << "the first one still answers";
}

TEST_P(CliTest, HangupReloads) {
  const std::string good = Must(ReadFile(daemon().config_file()));
  ASSERT_THAT(WriteFile(daemon().config_file(), "no_such_key: 1\n"), IsOk());
  ASSERT_EQ(::kill(daemon().pid(), SIGHUP), 0);
  EXPECT_TRUE(Eventually([&] { return daemon().Log().find("no_such_key") != std::string::npos; }));
  EXPECT_THAT(client().Call(v1::VersionRequest()), IsOk()) << "a wrong file changes nothing";
  ASSERT_THAT(WriteFile(daemon().config_file(), good), IsOk());
  ASSERT_EQ(::kill(daemon().pid(), SIGHUP), 0);
  EXPECT_THAT(client().Call(v1::VersionRequest()), IsOk());
}

CRISP_FOR_EACH_RUNTIME(CliTest);

}  // namespace
}  // namespace crisp::test
