#include "base/core/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "base/core/file.h"
#include "base/core/fork_into_cgroup.h"
#include "base/core/pidfd.h"

extern char** environ;  // NOLINT

namespace crisp {
namespace {

struct FileActions {
  posix_spawn_file_actions_t value;
  FileActions() { ::posix_spawn_file_actions_init(&value); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&value); }
};
struct Attributes {
  posix_spawnattr_t value;
  Attributes() { ::posix_spawnattr_init(&value); }
  ~Attributes() { ::posix_spawnattr_destroy(&value); }
};

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// Sources are first lifted above every target number, so that no dup2 overwrites a source that is
// still needed. `lifted` keeps them open until the spawn is done.
Result<DescriptorPlan> PlanDescriptors(const std::vector<std::pair<int, int>>& fds,
                                       std::vector<UniqueFd>* lifted) {
  DescriptorPlan plan;
  int highest = 2;
  for (const auto& [source, target] : fds) highest = std::max(highest, target);
  for (int fd = 0; fd <= 2; ++fd) {
    const bool given =
        std::any_of(fds.begin(), fds.end(), [fd](const auto& p) { return p.second == fd; });
    if (!given) plan.null.push_back(fd);
  }
  for (const auto& [source, target] : fds) {
    UniqueFd copy(::fcntl(source, F_DUPFD_CLOEXEC, highest + 1));
    if (!copy) return Errno("duplicate descriptor ", source);
    plan.dups.emplace_back(copy.get(), target);
    lifted->push_back(std::move(copy));
  }
  // Numbers between the targets may be descriptors of ours that somebody opened without
  // close-on-exec; closing a number that is not open is no error here.
  for (int fd = 3; fd < highest; ++fd) {
    const bool target =
        std::any_of(fds.begin(), fds.end(), [fd](const auto& p) { return p.second == fd; });
    if (!target) plan.closed.push_back(fd);
  }
  plan.close_from = highest + 1;
  return plan;
}

void AddDescriptors(const DescriptorPlan& plan, FileActions* actions) {
  for (int fd : plan.null) {
    ::posix_spawn_file_actions_addopen(&actions->value, fd, "/dev/null", O_RDWR, 0);
  }
  for (const auto& [source, target] : plan.dups) {
    ::posix_spawn_file_actions_adddup2(&actions->value, source, target);
  }
  for (int fd : plan.closed) ::posix_spawn_file_actions_addclose(&actions->value, fd);
  ::posix_spawn_file_actions_addclosefrom_np(&actions->value, plan.close_from);
}

// errno of posix_spawnp, 0 when the child runs.
int PosixSpawn(const SpawnOptions& options, const DescriptorPlan& descriptors, char* const* argv,
               char* const* env, pid_t* pid) {
  FileActions actions;
  Attributes attributes;
  if (!options.working_directory.empty()) {
    ::posix_spawn_file_actions_addchdir_np(&actions.value, options.working_directory.c_str());
  }
  AddDescriptors(descriptors, &actions);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes.value, &none);
  ::posix_spawnattr_setsigdefault(&attributes.value, &all);
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  if (options.new_session) flags |= POSIX_SPAWN_SETSID;
  ::posix_spawnattr_setflags(&attributes.value, flags);
  return ::posix_spawnp(pid, argv[0], &actions.value, &attributes.value, argv, env);
}

std::atomic<uint64_t> g_descriptor_limit{0};
std::atomic<std::optional<int>> g_oom_score{std::nullopt};

// Whether the child needs what posix_spawn cannot do.
bool WantsMore(const SpawnOptions& options) {
  return g_descriptor_limit.load() != 0 || g_oom_score.load() || options.oom_score_adj;
}

ForkRequest MakeForkRequest(const SpawnOptions& options, const DescriptorPlan& descriptors,
                            char* const* argv, char* const* env) {
  ForkRequest request;
  request.cgroup_dir = options.cgroup_dir;
  request.argv = argv;
  request.env = env;
  if (!options.working_directory.empty()) {
    request.working_directory = options.working_directory.c_str();
  }
  request.new_session = options.new_session;
  request.descriptor_limit = g_descriptor_limit.load(std::memory_order_relaxed);
  if (const auto score = options.oom_score_adj ? options.oom_score_adj : g_oom_score.load()) {
    request.oom_score_adj = std::to_string(*score);
  }
  request.descriptors = &descriptors;
  return request;
}

Status MoveToCgroups(pid_t pid, const std::vector<int>& dirs) {
  for (int dir : dirs) {
    CRISP_RETURN_IF_ERROR(WriteControlFile(dir, "cgroup.procs", Cat(pid)));
  }
  return OkStatus();
}

}  // namespace

void SetChildDescriptorLimit(uint64_t soft) { g_descriptor_limit = soft; }

void SetChildOomScore(std::optional<int> score) { g_oom_score = score; }

Result<ChildProcess> ChildProcess::Spawn(const SpawnOptions& options) {
  if (options.place != nullptr) return options.place->Spawn(options);
  if (options.argv.empty()) return InvalidArgument("spawn: empty argument list");
  std::vector<UniqueFd> lifted;
  const DescriptorPlan descriptors = CRISP_TRY(PlanDescriptors(options.fds, &lifted));
  const std::vector<char*> argv = Pointers(options.argv);
  std::vector<char*> own_env;
  if (options.env) own_env = Pointers(*options.env);
  char* const* env = options.env ? own_env.data() : environ;
  std::vector<int> cgroup_dirs = options.cgroup_dirs;
  ChildProcess child;
  child.reaper_ = options.reaper;
  child.leads_group_ = options.new_session;
  child.started_at_ = MonoNow();
  int error = 0;
  ForkResult forked{ForkError::kClone, 0, -1};
  if (options.cgroup_dir >= 0) {
    // A program that must be looked for is left to posix_spawnp.
    if (options.argv[0].find('/') != std::string::npos) {
      forked = ForkIntoCgroup(MakeForkRequest(options, descriptors, argv.data(), env));
    }
    if (forked.failed == ForkError::kClone) cgroup_dirs.push_back(options.cgroup_dir);
  }
  if (forked.failed == ForkError::kClone && WantsMore(options)) {
    forked = VforkAndExec(MakeForkRequest(options, descriptors, argv.data(), env));
    error = forked.error;
    child.pid_ = forked.pid;
  } else if (forked.failed == ForkError::kClone) {
    error = PosixSpawn(options, descriptors, argv.data(), env, &child.pid_);
  } else {
    error = forked.error;
    child.pid_ = forked.pid;
  }
  if (error != 0) {
    child.pid_ = -1;
    Status status = ErrnoStatus(error, Cat("exec ", options.argv[0]));
    return error == ENOENT ? std::move(status).WithCode(Code::kFailedPrecondition) : status;
  }
  // The child cannot be reaped by anyone but Take()/Wait() of this object before pidfd_open: a
  // Reaper may collect it meanwhile, and then the pid is free again; ESRCH says so.
  child.pidfd_ = UniqueFd(::pidfd_open(child.pid_, 0));
  if (!child.pidfd_ && errno != ESRCH) {
    Status status = Errno("pidfd_open for ", options.argv[0]);
    ::kill(child.pid_, SIGKILL);
    if (options.reaper == nullptr) ::waitpid(child.pid_, nullptr, 0);
    child.Detach();
    return status;
  }
  if (Status moved = MoveToCgroups(child.pid_, cgroup_dirs);
      !moved.ok() && moved.sys_errno() != ESRCH) {
    child.KillAndReap();
    return std::move(moved).Wrap("move ", options.argv[0], " to its cgroup");
  }
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      leads_group_(other.leads_group_),
      started_at_(other.started_at_),
      pidfd_(std::move(other.pidfd_)),
      reaper_(other.reaper_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    KillAndReap();
    pid_ = std::exchange(other.pid_, -1);
    leads_group_ = other.leads_group_;
    started_at_ = other.started_at_;
    pidfd_ = std::move(other.pidfd_);
    reaper_ = other.reaper_;
  }
  return *this;
}

ChildProcess::~ChildProcess() { KillAndReap(); }

std::optional<ExitStatus> ChildProcess::Poll() {
  if (pid_ < 0) return std::nullopt;
  std::optional<ExitStatus> status;
  if (reaper_ != nullptr) {
    status = reaper_->Take(pid_, started_at_);
  } else {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG) == 0 &&
        info.si_pid == pid_) {
      status.emplace();
      status->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
      status->code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    }
  }
  if (status) {
    pid_ = -1;
    pidfd_.Reset();
  }
  return status;
}

Result<ExitStatus> ChildProcess::Wait(MonoTime deadline, const CancelToken& cancel) {
  deadline = std::min(deadline, cancel.deadline());
  for (bool dead = false;;) {
    if (auto status = Poll()) return *status;
    if (pid_ < 0) return FailedPrecondition("wait: no child");
    // Somebody else collected it: waiting on would spin for ever.
    if (dead) return Internal("wait: the exit status of process ", pid_, " is lost");
    std::array<pollfd, 2> fds{{{pidfd_.get(), POLLIN, 0}, {cancel.fd(), POLLIN, 0}}};
    const int n = ::poll(fds.data(), fds.size(), PollTimeoutMs(deadline));
    if (n < 0 && errno != EINTR) return Errno("poll child");
    if (n == 0) return DeadlineExceeded("process ", pid_, " did not end in time");
    dead = n > 0 && fds[0].revents != 0;
    if (n > 0 && !dead && fds[1].revents != 0) return Cancelled("the client cancelled the call");
  }
}

Status ChildProcess::Signal(int signal) {
  if (pid_ < 0 || !pidfd_) return OkStatus();
  if (::pidfd_send_signal(pidfd_.get(), signal, nullptr, 0) != 0 && errno != ESRCH) {
    return Errno("signal process ", pid_);
  }
  return OkStatus();
}

void ChildProcess::KillAndReap() {
  if (pid_ < 0) return;
  // Not reaped yet, so the number still names the group that setsid(2) made.
  if (leads_group_) ::kill(-pid_, SIGKILL);
  (void)Signal(SIGKILL);
  // A process in uninterruptible sleep does not die; after this bound the Reaper (or init) gets it.
  (void)Wait(MonoNow() + std::chrono::seconds(10));
  Detach();
}

void ChildProcess::Detach() {
  pid_ = -1;
  pidfd_.Reset();
}

namespace {

// The parent's ends of the child's three standard streams while Run() is under way.
class Streams {
 public:
  Streams(const RunOptions& options, RunOutput* output) : options_(options), output_(output) {}

  Status Open(SpawnOptions* spawn) {
    FdPair in = CRISP_TRY(MakePipe());
    FdPair out = CRISP_TRY(MakePipe());
    FdPair err = CRISP_TRY(MakePipe());
    spawn->fds.insert(spawn->fds.end(),
                      {{in.first.get(), 0}, {out.second.get(), 1}, {err.second.get(), 2}});
    in_ = std::move(in.second);
    out_ = std::move(out.first);
    err_ = std::move(err.first);
    child_ends_[0] = std::move(in.first);
    child_ends_[1] = std::move(out.second);
    child_ends_[2] = std::move(err.second);
    for (int fd : {in_.get(), out_.get(), err_.get()}) CRISP_RETURN_IF_ERROR(SetNonBlocking(fd));
    return OkStatus();
  }
  void CloseChildEnds() {
    for (UniqueFd& fd : child_ends_) fd.Reset();
    if (options_.stdin_data.empty()) in_.Reset();
  }
  int in() const { return in_.get(); }
  int out() const { return out_.get(); }
  int err() const { return err_.get(); }

  Status Pump() {
    Feed();
    Drain(&err_, &output_->stderr_data, options_.stderr_limit_bytes);
    if (!Drain(&out_, &output_->stdout_data, options_.stdout_limit_bytes)) {
      return ResourceExhausted(options_.argv[0], ": more than ", options_.stdout_limit_bytes,
                               " bytes of output");
    }
    return OkStatus();
  }

 private:
  void Feed() {
    while (in_) {
      const std::string_view rest = std::string_view(options_.stdin_data).substr(fed_);
      if (rest.empty()) return in_.Reset();
      const ssize_t n = ::write(in_.get(), rest.data(), rest.size());
      if (n < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) in_.Reset();  // EPIPE: the child reads no more
        return;
      }
      fed_ += static_cast<size_t>(n);
    }
  }
  // False when the limit was passed; the rest is dropped either way. Reads at most one full pipe
  // of the largest size that an unprivileged program can ask for (pipe(7): 1 MiB), so that a child
  // that writes without end does not keep us from its deadline.
  static bool Drain(UniqueFd* fd, std::string* into, size_t limit) {
    bool within = true;
    std::array<char, 16384> chunk;
    for (size_t total = 0; *fd && total < (1u << 20);) {
      const ssize_t n = ::read(fd->get(), chunk.data(), chunk.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) break;
      if (n <= 0) {
        fd->Reset();
        break;
      }
      total += static_cast<size_t>(n);
      const size_t room = limit - into->size();
      if (static_cast<size_t>(n) > room) within = false;
      into->append(chunk.data(), std::min(room, static_cast<size_t>(n)));
    }
    return within;
  }

  const RunOptions& options_;
  RunOutput* output_;
  UniqueFd in_, out_, err_;
  std::array<UniqueFd, 3> child_ends_;
  size_t fed_ = 0;
};

}  // namespace

Result<RunOutput> Run(const RunOptions& options) {
  RunOutput output;
  Streams streams(options, &output);
  SpawnOptions spawn = options;
  CRISP_RETURN_IF_ERROR(streams.Open(&spawn));
  const MonoTime deadline = std::min(options.deadline, options.cancel.deadline());
  ChildProcess child = CRISP_TRY(ChildProcess::Spawn(spawn));
  streams.CloseChildEnds();
  for (bool dead = false;;) {
    const auto status = child.Poll();
    if (Status pumped = streams.Pump(); !pumped.ok()) {
      child.KillAndReap();
      return pumped;
    }
    if (status) {
      output.status = *status;
      return output;
    }
    if (dead) return Internal(options.argv[0], ": its exit status is lost");
    // Not only when poll(2) times out: a chatty child always has something to read.
    if (MonoNow() >= deadline) {
      child.KillAndReap();
      return DeadlineExceeded(options.argv[0], ": did not end in time and was killed");
    }
    std::array<pollfd, 5> fds{{{child.pidfd(), POLLIN, 0},
                               {options.cancel.fd(), POLLIN, 0},
                               {streams.out(), POLLIN, 0},
                               {streams.err(), POLLIN, 0},
                               {streams.in(), POLLOUT, 0}}};
    const int n = ::poll(fds.data(), fds.size(), PollTimeoutMs(deadline));
    if (n < 0 && errno != EINTR) return Errno("poll ", options.argv[0]);
    dead = n > 0 && fds[0].revents != 0;
    if (n > 0 && !dead && fds[1].revents != 0) {
      child.KillAndReap();
      return Cancelled(options.argv[0], ": the client cancelled the call");
    }
  }
}

}  // namespace crisp
