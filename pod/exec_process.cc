#include "pod/exec_process.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/dir_fd.h"
#include "base/core/pid_text.h"
#include "base/core/pidfd.h"
#include "base/log.h"
#include "pod/userns.h"

namespace crisp::pod {
namespace {

// So that a fast writer and a fast reader meet rarely: with 64 KiB they change places for each
// read. The memory is used only while there is something in the pipe.
constexpr int kPipe_bytes = 1 << 20;
// Its client waits; what survives this goes with the container.
constexpr auto kHalfStartedKill = std::chrono::seconds(1);

constexpr std::string_view kGroupPrefix = "exec-";

CgroupDir ExecCgroup(const Environment& env, const Container& container, const std::string& name) {
  const std::string parent = env.LimitedCgroupOf(container).path();
  return CgroupDir(&container.runtime()->exec_cgroup_layout(),
                   JoinPath(parent, Cat(kGroupPrefix, name)));
}

// Groups of ended execs in which a background child lived on, and has ended since.
void RemoveLeftGroups(const Environment& env, const Container& container) {
  const CgroupDir parent(&container.runtime()->exec_cgroup_layout(),
                         env.LimitedCgroupOf(container).path());
  for (const std::string& group : parent.ChildNames()) {
    if (!group.starts_with(kGroupPrefix)) continue;
    const std::string name = group.substr(kGroupPrefix.size());
    // One with a record is just beginning, or still at it.
    if (PathExists(JoinPath(container.paths().execs(), name))) continue;
    ExecCgroup(env, container, name).RemoveIfEmpty();
  }
}

// A pipe of which the first end, or with `writing` the second, is ours. It belongs to container
// root, who could not open /dev/stdout again otherwise, nor the runtime give it to the command's
// user.
Result<FdPair> MakeStdioPipe(const HostOwner& root, bool writing) {
  FdPair pipe = CRISP_TRY(MakePipe());
  if (root.uid != 0 && ::fchown(pipe.first.get(), root.uid, root.gid) != 0) {
    return Errno("chown a pipe");
  }
  const UniqueFd& ours = writing ? pipe.second : pipe.first;
  CRISP_RETURN_IF_ERROR(SetNonBlocking(ours.get()));
  // Refused beyond a user's share of pipe memory (pipe(7)): then it is a small one.
  (void)::fcntl(ours.get(), F_SETPIPE_SZ, kPipe_bytes);
  return pipe;
}

bool HasTerm(const std::vector<std::string>& env) {
  return std::any_of(env.begin(), env.end(),
                     [](const std::string& entry) { return entry.starts_with("TERM="); });
}

}  // namespace

ExecProcess::ExecProcess(Environment* env, ContainerPtr container)
    : env_(env), container_(std::move(container)), name_(RandomHex(8)) {}

std::string ExecProcess::Directory() const { return JoinPath(container_->paths().execs(), name_); }

Result<std::unique_ptr<ExecProcess>> ExecProcess::Launch(Environment* env, ContainerPtr container,
                                                         const ExecPlan& plan) {
  std::unique_ptr<ExecProcess> process(new ExecProcess(env, std::move(container)));
  if (Status status = process->Run(plan); !status.ok()) {
    process->KillHalfStarted();
    process->RemoveRecord();
    process->DropRemadeCgroup();
    return std::move(status).Wrap("exec in container ", process->container_->id().short_str());
  }
  return process;
}

Status ExecProcess::WriteProcess(const ExecPlan& plan, oci::ExecRequest* request) const {
  const std::string config = CRISP_TRY(ReadFile(container_->paths().config_json()));
  oci::Process process = CRISP_TRY(oci::ProcessFromSpecJson(config));
  for (const std::string& argument : plan.command) {
    CRISP_RETURN_IF_ERROR(oci::CheckText("cmd", argument));
  }
  process.args = plan.command;
  process.terminal = plan.terminal;
  if (plan.terminal && plan.size.columns > 0) {
    process.console_size = oci::ConsoleSize{plan.size.columns, plan.size.rows};
  }
  if (plan.terminal && !HasTerm(process.env)) process.env.push_back("TERM=xterm");
  request->oom_score_adj = process.oom_score_adj;
  request->process_json_path = Directory() + "/process.json";
  return WriteFile(request->process_json_path, CRISP_TRY(oci::ToJson(process)), 0600);
}

Status ExecProcess::MakeSubCgroup(oci::ExecRequest* request) {
  tree_.container = env_->CgroupOf(*container_);
  if (!container_->runtime()->features().exec_cgroup) return OkStatus();
  request->sub_cgroup = Cat(kGroupPrefix, name_);
  tree_.sub_cgroup = ExecCgroup(*env_, *container_, name_);
  return tree_.sub_cgroup.EnsureCreated();
}

Status ExecProcess::Run(const ExecPlan& plan) {
  // Not with its parents: a container that is just being removed must not come back as a directory.
  const std::string top = container_->paths().execs();
  if (::mkdir(top.c_str(), 0700) != 0 && errno != EEXIST) return Errno("make ", top);
  CRISP_RETURN_IF_ERROR(EnsureDirectory(Directory(), 0700));
  oci::ExecRequest request;
  request.container = container_->id();
  CRISP_RETURN_IF_ERROR(WriteProcess(plan, &request));
  request.pid_file = Directory() + "/pid";
  request.deadline = MonoNow() + std::min(env_->options.runtime_deadline, plan.start_limit);
  request.cancel = plan.cancel;
  FdPair in, out, err;
  if (plan.terminal) {
    request.terminal = &terminal;
  } else {
    const HostOwner root = ContainerRoot(container_->sandbox()->config());
    if (plan.stdin_open) in = CRISP_TRY(MakeStdioPipe(root, /*writing=*/true));
    if (plan.stdout_open) out = CRISP_TRY(MakeStdioPipe(root, /*writing=*/false));
    if (plan.stderr_open) err = CRISP_TRY(MakeStdioPipe(root, /*writing=*/false));
    request.stdin_fd = in.first.get();
    request.stdout_fd = out.second.get();
    request.stderr_fd = err.second.get();
  }
  CRISP_RETURN_IF_ERROR(MakeSubCgroup(&request));
  started_at_ = MonoNow();
  tree_.pid = CRISP_TRY(container_->runtime()->ExecDetached(request));
  // Not found: it ended and was collected already; its status waits in the Reaper.
  auto pidfd = OpenPidfd(tree_.pid);
  if (pidfd.ok()) {
    pidfd_ = *std::move(pidfd);
  } else if (pidfd.status().code() != Code::kNotFound) {
    return std::move(pidfd).status();
  }
  stdin_fd = std::move(in.second);
  stdout_fd = std::move(out.first);
  stderr_fd = std::move(err.first);
  return terminal ? SetNonBlocking(terminal.get()) : OkStatus();
}

void ExecProcess::WatchExit(std::function<void(int exit_code)> on_exit) {
  if (!pidfd_) return OnExit(on_exit);
  auto watch = env_->options.loop->Watch(
      pidfd_.get(), EPOLLIN, [this, on_exit = std::move(on_exit)](uint32_t) { OnExit(on_exit); });
  if (watch.ok()) {
    exit_watch_ = *watch;
  } else {
    log::Error("exit of an exec is not watched",
               {{"container", container_->id()}, {"error", watch.status()}});
  }
}

void ExecProcess::OnExit(const std::function<void(int exit_code)>& on_exit) {
  const auto call = on_exit;  // goes with the watch
  StopWatching();
  const auto status = env_->options.reaper->Take(tree_.pid, started_at_);
  // Somebody else's child is not possible: only a process that we did not start has no status.
  call(status ? status->code : 255);
}

void ExecProcess::StopWatching() {
  if (exit_watch_ != 0) env_->options.loop->Unwatch(std::exchange(exit_watch_, 0));
}

Status ExecProcess::Kill(Duration patience) {
  Status killed = tree_.Kill(MonoNow() + patience);
  (void)env_->options.reaper->Take(tree_.pid, started_at_);
  return killed;
}

// A runtime that was killed at its deadline may have got as far as the exec's cgroup.
void ExecProcess::KillHalfStarted() {
  if (tree_.pid <= 0 && tree_.sub_cgroup.path().empty()) return;
  const Status killed = tree_.pid > 0 ? Kill(kHalfStartedKill)
                                      : tree_.sub_cgroup.KillAll(MonoNow() + kHalfStartedKill);
  if (!killed.ok()) {
    log::Warning("exec not killed", {{"container", container_->id()}, {"error", killed}});
  }
}

void ExecProcess::RemoveRecord() {
  // A background child may live on in the sub-cgroup; then the group goes with a later exec, or the
  // container.
  if (!tree_.sub_cgroup.path().empty()) {
    if (auto left = tree_.sub_cgroup.Processes(); left.ok() && left->empty()) {
      (void)tree_.sub_cgroup.EnsureRemoved();
    }
    RemoveLeftGroups(*env_, *container_);
  }
  if (Status s = RemoveTreeAt(Directory()); !s.ok()) {
    log::Warning("exec record not removed", {{"container", container_->id()}, {"error", s}});
  }
}

// The container may have been removed while this exec began, and its cgroup made again as the
// parent of the exec's.
void ExecProcess::DropRemadeCgroup() const {
  if (tree_.sub_cgroup.path().empty() || container_->state() == ContainerState::kRunning) return;
  (void)tree_.container.EnsureRemoved();
}

void KillLeftExecs(const Environment& env, const Container& container, MonoTime until) {
  const std::string top = container.paths().execs();
  auto dir = DirFd::Open(top);
  if (!dir.ok()) return;  // none
  auto names = dir->List();
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    ExecTree tree;
    tree.container = env.CgroupOf(container);
    if (oci::Runtime* runtime = container.runtime(); runtime && runtime->features().exec_cgroup) {
      tree.sub_cgroup = ExecCgroup(env, container, name);
    }
    if (auto pid = ReadFile(JoinPath(top, name) + "/pid"); pid.ok()) {
      tree.pid = ParsePidFile(*pid).value_or(0);
    }
    // Only processes in the container's own cgroup are ever signalled: a reused pid is safe.
    if (tree.pid > 0) (void)tree.Kill(std::min(until, MonoNow() + std::chrono::seconds(1)));
    if (!tree.sub_cgroup.path().empty()) (void)tree.sub_cgroup.EnsureRemoved();
    (void)dir->RemoveTree(name);
  }
}

}  // namespace crisp::pod
