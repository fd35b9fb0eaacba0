#include "pod/exec_sync.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>

#include "base/log.h"
#include "pod/exec_process.h"

namespace crisp::pod {
namespace {

// Together below the 16 MiB that every CRI client accepts, with room for the message's frame.
constexpr size_t kOutputLimit_bytes = (16u << 20) - (64u << 10);
// All commands together: what containers write must not become the daemon's memory. Beyond that
// each still gets what a probe needs (the kubelet keeps 10 KiB).
constexpr size_t kAllOutputLimit_bytes = 64u << 20;
constexpr size_t kSmallOutput_bytes = 64u << 10;
// After the exit: how long pipes may stay open in other hands before the result is given.
constexpr auto kDrainLimit = std::chrono::milliseconds(300);
constexpr auto kPromptKill = std::chrono::seconds(1);
constexpr auto kEndAgain = std::chrono::seconds(1);  // when the lane was full

class ExecSession : public std::enable_shared_from_this<ExecSession> {
 public:
  ExecSession(Environment* env, ExecOutputs* outputs, ContainerPtr container, Duration timeout,
              CancelToken cancel, std::function<void(Result<ExecResult>)> done)
      : env_(env),
        outputs_(outputs),
        container_(std::move(container)),
        timeout_(timeout),
        cancel_(std::move(cancel)),
        done_(std::move(done)) {}

  // On the exec lane.
  void Start(std::vector<std::string> command) {
    ExecPlan plan;
    plan.command = std::move(command);
    plan.stdout_open = plan.stderr_open = true;
    plan.cancel = cancel_;
    // A runtime that hangs must not make a probe of one second wait for a minute.
    if (timeout_ > Duration::zero()) plan.start_limit = timeout_;
    auto launched = ExecProcess::Launch(env_, container_, plan);
    if (!launched.ok()) return done_(std::move(launched).status());
    process_ = *std::move(launched);
    env_->options.loop->Post([self = shared_from_this()] { self->Watch(); });
  }

 private:
  struct Pipe {
    UniqueFd fd;
    EpollLoop::WatchId watch = 0;
    std::string* into = nullptr;
  };

  // From here on everything happens on the loop, but killing.
  void Watch() {
    pipes_[0] = {std::move(process_->stdout_fd), 0, &result_.stdout_data};
    pipes_[1] = {std::move(process_->stderr_fd), 0, &result_.stderr_data};
    EpollLoop& loop = *env_->options.loop;
    const auto self = shared_from_this();
    for (Pipe& pipe : pipes_) {
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
    process_->WatchExit([self](int exit_code) { self->OnExit(exit_code); });
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
      const size_t kept = std::min(Room(), static_cast<size_t>(n));
      pipe->into->append(chunk.data(), kept);
      outputs_->bytes += kept;
    }
  }

  size_t OutputBytes() const { return result_.stdout_data.size() + result_.stderr_data.size(); }

  // How much more output is kept.
  size_t Room() const {
    const auto left = [](size_t limit, size_t used) { return used < limit ? limit - used : 0; };
    const size_t used = OutputBytes();
    return std::min(
        left(kOutputLimit_bytes, used),
        std::max(left(kAllOutputLimit_bytes, outputs_->bytes), left(kSmallOutput_bytes, used)));
  }

  void Close(Pipe* pipe) {
    if (pipe->watch != 0) env_->options.loop->Unwatch(std::exchange(pipe->watch, 0));
    pipe->fd.Reset();
  }

  void OnExit(int exit_code) {
    if (finished_) return;
    exited_ = true;
    result_.exit_code = exit_code;
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
    Answer(std::move(result_));
    EndLater(OkStatus());
  }

  void Abort(Status status) {
    if (finished_) return;
    StopWatching();
    EndLater(std::move(status).Wrap("exec in container ", container_->id().short_str()));
  }

  void StopWatching() {
    finished_ = true;
    outputs_->bytes -= OutputBytes();
    EpollLoop& loop = *env_->options.loop;
    for (Pipe& pipe : pipes_) Close(&pipe);
    process_->StopWatching();
    if (cancel_watch_ != 0) loop.Unwatch(std::exchange(cancel_watch_, 0));
    if (timer_ != 0) loop.Cancel(std::exchange(timer_, 0));
  }

  // A client looks at once (critest), so the answer to a call that is aborted waits for the tree's
  // death, but not long: what sleeps uninterruptibly can take for ever.
  void Answer(Result<ExecResult> result) {
    if (const auto done = std::exchange(done_, nullptr)) done(std::move(result));
  }

  void EndLater(Status abort) {
    const auto self = shared_from_this();
    const Status submitted = env_->options.exec_lane->Submit([self, abort] { self->End(abort); });
    if (submitted.ok()) return;
    // The lane is full, and nobody else will kill this. A daemon that ends leaves it to the next.
    if (!abort.ok()) Answer(abort);
    if (submitted.code() != Code::kResourceExhausted) return;
    env_->options.loop->RunAt(MonoNow() + kEndAgain, [self, abort] { self->EndLater(abort); });
  }

  // On the lane. `abort` OK: it has ended, and that was answered.
  void End(const Status& abort) {
    if (!abort.ok()) {
      Status killed = process_->Kill(kPromptKill);
      if (!killed.ok()) {
        Answer(abort);
        killed = process_->Kill(env_->options.kill_deadline);
      }
      if (!killed.ok()) {
        log::Warning("exec not killed", {{"container", container_->id()}, {"error", killed}});
      }
    }
    process_->RemoveRecord();
    if (!abort.ok()) Answer(abort);
  }

  Environment* const env_;
  ExecOutputs* const outputs_;
  const ContainerPtr container_;
  const Duration timeout_;
  const CancelToken cancel_;
  std::function<void(Result<ExecResult>)> done_;

  std::unique_ptr<ExecProcess> process_;
  std::array<Pipe, 2> pipes_;
  ExecResult result_;
  EpollLoop::WatchId cancel_watch_ = 0;
  EpollLoop::TimerId timer_ = 0;
  bool exited_ = false;
  bool finished_ = false;
};

}  // namespace

void RunExecSync(Environment* env, ExecOutputs* outputs, const ContainerPtr& container,
                 std::vector<std::string> command, Duration timeout, const CancelToken& cancel,
                 std::function<void(Result<ExecResult>)> done) {
  // Shared: when the lane refuses, the session is gone but the answer is still owed.
  auto answer = std::make_shared<std::function<void(Result<ExecResult>)>>(std::move(done));
  auto session = std::make_shared<ExecSession>(
      env, outputs, container, timeout, cancel,
      [answer](Result<ExecResult> result) { (*answer)(std::move(result)); });
  Status submitted = env->options.exec_lane->Submit(
      [session, command = std::move(command)] { session->Start(command); });
  if (!submitted.ok()) (*answer)(submitted);
}

}  // namespace crisp::pod
