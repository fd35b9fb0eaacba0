#include "pod/streaming.h"

#include <sys/socket.h>

#include "base/answer_on.h"
#include "base/netns_handle.h"
#include "pod/exec_drain.h"
#include "pod/exec_process.h"

namespace crisp::pod {
namespace {

constexpr auto kAttachDeadline = std::chrono::seconds(5);

Status CheckStreams(bool stdin_open, bool stdout_open, bool stderr_open, bool terminal) {
  if (terminal && stderr_open) {
    return InvalidArgument("tty and stderr exclude each other: a terminal has one output");
  }
  if (!stdin_open && !stdout_open && !stderr_open) {
    return InvalidArgument("one of stdin, stdout and stderr must be asked for");
  }
  return OkStatus();
}

// A command between its start and its exit: lives as long as either a session or the loop has it.
class RunningExec : public std::enable_shared_from_this<RunningExec> {
 public:
  RunningExec(Environment* env, std::unique_ptr<ExecProcess> process)
      : env_(env), process_(std::move(process)) {}

  ExecProcess& process() { return *process_; }

  void Start() {
    env_->options.loop->Post([self = shared_from_this()] {
      self->process_->WatchExit([self](int exit_code) { self->OnExit(exit_code); });
    });
  }

  void SetCallback(std::function<void(int)> callback) {
    std::lock_guard lock(mutex_);
    callback_ = std::move(callback);
    if (exit_code_ && callback_) {
      env_->options.loop->Post([self = shared_from_this()] { self->Tell(); });
    }
  }

  void Drain(UniqueFd fd) { DrainOutput(env_->options.loop, std::move(fd)); }

 private:
  void OnExit(int exit_code) {
    {
      std::lock_guard lock(mutex_);
      exit_code_ = exit_code;
    }
    Tell();
    const auto remove = [self = shared_from_this()] { self->process_->RemoveRecord(); };
    // A full lane is no reason to leave a directory behind.
    if (!env_->options.exec_lane->Submit(remove).ok()) remove();
  }

  // Under the lock: after SetCallback(nullptr) nothing is called any more.
  void Tell() {
    std::lock_guard lock(mutex_);
    if (const auto call = std::exchange(callback_, nullptr)) call(*exit_code_);
  }

  Environment* const env_;
  const std::unique_ptr<ExecProcess> process_;

  std::mutex mutex_;  // guards what follows
  std::optional<int> exit_code_;
  std::function<void(int)> callback_;
};

class Streams final : public ExecStreams {
 public:
  explicit Streams(std::shared_ptr<RunningExec> exec) : exec_(std::move(exec)) {
    stdin_fd = std::move(exec_->process().stdin_fd);
    stdout_fd = std::move(exec_->process().stdout_fd);
    stderr_fd = std::move(exec_->process().stderr_fd);
    terminal = std::move(exec_->process().terminal);
  }
  ~Streams() override {
    exec_->SetCallback(nullptr);
    stdin_fd.Reset();
    for (UniqueFd* output : {&stdout_fd, &stderr_fd, &terminal}) exec_->Drain(std::move(*output));
  }
  void OnExit(std::function<void(int exit_code)> callback) override {
    exec_->SetCallback(std::move(callback));
  }

 private:
  const std::shared_ptr<RunningExec> exec_;
};

}  // namespace

Result<ContainerPtr> Streaming::GetRunning(const std::string& id) const {
  ContainerPtr container = CRISP_TRY(env_->registry.GetContainer(id));
  switch (container->state()) {
    case ContainerState::kRunning:
      return container;
    case ContainerState::kExited:
      return FailedPrecondition("container ", container->id().short_str(), " has exited");
    case ContainerState::kCreating:
    case ContainerState::kCreated:
      break;
  }
  return FailedPrecondition("container ", container->id().short_str(), " is not running yet");
}

Result<ContainerPtr> Streaming::GetForExec(const std::string& id) const {
  ContainerPtr container = CRISP_TRY(GetRunning(id));
  CRISP_TRY(container->sandbox()->ConfiguredRuntime());
  return container;
}

Result<SandboxPtr> Streaming::GetReady(const std::string& id) const {
  SandboxPtr sandbox = CRISP_TRY(env_->registry.GetSandbox(id));
  if (sandbox->state() == SandboxState::kReady) return sandbox;
  return FailedPrecondition("sandbox ", sandbox->id().short_str(), " is not ready");
}

Status Streaming::CheckExec(const v1::ExecRequest& request) const {
  if (request.container_id().empty()) return InvalidArgument("exec: container_id is empty");
  if (request.cmd().empty()) return InvalidArgument("exec: cmd is empty");
  CRISP_RETURN_IF_ERROR(
      CheckStreams(request.stdin(), request.stdout(), request.stderr(), request.tty())
          .Wrap("exec"));
  return GetForExec(request.container_id()).status().Wrap("exec");
}

Status Streaming::CheckAttach(const v1::AttachRequest& request) const {
  if (request.container_id().empty()) return InvalidArgument("attach: container_id is empty");
  CRISP_RETURN_IF_ERROR(
      CheckStreams(request.stdin(), request.stdout(), request.stderr(), request.tty())
          .Wrap("attach"));
  return GetRunning(request.container_id()).status().Wrap("attach");
}

Status Streaming::CheckPortForward(const v1::PortForwardRequest& request) const {
  if (request.pod_sandbox_id().empty()) {
    return InvalidArgument("port-forward: pod_sandbox_id is empty");
  }
  for (const int32_t port : request.port()) {
    if (port < 1 || port > 65535) {
      return InvalidArgument("port-forward: port ", port, " is not between 1 and 65535");
    }
  }
  return GetReady(request.pod_sandbox_id()).status().Wrap("port-forward");
}

void Streaming::OpenExec(v1::ExecRequest request, TerminalSize size, const CancelToken& cancel,
                         Done<std::unique_ptr<ExecStreams>> done) {
  AnswerOn(
      *env_->options.exec_lane, std::move(done),
      [this, request = std::move(request), size, cancel]() -> Result<std::unique_ptr<ExecStreams>> {
        // Afterwards it is not looked at: a command that may have begun is not cut off.
        CRISP_RETURN_IF_ERROR(cancel.Check());
        const ContainerPtr container = CRISP_TRY(GetForExec(request.container_id()));
        ExecPlan plan;
        plan.command = {request.cmd().begin(), request.cmd().end()};
        plan.stdin_open = request.stdin();
        plan.stdout_open = request.stdout();
        plan.stderr_open = request.stderr();
        plan.terminal = request.tty();
        plan.size = size;
        auto exec = std::make_shared<RunningExec>(
            env_, CRISP_TRY(ExecProcess::Launch(env_, container, plan)));
        auto streams = std::make_unique<Streams>(exec);
        exec->Start();
        return std::unique_ptr<ExecStreams>(std::move(streams));
      });
}

void Streaming::OpenAttach(v1::AttachRequest request, const CancelToken& cancel,
                           Done<std::unique_ptr<oci::AttachConnection>> done) {
  AnswerOn(*env_->options.exec_lane, std::move(done),
           [this, request = std::move(request),
            cancel]() -> Result<std::unique_ptr<oci::AttachConnection>> {
             CRISP_RETURN_IF_ERROR(cancel.Check());
             const ContainerPtr container = CRISP_TRY(GetRunning(request.container_id()));
             oci::AttachConnection::Streams streams;
             streams.stdin_open = request.stdin();
             streams.stdout_open = request.stdout();
             streams.stderr_open = request.stderr() && !request.tty();
             auto opened = oci::AttachConnection::Open(container->paths().state(), streams,
                                                       MonoNow() + kAttachDeadline);
             if (opened.ok()) return opened;
             Status status = std::move(opened).status();
             // The end of a container is seen a moment after its monitor's.
             if (status.code() == Code::kNotFound) {
               status =
                   Status(Code::kFailedPrecondition,
                          Cat("it has exited, or its monitor is gone (", status.message(), ")"));
             }
             return std::move(status).Wrap("container ", container->id().short_str());
           });
}

Result<UniqueFd> Streaming::MakePodSocket(const std::string& sandbox_id, int family) const {
  const SandboxPtr sandbox = CRISP_TRY(GetReady(sandbox_id));
  UniqueFd made;
  const auto make = [&]() -> Status {
    made.Reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return made ? OkStatus() : Errno("socket");
  };
  if (sandbox->host_network()) {
    CRISP_RETURN_IF_ERROR(make());
  } else {
    const NetnsHandle netns = CRISP_TRY(NetnsHandle::Open(sandbox->paths().net()));
    CRISP_RETURN_IF_ERROR(netns.Run(make).Wrap("sandbox ", sandbox->id().short_str()));
  }
  return made;
}

}  // namespace crisp::pod
