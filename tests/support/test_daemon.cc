#include "tests/support/test_daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "tests/support/patience.h"
#include "tests/support/surroundings.h"

namespace crisp::test {
namespace {

constexpr Duration kStartLimit = std::chrono::seconds(20);  // of a machine of usual speed
constexpr Duration kStopLimit = std::chrono::seconds(20);

std::vector<std::string> EnvironmentWith(const std::string& name, const std::string& value) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with(Cat(name, "="))) all.emplace_back(*entry);
  }
  if (!value.empty()) all.push_back(Cat(name, "=", value));
  return all;
}

}  // namespace

std::string ProgramPath(const std::string& name) { return Cat(CRISP_TEST_PROGRAM_DIR "/", name); }

std::string FindProgram(const std::string& name) {
  for (const char* dir :
       {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
    std::string path = Cat(dir, "/", name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

TestDaemon::TestDaemon(TestDaemonOptions options) : options_(std::move(options)) {
  client_ = std::make_unique<CriClient>(socket());
}

TestDaemon::~TestDaemon() { Kill(); }

std::string TestDaemon::Path(const std::string& rest) const {
  return Cat(options_.directory, "/", rest);
}

Status TestDaemon::Prepare() {
  for (const std::string& dir :
       {root(), state(), cni_config_dir(), address_dir(), log_dir(), Path("images")}) {
    CRISP_RETURN_IF_ERROR(EnsureDirectory(dir));
  }
  CRISP_RETURN_IF_ERROR(WriteConfig());
  return options_.with_cni ? WriteCniConfig() : OkStatus();
}

Status TestDaemon::WriteConfig() const {
  std::string runtimes;
  for (const char* name : {"runc", "crun"}) {
    const std::string path = FindProgram(name);
    if (!path.empty()) runtimes += Cat("  ", name, ":\n    path: ", path, "\n");
  }
  std::string binaries;
  for (const char* name : {"monitor", "init", "pull"}) {
    binaries += Cat("  ", name, ": ", ProgramPath(Cat("crisp-", name)), "\n");
  }
  return WriteFile(
      config_file(),
      Cat("root: ", root(), "\nstate: ", state(), "\nsocket:\n  path: ", socket(),
          "\nlog:\n  level: debug\ncgroup_driver: ", UsesSystemd() ? "systemd" : "cgroupfs",
          "\ndefault_cgroup_parent: ", default_cgroup_parent(),
          "\nnetwork:\n  config_dir: ", cni_config_dir(), "\ndefault_runtime: ", options_.runtime,
          "\nruntimes:\n", runtimes, "binaries:\n", binaries,
          "image:\n  registries:\n    127.0.0.1:5000:\n      plain_http: true\n",
          options_.more_config));
}

Status TestDaemon::WriteCniConfig() const {
  return WriteFile(
      Cat(cni_config_dir(), "/10-test.conflist"),
      Cat(R"({"cniVersion": "1.0.0", "name": "crisp-test", "plugins": [)", "\n",
          R"({"type": "bridge", "bridge": "crispt0", "isGateway": true, "ipMasq": true, )",
          R"("hairpinMode": true, "ipam": {"type": "host-local", "dataDir": ")", address_dir(),
          R"(", "ranges": [[{"subnet": ")", options_.subnet, R"("}]], )",
          R"("routes": [{"dst": "0.0.0.0/0"}]}},)", "\n",
          R"({"type": "portmap", "capabilities": {"portMappings": true}}]})", "\n"));
}

Status TestDaemon::Start(const std::string& failpoints) {
  UniqueFd log = CRISP_TRY(OpenFile(Path("crispd.log"), O_WRONLY | O_CREAT | O_APPEND, 0644));
  SpawnOptions spawn;
  spawn.argv = {ProgramPath("crispd"), "--config", config_file()};
  spawn.env = EnvironmentWith("CRISP_FAILPOINTS", failpoints);
  spawn.fds = {{log.get(), 1}, {log.get(), 2}};
  RenewClient();  // an idle one would not have noticed that its daemon died
  process_ = CRISP_TRY(ChildProcess::Spawn(spawn));
  Status ready = WaitUntilReady();
  if (!ready.ok()) Kill();
  return ready;
}

Status TestDaemon::WaitUntilReady() {
  const MonoTime deadline = MonoNow() + Patient(kStartLimit);
  while (!client_->AwaitConnection(std::chrono::milliseconds(100))) {
    if (!running()) return Unavailable("crispd ended at its start; its log:\n", Log());
    if (MonoNow() > deadline) return DeadlineExceeded("no crispd listens; its log:\n", Log());
  }
  return client_->Call(v1::VersionRequest()).status();
}

void TestDaemon::RenewClient() {
  retired_clients_.push_back(std::exchange(client_, std::make_unique<CriClient>(socket())));
}

bool TestDaemon::running() { return process_.pid() > 0 && !process_.Poll().has_value(); }

void TestDaemon::Kill() {
  if (process_.pid() > 0) process_.KillAndReap();
  process_ = ChildProcess();
}

Status TestDaemon::StopGracefully() {
  CRISP_RETURN_IF_ERROR(process_.Signal(SIGTERM));
  const Result<ExitStatus> status = process_.Wait(MonoNow() + Patient(kStopLimit));
  Kill();
  if (!status.ok()) return status.status();
  if (!status->success()) return Internal("crispd ended with ", status->code, "; log:\n", Log());
  return OkStatus();
}

Status TestDaemon::WaitUntilDead(Duration limit) {
  const Result<ExitStatus> status = process_.Wait(MonoNow() + Patient(limit));
  Kill();
  return status.ok() ? OkStatus() : status.status();
}

std::string TestDaemon::default_cgroup_parent() const {
  return UsesSystemd() ? "/crisp.slice" : "/crisp";
}

std::string TestDaemon::CgroupOf(const std::string& id) const {
  if (!UsesSystemd()) return Cat(default_cgroup_parent(), "/", id);
  const Result<CgroupLayout> layout = CgroupLayout::Detect();
  const bool has_group = options_.runtime == "crun" && layout.ok() && layout->v2;
  return Cat(default_cgroup_parent(), "/crisp-", id, ".scope", has_group ? "/container" : "");
}

std::string TestDaemon::Log() const {
  constexpr size_t kShown_bytes = 20000;
  const Result<std::string> log = ReadFile(Path("crispd.log"), 256u << 20);
  if (!log.ok()) return log.status().ToString();
  return log->size() > kShown_bytes ? Cat("...", log->substr(log->size() - kShown_bytes)) : *log;
}

Result<RunOutput> TestDaemon::Crisp(const std::vector<std::string>& command,
                                    const std::vector<std::string>& arguments) const {
  RunOptions run;
  run.argv = {ProgramPath("crisp")};
  run.argv.insert(run.argv.end(), command.begin(), command.end());
  run.argv.insert(run.argv.end(), {"--config", config_file()});
  run.argv.insert(run.argv.end(), arguments.begin(), arguments.end());
  run.deadline = MonoNow() + Patient(std::chrono::seconds(30));
  return Run(run);
}

}  // namespace crisp::test
