#include "server/cli/run_pod.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/ids.h"
#include "server/cli/cri_log.h"

namespace crisp::cli {
namespace {

constexpr char kLogName[] = "0.log";
constexpr int64_t kStopGrace_s = 10;
// A daemon that is restarted meanwhile does not end the container.
constexpr auto kDaemonAway = std::chrono::seconds(60);
constexpr auto kPodTimeout = std::chrono::minutes(4);
// Between two looks at the container's state; the log itself comes by inotify.
constexpr int kFirstPoll_ms = 20;
constexpr int kSlowestPoll_ms = 250;

void Say(const std::string& text) { std::fprintf(stderr, "crisp: %s\n", text.c_str()); }

// SIGINT and SIGTERM as a descriptor.
class Interrupts {
 public:
  static Result<Interrupts> Open() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGINT);
    ::sigaddset(&set, SIGTERM);
    UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return Errno("signalfd");
    return Interrupts(std::move(fd));
  }
  int fd() const { return fd_.get(); }
  // Takes one that has arrived; false when there is none.
  bool Take() {
    signalfd_siginfo info;
    return ::read(fd_.get(), &info, sizeof(info)) == sizeof(info);
  }

 private:
  explicit Interrupts(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// A directory for the log, removed with it unless kept.
class LogDirectory {
 public:
  static Result<LogDirectory> Make() {
    const char* base = std::getenv("TMPDIR");
    std::string path =
        JoinPath(base != nullptr && *base == '/' ? base : "/tmp", "crisp-run-XXXXXX");
    if (::mkdtemp(path.data()) == nullptr) return Errno("make ", path);
    return LogDirectory(std::move(path));
  }
  LogDirectory(LogDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  LogDirectory& operator=(LogDirectory&&) = delete;
  ~LogDirectory() {
    if (path_.empty()) return;
    const Status removed = RemoveTreeAt(path_);
    if (!removed.ok()) Say(removed.message());
  }
  const std::string& path() const { return path_; }
  void Keep() { path_.clear(); }

 private:
  explicit LogDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

class PodRun {
 public:
  PodRun(Client* client, const RunRequest& request, Interrupts interrupts, LogDirectory logs)
      : client_(client),
        request_(request),
        interrupts_(std::move(interrupts)),
        logs_(std::move(logs)) {}

  Result<int> Run() {
    Result<int> code = UntilExit();
    if (request_.keep && !pod_id_.empty()) {
      Say(Cat("kept pod ", pod_id_, " with its log in ", logs_.path()));
      logs_.Keep();
      return code;
    }
    const Status removed = Remove();
    if (code.ok() && !removed.ok()) return removed;
    if (!removed.ok()) Say(Cat("clean up: ", removed.message()));
    return code;
  }

 private:
  CallOptions Interruptible(Duration timeout) const { return {timeout, interrupts_.fd()}; }

  // Calls that make something are not cut short, or what they made would have no owner: an
  // interrupt is noticed between them.
  Status CheckInterrupt() {
    return interrupts_.Take() ? Cancelled("interrupted before the container ran") : OkStatus();
  }

  Result<int> UntilExit() {
    const std::string image = CRISP_TRY(EnsureImage());
    const std::string uid = RandomHex(16);
    v1::RunPodSandboxRequest pod;
    *pod.mutable_config() = MakePodConfig(request_, uid, logs_.path());
    pod.set_runtime_handler(request_.runtime);
    pod_id_ = CRISP_TRY(client_->RunPodSandbox(pod, {.timeout = kPodTimeout}));
    CRISP_RETURN_IF_ERROR(CheckInterrupt());

    v1::CreateContainerRequest create;
    create.set_pod_sandbox_id(pod_id_);
    *create.mutable_config() = MakeContainerConfig(request_, image);
    *create.mutable_sandbox_config() = pod.config();
    container_id_ = CRISP_TRY(client_->CreateContainer(create, {.timeout = kPodTimeout}));
    CRISP_RETURN_IF_ERROR(CheckInterrupt());
    LogFollower log = CRISP_TRY(LogFollower::Open(JoinPath(logs_.path(), kLogName)));
    CRISP_RETURN_IF_ERROR(client_->StartContainer(container_id_, {.timeout = kPodTimeout}));
    return Follow(&log);
  }

  Result<std::string> EnsureImage() {
    const auto present = CRISP_TRY(client_->ImageStatus(request_.image));
    if (present.has_image()) return present.image().id();
    Say(Cat("pulling ", request_.image));
    v1::PullImageRequest pull;
    pull.mutable_image()->set_image(request_.image);
    return CRISP_TRY(client_->PullImage(pull, Interruptible(Duration::zero()))).image_ref();
  }

  // Shows the log until the container has exited.
  Result<int> Follow(LogFollower* log) {
    int wait_ms = kFirstPoll_ms;
    MonoTime answered = MonoNow();
    for (;;) {
      std::array<pollfd, 2> waits = {{{log->fd(), POLLIN, 0}, {interrupts_.fd(), POLLIN, 0}}};
      ::poll(waits.data(), waits.size(), wait_ms);
      if (waits[1].revents != 0) CRISP_RETURN_IF_ERROR(OnInterrupt());
      // Before the log is read: all that it wrote is in the file when it counts as exited.
      Result<v1::ContainerStatus> status = client_->ContainerStatus(container_id_);
      CRISP_RETURN_IF_ERROR(log->Drain(STDOUT_FILENO, STDERR_FILENO).Wrap("show log"));
      if (status.ok() && status->state() == v1::CONTAINER_EXITED) {
        if (!status->message().empty()) Say(status->message());
        return status->exit_code();
      }
      if (status.ok()) {
        answered = MonoNow();
      } else if (status.status().code() != Code::kUnavailable ||
                 MonoNow() - answered > kDaemonAway) {
        return std::move(status).status();
      }
      wait_ms = waits[0].revents != 0 ? kFirstPoll_ms : std::min(wait_ms * 2, kSlowestPoll_ms);
    }
  }

  Status OnInterrupt() {
    if (!interrupts_.Take()) return OkStatus();
    Say("stopping (once more: kill)");
    // A second interrupt ends this call, and the container is killed instead.
    Status stopped = client_->StopContainer(container_id_, kStopGrace_s,
                                            Interruptible(std::chrono::seconds(kStopGrace_s + 60)));
    if (stopped.code() == Code::kCancelled) {
      interrupts_.Take();
      stopped = client_->StopContainer(container_id_, 0, {.timeout = std::chrono::minutes(1)});
    }
    return std::move(stopped).Wrap("stop container");
  }

  Status Remove() {
    if (pod_id_.empty()) return OkStatus();
    CRISP_RETURN_IF_ERROR(client_->StopPodSandbox(pod_id_).Wrap("stop pod ", pod_id_));
    return client_->RemovePodSandbox(pod_id_).Wrap("remove pod ", pod_id_);
  }

  Client* client_;
  const RunRequest& request_;
  Interrupts interrupts_;
  LogDirectory logs_;
  std::string pod_id_;
  std::string container_id_;
};

}  // namespace

v1::PodSandboxConfig MakePodConfig(const RunRequest& request, const std::string& uid,
                                   const std::string& log_directory) {
  v1::PodSandboxConfig out;
  const std::string name =
      request.pod_name.empty() ? Cat("run-", uid.substr(0, 8)) : request.pod_name;
  out.mutable_metadata()->set_name(name);
  out.mutable_metadata()->set_namespace_("crisp");
  out.mutable_metadata()->set_uid(uid);  // random, so that equal names do not collide
  if (!request.host_network) out.set_hostname(name.substr(0, 63));
  out.set_log_directory(log_directory);
  (*out.mutable_labels())["io.kubernetes.pod.name"] = name;
  (*out.mutable_labels())["io.kubernetes.pod.namespace"] = "crisp";
  (*out.mutable_labels())["io.kubernetes.pod.uid"] = uid;
  auto* namespaces = out.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  namespaces->set_network(request.host_network ? v1::NODE : v1::POD);
  namespaces->set_pid(v1::CONTAINER);
  return out;
}

v1::ContainerConfig MakeContainerConfig(const RunRequest& request, const std::string& image_id) {
  v1::ContainerConfig out;
  out.mutable_metadata()->set_name("main");
  out.mutable_image()->set_image(image_id);
  out.mutable_image()->set_user_specified_image(request.image);
  for (const std::string& argument : request.args) out.add_args(argument);
  for (const auto& [key, value] : request.env) {
    v1::KeyValue* variable = out.add_envs();
    variable->set_key(key);
    variable->set_value(value);
  }
  out.set_log_path(kLogName);
  (*out.mutable_labels())["io.kubernetes.container.name"] = "main";
  auto* security = out.mutable_linux()->mutable_security_context();
  auto* namespaces = security->mutable_namespace_options();
  namespaces->set_network(request.host_network ? v1::NODE : v1::POD);
  namespaces->set_pid(v1::CONTAINER);
  security->mutable_seccomp()->set_profile_type(v1::SecurityProfile::RuntimeDefault);
  return out;
}

Result<int> RunPod(Client* client, const RunRequest& request) {
  PodRun run(client, request, CRISP_TRY(Interrupts::Open()), CRISP_TRY(LogDirectory::Make()));
  return run.Run();
}

}  // namespace crisp::cli
