// AppArmor profiles as containers have them (cri-contract 9.8), on machines with AppArmor.
//
// Profiles are the whole machine's, so the tests live in a policy namespace of their own: what
// crispd loads there is seen there only, and nobody has loaded crisp's default profile before.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <thread>

#include "base/core/child_process.h"
#include "base/core/file.h"
#include "base/core/unique_fd.h"
#include "tests/support/pod_test.h"
#include "tests/support/surroundings.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using Profile = v1::SecurityProfile;

constexpr const char* kSecurityFs = "/sys/kernel/security/apparmor";
constexpr const char* kDefault = "crisp-default (enforce)\n";
constexpr const char* kShow = "cat /proc/self/attr/current";

// Why there is nothing to test here; empty: there is.
std::string Obstacle() {
  if (!InSurroundings()) return "needs root";
  const auto enabled = ReadFile("/sys/module/apparmor/parameters/enabled", 64);
  if (!enabled.ok() || !enabled->starts_with('Y')) return "AppArmor is not enabled on this machine";
  if (!PathExists(Cat(kSecurityFs, "/profiles"))) return "securityfs is not mounted";
  if (FindProgram("apparmor_parser").empty()) return "apparmor_parser is not installed";
  return "";
}

// The policy namespace that this program has gone into. Nobody gets out of one, so a process that
// stays outside removes it; who is still in there is then unconfined as before.
class PolicyNamespace {
 public:
  Status Enter() {
    struct stat machine {};
    if (::stat("/proc/self/ns/pid", &machine) != 0) return Errno("stat /proc/self/ns/pid");
    const std::string name = Cat("crisp-test-", machine.st_ino, "-", ::getpid());
    const std::string directory = Cat(kSecurityFs, "/policy/namespaces/", name);
    if (::mkdir(directory.c_str(), 0755) != 0) return Errno("mkdir ", directory);
    int ends[2] = {};
    if (::pipe2(ends, O_CLOEXEC) != 0) return Errno("pipe2");
    UniqueFd read_end(ends[0]);
    held_.Reset(ends[1]);
    outside_ = ::fork();
    if (outside_ == 0) {
      held_.Reset();
      char none = 0;
      while (::read(read_end.get(), &none, 1) < 0 && errno == EINTR) {
      }
      ::_exit(::rmdir(directory.c_str()) == 0 ? 0 : 1);
    }
    return WriteControlFile(AT_FDCWD, "/proc/self/attr/current",
                            Cat("changeprofile :", name, ":unconfined"));
  }
  Status Remove() {
    if (outside_ <= 0) return OkStatus();
    held_.Reset();
    int status = 0;
    ::waitpid(outside_, &status, 0);
    return status == 0 ? OkStatus() : Internal("the policy namespace cannot be removed");
  }

 private:
  UniqueFd held_;
  pid_t outside_ = -1;
};

class ApparmorTest : public PodTest {
 protected:
  static void SetUpTestSuite() {
    if (!Obstacle().empty()) return;
    ASSERT_THAT(policy_.Enter(), IsOk());
  }
  static void TearDownTestSuite() { EXPECT_THAT(policy_.Remove(), IsOk()); }

  void SetUp() override {
    const std::string obstacle = Obstacle();
    if (!obstacle.empty()) GTEST_SKIP() << obstacle;
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    sandbox_.mutable_linux()->mutable_security_context()->set_privileged(true);
    pod_ = RunPod(sandbox_);
  }
  void TearDown() override {
    PodTest::TearDown();
    if (!IsSkipped()) UnloadAll();
  }

  void UnloadAll() {
    for (const std::string& name : LoadedNames()) {
      if (name.find("//") != std::string::npos) continue;  // it goes with its parent
      Parser("--remove", Cat("profile ", name, " {}"));
    }
  }

  void UnmarkDefaultProfile() {
    for (const std::string& mark : Marks()) {
      EXPECT_THAT(WriteControlFile(AT_FDCWD, Cat(kSecurityFs, "/.remove"), mark), IsOk());
    }
  }

  void Parser(const std::string& what, const std::string& text) {
    RunOptions run;
    run.argv = {"apparmor_parser", what, "--skip-cache"};
    run.stdin_data = text;
    const RunOutput output = Must(crisp::Run(run), "apparmor_parser");
    EXPECT_TRUE(output.status.success()) << what << ": " << output.stderr_data;
  }
  // As `profiles` lists them, without the mode.
  std::set<std::string> LoadedNames() {
    std::set<std::string> names;
    const std::string text = Must(ReadFile(Cat(kSecurityFs, "/profiles")));
    for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      names.insert(text.substr(at, text.find(" (", at) - at));
    }
    return names;
  }
  // The default profile's children, which tell whose text it has.
  std::set<std::string> Marks() {
    std::set<std::string> out;
    for (const std::string& name : LoadedNames()) {
      if (name.starts_with("crisp-default//")) out.insert(name);
    }
    return out;
  }
  // Directories of the default profile: each load makes one with another number.
  std::set<std::string> DefaultProfiles() {
    std::set<std::string> found;
    for (const auto& entry :
         std::filesystem::directory_iterator(Cat(kSecurityFs, "/policy/profiles"))) {
      const std::string name = entry.path().filename();
      if (name.starts_with("crisp-default.")) found.insert(name);
    }
    return found;
  }
  // What no file mode forbids: to write below /locked.
  void LoadLocking(const std::string& name) {
    Parser("--add", Cat("profile ", name,
                        " flags=(attach_disconnected,mediate_deleted) {\n  file,\n  capability,\n"
                        "  network,\n  signal,\n  deny /locked/** w,\n}\n"));
  }

  v1::LinuxContainerSecurityContext* Context(v1::ContainerConfig* config) {
    return config->mutable_linux()->mutable_security_context();
  }
  v1::ContainerConfig Config(Profile::ProfileType type, const std::string& reference = "") {
    auto config = ContainerConfig(Cat("c", ++containers_), {"top"});
    Context(&config)->mutable_apparmor()->set_profile_type(type);
    Context(&config)->mutable_apparmor()->set_localhost_ref(reference);
    return config;
  }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  v1::ContainerConfig Deprecated(const std::string& profile) {
    auto config = ContainerConfig(Cat("c", ++containers_), {"top"});
    Context(&config)->set_apparmor_profile(profile);
    return config;
  }
#pragma GCC diagnostic pop
  std::string Start(const v1::ContainerConfig& config) {
    return StartContainer(pod_, config, sandbox_);
  }
  void ExpectRefused(const v1::ContainerConfig& config, Code code, const std::string& words) {
    const auto refused = TryCreate(pod_, config, sandbox_);
    EXPECT_THAT(refused, HasCode(code));
    EXPECT_THAT(refused.status().message(), HasSubstr(words));
    EXPECT_THAT(Must(client().Call(v1::ListContainersRequest())).containers(), SizeIs(0));
    EXPECT_FALSE(PathExists(daemon().Path("run/containers")) &&
                 !std::filesystem::is_empty(daemon().Path("run/containers")));
  }

  static PolicyNamespace policy_;
  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  int containers_ = 0;
};
PolicyNamespace ApparmorTest::policy_;

// Also when several containers want it at once.
TEST_P(ApparmorTest, TheDefaultProfileIsLoadedOnce) {
  UnloadAll();  // the fixture's first pod wanted it
  ASSERT_THAT(DefaultProfiles(), SizeIs(0));
  std::vector<Result<std::string>> created(4, Result<std::string>(std::string()));
  std::vector<std::thread> threads;
  for (auto& id : created) {
    const auto config = Config(Profile::RuntimeDefault);
    threads.emplace_back([this, &id, config] { id = TryCreate(pod_, config, sandbox_); });
  }
  for (std::thread& thread : threads) thread.join();
  const std::set<std::string> loaded = DefaultProfiles();
  EXPECT_THAT(loaded, SizeIs(1));
  for (const auto& id : created) {
    ASSERT_THAT(id, IsOk());
    EXPECT_THAT(TryStart(*id), IsOk());
    EXPECT_EQ(Shell(*id, kShow), kDefault);
  }
  Start(Config(Profile::RuntimeDefault));
  EXPECT_EQ(DefaultProfiles(), loaded);
}

// At the next container, or at the start of a daemon; for running containers as well.
TEST_P(ApparmorTest, TheDefaultProfileOfAnotherVersionIsReplaced) {
  const std::string runs = Start(ShellConfig(
      "runs",
      "while :; do (: >>/proc/sysrq-trigger) 2>/dev/null && echo open >/new || echo refused >/new; "
      "mv /new /state; sleep 0.1; done"));
  const auto sees = [&](const std::string& word) {
    return Eventually([&] { return Shell(runs, "cat /state 2>/dev/null; true") == word + "\n"; });
  };
  EXPECT_TRUE(sees("refused"));
  const std::set<std::string> ours = Marks();
  EXPECT_THAT(ours, SizeIs(1));
  // Without a mark, as before there were any; and with that of another version.
  for (const char* mark : {"", "  profile text-0000000000000001 {}\n"}) {
    for (const bool restart : {false, true}) {
      UnmarkDefaultProfile();
      Parser("--replace",
             Cat("profile crisp-default flags=(attach_disconnected,mediate_deleted) {",
                 "\n  file,\n  capability,\n  network,\n  signal,\n  ptrace,\n", mark, "}\n"));
      EXPECT_TRUE(sees("open"));
      if (restart) {
        KillAndRestart();
      } else {
        Start(Config(Profile::RuntimeDefault));
      }
      EXPECT_TRUE(sees("refused"));
      EXPECT_TRUE(Eventually([&] { return Marks() == ours; }));
      EXPECT_EQ(Shell(runs, kShow), kDefault);
    }
  }
}

// Process 1 has it as an exec has it; without a word about AppArmor it is the default.
TEST_P(ApparmorTest, WhoHasTheDefaultProfile) {
  EXPECT_EQ(
      RunToEnd(SandboxConfig("log"), ContainerConfig("c", {"cat", "/proc/self/attr/current"})),
      kDefault);
  EXPECT_EQ(Shell(Start(ContainerConfig("nothing", {"top"})), kShow), kDefault);
  EXPECT_EQ(Shell(Start(Config(Profile::RuntimeDefault)), kShow), kDefault);
  EXPECT_EQ(Shell(Start(Deprecated("runtime/default")), kShow), kDefault);
  EXPECT_EQ(Shell(Start(Deprecated("")), kShow), kDefault);
}

TEST_P(ApparmorTest, WhatTheDefaultProfileForbids) {
  auto config = Config(Profile::RuntimeDefault);
  Context(&config)->mutable_capabilities()->add_add_capabilities("SYS_ADMIN");
  const std::string confined = Start(config);
  config = Config(Profile::Unconfined);
  Context(&config)->mutable_capabilities()->add_add_capabilities("SYS_ADMIN");
  const std::string unconfined = Start(config);
  // Files are opened only: to write there would be something to this machine.
  for (const char* forbidden : {"mkdir -p /mnt && mount -t tmpfs none /mnt",
                                ": >>/proc/sysrq-trigger", ": >>/proc/sys/vm/panic_on_oom"}) {
    const std::string script =
        Cat("(", forbidden, ") >/dev/null 2>&1 && echo done || echo refused");
    EXPECT_EQ(Shell(confined, script), "refused\n") << forbidden;
    EXPECT_EQ(Shell(unconfined, script), "done\n") << forbidden;
  }
  // What programs do all day.
  EXPECT_EQ(Shell(confined, "{ sleep 100 & kill $!; wait $!; echo $?; } 2>/dev/null"), "143\n");
  EXPECT_EQ(Shell(confined, "touch /x /dev/shm/x; ls /x /dev/shm/x"), "/dev/shm/x\n/x\n");
}

// crispd's signal is let in: the container ends by its own handler.
TEST_P(ApparmorTest, StopUnderTheDefaultProfile) {
  auto config = ShellConfig("c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done");
  const std::string id = Start(config);
  EXPECT_TRUE(Eventually([&] { return LogText(LogPath(sandbox_, config)) == "ready\n"; }));
  EXPECT_THAT(TryStop(id, PatientSeconds(20)), IsOk());
  EXPECT_EQ(StatusOf(id).exit_code(), 7);
}

TEST_P(ApparmorTest, LoadedProfiles) {
  LoadLocking("crisp-locking");
  auto both = Deprecated("localhost/crisp-missing");  // the field wins
  Context(&both)->mutable_apparmor()->set_profile_type(Profile::Localhost);
  Context(&both)->mutable_apparmor()->set_localhost_ref("crisp-locking");
  for (const auto& config : {Config(Profile::Localhost, "crisp-locking"),
                             Config(Profile::Localhost, "localhost/crisp-locking"),
                             Deprecated("localhost/crisp-locking"), both}) {
    const std::string id = Start(config);
    EXPECT_EQ(Shell(id, kShow), "crisp-locking (enforce)\n");
    EXPECT_EQ(Shell(id, "mkdir /locked; touch /locked/x 2>/dev/null || echo refused; touch /free"),
              "refused\n");
  }
}

TEST_P(ApparmorTest, ProfilesThatAreNotLoaded) {
  LoadLocking("crisp-locking");
  const std::string words = "'crisp-lock' is not loaded";  // not by the beginning of a name
  const auto missing = Config(Profile::Localhost, "crisp-lock");
  ExpectRefused(missing, Code::kNotFound, words);
  ExpectRefused(Deprecated("localhost/crisp-lock"), Code::kNotFound, words);
  ExpectRefused(Config(Profile::Localhost), Code::kInvalidArgument, "localhost_ref is empty");
  ExpectRefused(Config(Profile::RuntimeDefault, "crisp-locking"), Code::kInvalidArgument,
                "only allowed with profile type Localhost");
  ExpectRefused(Deprecated("crisp-locking"), Code::kInvalidArgument,
                "apparmor_profile: 'crisp-locking' is unknown");
  // Nothing stands in the way once it is there, the container's name neither.
  LoadLocking("crisp-lock");
  EXPECT_EQ(Shell(Start(missing), kShow), "crisp-lock (enforce)\n");
}

TEST_P(ApparmorTest, Unconfined) {
  EXPECT_EQ(Shell(Start(Config(Profile::Unconfined)), kShow), "unconfined\n");
  EXPECT_EQ(Shell(Start(Deprecated("unconfined")), kShow), "unconfined\n");
}

TEST_P(ApparmorTest, PrivilegedContainersHaveNone) {
  LoadLocking("crisp-locking");
  for (auto config : {ContainerConfig("nothing", {"top"}), Config(Profile::RuntimeDefault),
                      Config(Profile::Localhost, "crisp-locking")}) {
    Context(&config)->set_privileged(true);
    EXPECT_EQ(Shell(Start(config), kShow), "unconfined\n");
  }
}

CRISP_FOR_EACH_RUNTIME(ApparmorTest);

}  // namespace
}  // namespace crisp::test
