#include "pod/exec_sync.h"

#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/core/dir_fd.h"
#include "base/core/pidfd.h"
#include "base/log.h"
#include "pod/exec_tree.h"

namespace crisp::pod {
namespace {

// Together below the 16 MiB that every CRI client accepts, with room for the message's frame.
constexpr size_t kOutputLimit_bytes = (16u << 20) - (64u << 10);
// After the exit: how long pipes may stay open in other hands before the result is given.
constexpr auto kDrainLimit = std::chrono::milliseconds(300);

CgroupDir ExecCgroup(const oci::Runtime& runtime, const CgroupDir& container,
                     const std::string& name) {
  return CgroupDir(&runtime.exec_cgroup_layout(), JoinPath(container.path(), Cat("exec-", name)));
}

class ExecSession : public std::enable_shared_from_this<ExecSession> {
 public:
  ExecSession(Environment* env, ContainerPtr container, Duration timeout, CancelToken cancel,
              std::function<void(Result<ExecResult>)> done)
      : env_(env),
        container_(std::move(container)),
        timeout_(timeout),
        cancel_(std::move(cancel)),
        done_(std::move(done)),
        name_(RandomHex(8)) {}

  // On the exec lane.
  void Start(std::vector<std::string> command) {
    if (Status status = Launch(std::move(command)); !status.ok()) {
      RemoveRecord();
      done_(std::move(status).Wrap("exec in container ", container_->id().short_str()));
      return;
    }
    env_->options.loop->Post([self = shared_from_this()] { self->Watch(); });
  }

 private:
  struct Pipe {
    UniqueFd fd;
    EpollLoop::WatchId watch = 0;
    std::string* into = nullptr;
  };

  std::string Directory() const { return JoinPath(container_->paths().execs(), name_); }

  Status Launch(std::vector<std::string> command) {
    CRISP_RETURN_IF_ERROR(EnsureDirectory(Directory(), 0700));
    const std::string config = CRISP_TRY(ReadFile(container_->paths().config_json()));
    oci::Process process = CRISP_TRY(oci::ProcessFromSpecJson(config));
    process.args = std::move(command);
    process.terminal = false;
    const std::string json_path = Directory() + "/process.json";
    CRISP_RETURN_IF_ERROR(WriteFile(json_path, CRISP_TRY(oci::ToJson(process)), 0600));

    FdPair out = CRISP_TRY(MakePipe());
    FdPair err = CRISP_TRY(MakePipe());
    oci::ExecRequest request;
    request.container = container_->id();
    request.process_json_path = json_path;
    request.pid_file = Directory() + "/pid";
    request.stdout_fd = out.second.get();
    request.stderr_fd = err.second.get();
    request.deadline = MonoNow() + env_->options.runtime_deadline;
    request.cancel = cancel_;
    tree_.container =
        container_->Cgroup(env_->options.cgroup_layout, env_->options.default_cgroup_parent);
    if (container_->runtime()->features().exec_cgroup) {
      request.sub_cgroup = Cat("exec-", name_);
      tree_.sub_cgroup = ExecCgroup(*container_->runtime(), tree_.container, name_);
      CRISP_RETURN_IF_ERROR(tree_.sub_cgroup.EnsureCreated());
    }
    started_at_ = MonoNow();
    tree_.pid = CRISP_TRY(container_->runtime()->ExecDetached(request));
    // ESRCH: it ended and was collected already; its status waits in the Reaper.
    pidfd_ = UniqueFd(::pidfd_open(tree_.pid, 0));
    pipes_[0].fd = std::move(out.first);
    pipes_[1].fd = std::move(err.first);
    return OkStatus();
  }

  // From here on everything happens on the loop, but killing.
  void Watch() {
    pipes_[0].into = &result_.stdout_data;
    pipes_[1].into = &result_.stderr_data;
    EpollLoop& loop = *env_->options.loop;
    const auto self = shared_from_this();
    for (Pipe& pipe : pipes_) {
      (void)SetNonBlocking(pipe.fd.get());
      auto watch =
          loop.Watch(pipe.fd.get(), EPOLLIN, [self, &pipe](uint32_t) { self->OnReadable(&pipe); });
      if (watch.ok()) pipe.watch = *watch;
    }
    if (cancel_.fd() >= 0) {
      auto watch = loop.Watch(cancel_.fd(), EPOLLIN, [self](uint32_t) {
        self->Abort(Cancelled("the client is gone; the command was killed"));
      });
      if (watch.ok()) cancel_watch_ = *watch;
    }
    if (timeout_ > Duration::zero()) {
      timer_ = loop.RunAt(MonoNow() + timeout_, [self] {
        const auto seconds =
            std::chrono::duration_cast<std::chrono::seconds>(self->timeout_).count();
        self->Abort(DeadlineExceeded("command timed out: timeout ", seconds, "s exceeded"));
      });
    }
    if (!pidfd_) return OnExit();
    auto watch = loop.Watch(pidfd_.get(), EPOLLIN, [self](uint32_t) { self->OnExit(); });
    if (watch.ok()) exit_watch_ = *watch;
  }

  void OnReadable(Pipe* pipe) {
    std::array<char, 65536> chunk;
    // Bounded: one busy command must not keep the loop.
    for (int round = 0; round < 16; ++round) {
      const ssize_t n = ::read(pipe->fd.get(), chunk.data(), chunk.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        Close(pipe);
        if (exited_ && !pipes_[0].fd && !pipes_[1].fd) Finish();
        return;
      }
      const size_t used = result_.stdout_data.size() + result_.stderr_data.size();
      const size_t room = used < kOutputLimit_bytes ? kOutputLimit_bytes - used : 0;
      pipe->into->append(chunk.data(), std::min(room, static_cast<size_t>(n)));
    }
  }

  void Close(Pipe* pipe) {
    if (pipe->watch != 0) env_->options.loop->Unwatch(std::exchange(pipe->watch, 0));
    pipe->fd.Reset();
  }

  void OnExit() {
    if (exited_) return;
    const auto status = env_->options.reaper->Take(tree_.pid, started_at_);
    // Somebody else's child is not possible: only a process that we did not start has no status.
    exited_ = true;
    result_.exit_code = status ? status->code : 255;
    if (exit_watch_ != 0) env_->options.loop->Unwatch(std::exchange(exit_watch_, 0));
    if (timer_ != 0) env_->options.loop->Cancel(timer_);
    timer_ = 0;
    for (Pipe& pipe : pipes_) {
      if (pipe.fd) OnReadable(&pipe);
    }
    if (finished_) return;
    if (!pipes_[0].fd && !pipes_[1].fd) return Finish();
    // A background child holds the pipes: give what is there, and do not hang.
    timer_ = env_->options.loop->RunAt(MonoNow() + kDrainLimit,
                                       [self = shared_from_this()] { self->Finish(); });
  }

  void Finish() {
    if (finished_) return;
    StopWatching();
    RemoveRecordLater(/*kill=*/false, Result<ExecResult>(std::move(result_)));
  }

  void Abort(Status status) {
    if (finished_) return;
    StopWatching();
    RemoveRecordLater(/*kill=*/true,
                      std::move(status).Wrap("exec in container ", container_->id().short_str()));
  }

  void StopWatching() {
    finished_ = true;
    EpollLoop& loop = *env_->options.loop;
    for (Pipe& pipe : pipes_) Close(&pipe);
    if (exit_watch_ != 0) loop.Unwatch(std::exchange(exit_watch_, 0));
    if (cancel_watch_ != 0) loop.Unwatch(std::exchange(cancel_watch_, 0));
    if (timer_ != 0) loop.Cancel(std::exchange(timer_, 0));
  }

  // The answer is given when the tree is dead: a client looks at once (critest).
  void RemoveRecordLater(bool kill, Result<ExecResult> result) {
    auto shared = std::make_shared<Result<ExecResult>>(std::move(result));
    const auto self = shared_from_this();
    if (!kill) {
      done_(std::move(*shared));
      done_ = nullptr;
    }
    Status submitted = env_->options.exec_lane->Submit([self, kill, shared] {
      if (kill) self->KillTree();
      self->RemoveRecord();
      if (kill) self->done_(std::move(*shared));
    });
    if (!submitted.ok() && kill) done_(submitted);
  }

  void KillTree() {
    Status killed = tree_.Kill(MonoNow() + env_->options.kill_deadline);
    if (!killed.ok()) {
      log::Warning("exec not killed", {{"container", container_->id()}, {"error", killed}});
    }
    (void)env_->options.reaper->Take(tree_.pid, started_at_);
  }

  void RemoveRecord() {
    // A background child may live on in the sub-cgroup; then the group goes with the container.
    if (!tree_.sub_cgroup.path().empty()) {
      if (auto left = tree_.sub_cgroup.Processes(); left.ok() && left->empty()) {
        (void)tree_.sub_cgroup.EnsureRemoved();
      }
    }
    if (Status s = RemoveTreeAt(Directory()); !s.ok()) {
      log::Warning("exec record not removed", {{"container", container_->id()}, {"error", s}});
    }
  }

  Environment* const env_;
  const ContainerPtr container_;
  const Duration timeout_;
  const CancelToken cancel_;
  std::function<void(Result<ExecResult>)> done_;
  const std::string name_;

  ExecTree tree_;
  MonoTime started_at_;
  UniqueFd pidfd_;
  std::array<Pipe, 2> pipes_;
  ExecResult result_;
  EpollLoop::WatchId exit_watch_ = 0;
  EpollLoop::WatchId cancel_watch_ = 0;
  EpollLoop::TimerId timer_ = 0;
  bool exited_ = false;
  bool finished_ = false;
};

}  // namespace

void RunExecSync(Environment* env, const ContainerPtr& container, std::vector<std::string> command,
                 Duration timeout, const CancelToken& cancel,
                 std::function<void(Result<ExecResult>)> done) {
  // Shared: when the lane refuses, the session is gone but the answer is still owed.
  auto answer = std::make_shared<std::function<void(Result<ExecResult>)>>(std::move(done));
  auto session = std::make_shared<ExecSession>(
      env, container, timeout, cancel,
      [answer](Result<ExecResult> result) { (*answer)(std::move(result)); });
  Status submitted = env->options.exec_lane->Submit(
      [session, command = std::move(command)] { session->Start(command); });
  if (!submitted.ok()) (*answer)(submitted);
}

void KillLeftExecs(const Environment& env, const Container& container) {
  const std::string top = container.paths().execs();
  auto dir = DirFd::Open(top);
  if (!dir.ok()) return;  // none
  auto names = dir->List();
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    ExecTree tree;
    tree.container = container.Cgroup(env.options.cgroup_layout, env.options.default_cgroup_parent);
    if (oci::Runtime* runtime = container.runtime(); runtime && runtime->features().exec_cgroup) {
      tree.sub_cgroup = ExecCgroup(*runtime, tree.container, name);
    }
    if (auto pid = ReadFile(JoinPath(top, name) + "/pid"); pid.ok()) {
      const std::string_view text = Trim(*pid);
      std::from_chars(text.data(), text.data() + text.size(), tree.pid);
    }
    // Only processes in the container's own cgroup are ever signalled: a reused pid is safe.
    if (tree.pid > 0) (void)tree.Kill(MonoNow() + std::chrono::seconds(1));
    if (!tree.sub_cgroup.path().empty()) (void)tree.sub_cgroup.EnsureRemoved();
    (void)dir->RemoveTree(name);
  }
}

}  // namespace crisp::pod
