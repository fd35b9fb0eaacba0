#include "oci/runtime.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/core/child_process.h"
#include "base/core/console_socket.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/pid_text.h"
#include "base/core/process_stat.h"
#include "base/failpoint.h"
#include "base/process_cgroups.h"
#include "oci/base_spec.h"
#include "oci/runtime_errors.h"
#include "oci/runtime_features.h"
#include "oci/runtime_json.h"
#include "oci/spec_builder.h"

namespace crisp::oci {
namespace {

constexpr size_t kLogLimit_bytes = 64u << 10;

// Where the v1 sub-cgroup of an exec is made for a runtime that can be told: pids is on every
// kernel of the last ten years, and no accounting that anybody reads splits there.
constexpr std::string_view kExecControllers[] = {"pids", "freezer", "devices"};

CgroupLayout ExecLayout(const RuntimeFeatures& features, const CgroupLayout& layout) {
  if (!features.exec_cgroup) return {};
  if (layout.v2 || features.kind != "runc") return layout;
  for (std::string_view controller : kExecControllers) {
    if (std::string mount = layout.MountOf(controller); !mount.empty()) {
      CgroupLayout one;
      one.mounts.emplace_back(controller, std::move(mount));
      return one;
    }
  }
  return layout;
}

bool IsAlive(pid_t pid) {
  const auto process = ReadProcessStat(pid);
  return process.ok() && !process->exiting() && process->state != 'Z' && process->state != 'X';
}

Result<pid_t> ReadPidFile(const std::string& path) {
  const std::string text = CRISP_TRY(ReadFile(path, 64));
  const std::optional<pid_t> pid = ParsePidFile(text);
  if (!pid) return DataLoss("pid file ", path, " holds '", Trim(text), "'");
  return *pid;
}

// The path of a process's group on the v1 hierarchy of `controller`.
Result<std::string> CgroupPathOf(pid_t pid, std::string_view controller) {
  for (ProcessCgroup& group : CRISP_TRY(ReadProcessCgroups(pid))) {
    if (group.Has(controller)) return std::move(group.path);
  }
  return NotFound("process ", pid, " is in no group of controller ", controller);
}

// The process is in a cgroup whose last part is `name`, on one hierarchy at least.
bool IsInSubCgroup(pid_t pid, const std::string& name) {
  const auto groups = ReadProcessCgroups(pid);
  return groups.ok() && std::any_of(groups->begin(), groups->end(), [&](const auto& group) {
           return group.path.ends_with(Cat('/', name));
         });
}

class CommandLineRuntime : public Runtime {
 public:
  CommandLineRuntime(RuntimeOptions options, RuntimeFeatures features)
      : options_(std::move(options)),
        features_(std::move(features)),
        exec_layout_(ExecLayout(features_, *options_.cgroup_layout)) {}

  const RuntimeOptions& options() const override { return options_; }
  const RuntimeFeatures& features() const override { return features_; }
  const CgroupLayout& exec_cgroup_layout() const override { return exec_layout_; }

  std::vector<std::string> BaseArgv() const override {
    std::vector<std::string> argv = {options_.path, "--root", options_.root};
    if (options_.cgroup_driver == CgroupDriver::kSystemd) argv.push_back("--systemd-cgroup");
    return argv;
  }

  Status Start(const ContainerId& id, MonoTime deadline) override {
    CRISP_FAILPOINT("oci.runtime.start");
    return RunQuiet("start", {id.str()}, deadline);
  }

  Status EnsureDeleted(const ContainerId& id, MonoTime deadline) override {
    CRISP_FAILPOINT("oci.runtime.delete");
    Status status = RunQuiet("delete", {"--force", id.str()}, deadline);
    if (status.code() == Code::kNotFound) return OkStatus();
    // Nobody to ask, and no state of such a container (runc and crun: <root>/<id>).
    const bool never_made =
        !PathExists(options_.path) && !PathExists(JoinPath(options_.root, id.str()));
    return never_made ? OkStatus() : std::move(status);
  }

  Result<RuntimeState> State(const ContainerId& id, MonoTime deadline) override {
    const std::string text = CRISP_TRY(RunCommand("state", {id.str()}, "", deadline));
    return ParseRuntimeState(text).Wrap(features_.kind, " state");
  }

  Status Update(const ContainerId& id, const LinuxResources& resources,
                MonoTime deadline) override {
    CRISP_FAILPOINT("oci.runtime.update");
    LinuxResources limits = resources;
    limits.devices.clear();  // device rules are fixed at create
    if (features_.kind == "crun" && !options_.cgroup_layout->v2 && limits.cpu_quota_us == -1) {
      // crun (seen with 1.8.1) cannot write -1 to cpu.cfs_quota_us: it is left out, written here.
      limits.cpu_quota_us.reset();
      CRISP_RETURN_IF_ERROR(RemoveQuota(id, deadline).Wrap("crun update"));
    }
    const std::string document = CRISP_TRY(ToJson(limits));
    auto done = RunCommand("update", {"--resources", "-", id.str()}, document, deadline);
    return done.ok() ? OkStatus() : std::move(done).status();
  }

  Result<pid_t> ExecDetached(const ExecRequest& request) override;

 private:
  // v1: writes "unlimited" to the container's cpu group.
  Status RemoveQuota(const ContainerId& id, MonoTime deadline) {
    const RuntimeState state = CRISP_TRY(State(id, deadline));
    const std::string path = CRISP_TRY(CgroupPathOf(state.pid, "cpu"));
    return CgroupDir(options_.cgroup_layout, path).WriteFile("cpu", "cpu.cfs_quota_us", "-1");
  }

  Histogram& CallTime(std::string_view operation) {
    return options_.telemetry->GetHistogram(
        "crisp_oci_runtime_call_seconds", "Time of one run of the OCI runtime program.",
        {{"handler", options_.handler}, {"operation", std::string(operation)}});
  }
  Counter& Failures(std::string_view operation) {
    return options_.telemetry->GetCounter(
        "crisp_oci_runtime_failures_total", "Runs of the OCI runtime program that failed.",
        {{"handler", options_.handler}, {"operation", std::string(operation)}});
  }

  // What every run of the program has in common. Its environment is ours to the letter: runc would
  // hand a NOTIFY_SOCKET of crispd on to the container.
  void Prepare(SpawnOptions* spawn) const {
    spawn->env = RuntimeEnvironment(options_);
    spawn->place = options_.helper_place;
    spawn->reaper = options_.reaper;
  }

  // stdout of a successful run.
  Result<std::string> RunCommand(const char* operation, const std::vector<std::string>& arguments,
                                 std::string input, MonoTime deadline) {
    const Span span(CallTime(operation));
    RunOptions run;
    Prepare(&run);
    run.argv = BaseArgv();
    run.argv.emplace_back(operation);
    run.argv.insert(run.argv.end(), arguments.begin(), arguments.end());
    run.stdin_data = std::move(input);
    run.deadline = deadline;
    auto output = Run(run);
    if (output.ok() && output->status.success()) return std::move(output->stdout_data);
    Failures(operation).Add();
    if (!output.ok()) return std::move(output).status();
    return RuntimeFailure(features_.kind, operation, output->status.code, output->stderr_data);
  }

  Status RunQuiet(const char* operation, const std::vector<std::string>& arguments,
                  MonoTime deadline) {
    auto done = RunCommand(operation, arguments, "", deadline);
    return done.ok() ? OkStatus() : std::move(done).status();
  }

  std::vector<std::string> ExecArgv(const ExecRequest& request, const std::string& console) const;
  std::string SubCgroupArgument(const std::string& name) const;
  Status RunExec(const ExecRequest& request);
  void KillHalfStarted(const ExecRequest& request) const;

  const RuntimeOptions options_;
  const RuntimeFeatures features_;
  const CgroupLayout exec_layout_;
};

// The descriptor of the log in the runtime process. The runtimes keep what is above 2 from the
// container's process.
constexpr int kLogFd = 3;

std::string CommandLineRuntime::SubCgroupArgument(const std::string& name) const {
  // runc's syntax for one v1 hierarchy is "controller:name".
  const bool one_of_v1 = !exec_layout_.v2 && exec_layout_.mounts.size() == 1;
  if (features_.kind == "runc" && one_of_v1) {
    return Cat(exec_layout_.mounts.front().first, ':', name);
  }
  return name;
}

std::vector<std::string> CommandLineRuntime::ExecArgv(const ExecRequest& request,
                                                      const std::string& console) const {
  std::vector<std::string> argv = BaseArgv();
  // The log goes to memory: the runtime's stderr is the command's, and must not get its text.
  argv.insert(argv.end(),
              {"--log", Cat("/proc/self/fd/", kLogFd), "--log-format", "json", "exec", "--detach",
               "--process", request.process_json_path, "--pid-file", request.pid_file});
  if (!request.sub_cgroup.empty()) {
    argv.insert(argv.end(), {"--cgroup", SubCgroupArgument(request.sub_cgroup)});
  }
  if (!console.empty()) argv.insert(argv.end(), {"--console-socket", console});
  argv.push_back(request.container.str());
  return argv;
}

Status CommandLineRuntime::RunExec(const ExecRequest& request) {
  DirFd directory;
  ConsoleSocket console;
  if (request.terminal != nullptr) {
    const std::string path = request.pid_file.substr(0, request.pid_file.rfind('/'));
    directory = CRISP_TRY(DirFd::Open(path));
    CRISP_RETURN_IF_ERROR(console.Listen(directory.get(), path, "console.sock"));
  }
  const UniqueFd log(::memfd_create("crisp-exec-log", MFD_CLOEXEC));
  if (!log) return Errno("memfd_create");
  SpawnOptions spawn;
  Prepare(&spawn);
  spawn.argv = ExecArgv(request, console.path());
  spawn.fds = {{log.get(), kLogFd}};
  spawn.oom_score_adj = request.oom_score_adj;
  const std::pair<int, int> stdio[] = {
      {request.stdin_fd, 0}, {request.stdout_fd, 1}, {request.stderr_fd, 2}};
  for (const auto& pair : stdio) {
    if (pair.first >= 0 && request.terminal == nullptr) spawn.fds.push_back(pair);
  }
  ChildProcess child = CRISP_TRY(ChildProcess::Spawn(spawn));
  auto ended = child.Wait(request.deadline, request.cancel);
  if (!ended.ok()) {
    child.KillAndReap();
    return std::move(ended).status().Wrap(features_.kind, " exec");
  }
  if (ended->success()) {
    if (request.terminal == nullptr) return OkStatus();
    // All is in the socket by now.
    *request.terminal = CRISP_TRY(console.Receive(MonoNow()).Wrap(features_.kind, " exec"));
    return OkStatus();
  }
  std::string text;
  if (::lseek(log.get(), 0, SEEK_SET) == 0) {
    if (auto read = ReadAll(log.get(), kLogLimit_bytes); read.ok()) text = std::move(*read);
  }
  return RuntimeFailure(features_.kind, "exec", ended->code, text);
}

// The runtime was killed or failed, but may have started the command already. Only a child of ours
// is killed: the pid might be somebody else's by now.
void CommandLineRuntime::KillHalfStarted(const ExecRequest& request) const {
  const auto pid = ReadPidFile(request.pid_file);
  if (!pid.ok()) return;
  const auto process = ReadProcessStat(*pid);
  if (process.ok() && process->parent == ::getpid()) ::kill(*pid, SIGKILL);
}

Result<pid_t> CommandLineRuntime::ExecDetached(const ExecRequest& request) {
  CRISP_FAILPOINT("oci.runtime.exec");
  if (!request.sub_cgroup.empty() && !features_.exec_cgroup) {
    return FailedPrecondition(features_.kind, " ", features_.version,
                              " cannot put an exec into a sub-cgroup");
  }
  const Span span(CallTime("exec"));
  if (::unlink(request.pid_file.c_str()) != 0 && errno != ENOENT) {
    return Errno("remove ", request.pid_file);
  }
  Status status = RunExec(request);
  if (status.ok()) status = failpoint::Hit("oci.runtime.exec.started");
  if (!status.ok()) {
    KillHalfStarted(request);
    Failures("exec").Add();
    return status;
  }
  const auto written = ReadPidFile(request.pid_file);
  if (!written.ok()) {
    Failures("exec").Add();
    return Internal(features_.kind,
                    " exec: said that it is done, but: ", written.status().message());
  }
  const pid_t pid = *written;
  // crun 1.8.1 ignores a sub-cgroup that is missing, and then the command would run outside of the
  // container's limits. A process that has ended already has no cgroup to check.
  if (!request.sub_cgroup.empty() && !IsInSubCgroup(pid, request.sub_cgroup) && IsAlive(pid)) {
    KillHalfStarted(request);
    return Internal(features_.kind, " exec: the command was not put into cgroup ",
                    request.sub_cgroup);
  }
  return pid;
}

// Whether a directory is there or could be made.
Status CheckRoot(const std::string& root) {
  for (std::string path = root;;) {
    struct stat st {};
    if (::stat(path.c_str(), &st) == 0) {
      if (S_ISDIR(st.st_mode)) return OkStatus();
      return FailedPrecondition("root '", root, "': ", path, " is not a directory");
    }
    if (errno != ENOENT && errno != ENOTDIR) return Errno("root '", root, "': ", path);
    path.erase(std::max(path.find_last_of('/'), size_t{1}));
  }
}

Status CheckAnnotations(const std::map<std::string, std::string>& annotations) {
  for (const auto& [key, value] : annotations) {
    if (key.empty() || key.starts_with("io.kubernetes.cri.")) {
      return InvalidArgument("default_annotations: '", key,
                             "': allowed: keys that do not begin with io.kubernetes.cri., which "
                             "are crisp's own");
    }
    CRISP_RETURN_IF_ERROR(CheckText("default_annotations", key));
    CRISP_RETURN_IF_ERROR(CheckText("default_annotations", value).Wrap(key));
  }
  return OkStatus();
}

Status CheckOptions(const RuntimeOptions& options) {
  if (options.path.empty() || options.path.front() != '/') {
    return InvalidArgument("path '", options.path, "' of the runtime is not absolute");
  }
  if (options.root.empty() || options.root.front() != '/') {
    return InvalidArgument("root '", options.root, "' of the runtime is not absolute");
  }
  if (!PathExists(options.path)) return NotFound("no program ", options.path);
  CRISP_RETURN_IF_ERROR(CheckRoot(options.root));
  return CheckAnnotations(options.default_annotations);
}

}  // namespace

Result<RuntimeFeatures> CheckRuntime(const RuntimeOptions& options) {
  const std::string name = Cat("runtime handler '", options.handler, "'");
  CRISP_RETURN_IF_ERROR(CheckOptions(options).Wrap(name));
  RuntimeFeatures features = CRISP_TRY(ProbeFeatures(options).Wrap(name));
  if (features.kind == "crun" && options.cgroup_layout->hybrid) {
    return FailedPrecondition(
        name,
        ": crun does not run on hybrid cgroups (v1 controllers and a cgroup2 mount beside "
        "them, usually /sys/fs/cgroup/unified): unmount the cgroup2 mount, boot with cgroup v2, "
        "or use runc");
  }
  if (!options.base_spec.empty()) {
    CRISP_RETURN_IF_ERROR(ReadBaseSpec(options.base_spec).status().Wrap(name));
  }
  return features;
}

bool AllowsAnnotation(const std::vector<std::string>& allowed, std::string_view key) {
  return std::any_of(allowed.begin(), allowed.end(),
                     [key](const std::string& prefix) { return key.starts_with(prefix); });
}

std::vector<std::string> RuntimeEnvironment(const RuntimeOptions& options) {
  std::vector<std::string> out = options.monitor_env;
  if (std::none_of(out.begin(), out.end(), [](const auto& v) { return v.starts_with("PATH="); })) {
    out.emplace_back(kDefaultPath);
  }
  return out;
}

Result<std::unique_ptr<Runtime>> Runtime::Open(RuntimeOptions options) {
  RuntimeFeatures features = CRISP_TRY(CheckRuntime(options));
  const std::string name = Cat("runtime handler '", options.handler, "'");
  if (!options.base_spec.empty()) {
    options.base_spec_json = CRISP_TRY(ReadBaseSpec(options.base_spec).Wrap(name));
  }
  CRISP_RETURN_IF_ERROR(EnsureDirectory(options.root, 0711).Wrap(name));
  return std::unique_ptr<Runtime>(
      std::make_unique<CommandLineRuntime>(std::move(options), std::move(features)));
}

}  // namespace crisp::oci
