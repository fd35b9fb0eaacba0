#include "pod/seccomp_notifier.h"

#include <linux/seccomp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/console_socket.h"
#include "base/core/file.h"
#include "base/core/passed_descriptor.h"
#include "base/log.h"

namespace crisp::pod {
namespace {

constexpr const char* kAnnotations[] = {"io.crisp.seccompNotifierAction",
                                        "io.kubernetes.cri-o.seccompNotifierAction"};
constexpr char kSocketName[] = "seccomp.sock";
constexpr size_t kMaxPeers = 64;
constexpr size_t kMaxMessage_bytes = 256 << 10;
constexpr size_t kMaxSeries = 1000;  // of the metric: pods come and go, series stay
constexpr size_t kMaxCalls = 64;     // named in a container's message
constexpr int kBurst = 16;
constexpr auto kRest = std::chrono::milliseconds(10);
constexpr auto kPeerTime = std::chrono::seconds(10);
constexpr auto kStopAfter = std::chrono::seconds(5);

std::string Listed(const std::map<std::string, uint64_t>& calls) {
  std::string out;
  for (const auto& [call, count] : calls) {
    out += Cat(out.empty() ? "" : ", ", call, " (", count, "x)");
  }
  return Cat("system calls blocked by the seccomp profile: ", out);
}

bool NamesNotifier(const std::vector<std::string>& allowed_annotations) {
  return std::any_of(std::begin(kAnnotations), std::end(kAnnotations), [&](const char* key) {
    return oci::AllowsAnnotation(allowed_annotations, key);
  });
}

std::string NameOf(const Container& container) {
  const v1::PodSandboxMetadata& pod = container.sandbox()->config().metadata();
  return Cat(pod.namespace_(), '/', pod.name(), '/', container.config().metadata().name());
}

}  // namespace

std::string SeccompNotifierAction(const v1::PodSandboxConfig& pod) {
  for (const char* key : kAnnotations) {
    const auto at = pod.annotations().find(key);
    if (at != pod.annotations().end()) return at->second.empty() ? "log" : at->second;
  }
  return {};
}

bool AllowsSeccompNotifier(const Environment& env, const oci::Runtime* runtime) {
  if (env.options.seccomp_notifier) return true;
  for (const auto& [handler, other] : env.options.runtimes) {
    if (runtime != nullptr && runtime != other) continue;
    if (NamesNotifier(other->options().allowed_annotations)) return true;
  }
  const std::vector<Workload>& workloads = env.options.workloads;
  return runtime == nullptr &&
         std::any_of(workloads.begin(), workloads.end(), [](const Workload& workload) {
           return NamesNotifier(workload.allowed_annotations);
         });
}

bool WantsSeccompNotifier(const Environment& env, const Sandbox& sandbox) {
  if (SeccompNotifierAction(sandbox.config()).empty() || sandbox.runtime() == nullptr) return false;
  if (AllowsSeccompNotifier(env, sandbox.runtime())) return true;
  const auto workload = FindWorkload(env.options.workloads, sandbox.config());
  return workload.ok() && *workload != nullptr && NamesNotifier((*workload)->allowed_annotations);
}

std::string SeccompListenerPath(const std::string& state) { return JoinPath(state, kSocketName); }

Status SeccompNotifier::Open() {
  if (!AllowsSeccompNotifier(*env_, nullptr)) return OkStatus();
  const std::string path = SeccompListenerPath(env_->options.state);
  // Runtimes connect to the path as it stands in the spec.
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return InvalidArgument("seccomp_notifier: ", path, " is longer than a socket's path may be (",
                           sizeof(sockaddr_un::sun_path) - 1, " bytes); set a shorter state");
  }
  directory_ = CRISP_TRY(OpenFile(env_->options.state, O_PATH | O_DIRECTORY));
  socket_ = CRISP_TRY(ListenUnix(directory_.get(), kSocketName, SOCK_STREAM));
  watch_ = CRISP_TRY(
      env_->options.loop->Watch(socket_.get(), EPOLLIN, [this](uint32_t) { OnConnection(); }));
  return OkStatus();
}

SeccompNotifier::~SeccompNotifier() {
  EpollLoop& loop = *env_->options.loop;
  if (watch_ != 0) loop.Unwatch(watch_);
  while (!peers_.empty()) DropPeer(peers_.begin()->first);
  while (!listeners_.empty()) DropListener(listeners_.begin()->first);
  for (auto& [container, seen] : seen_) {
    if (seen.timer != 0) loop.Cancel(seen.timer);
  }
  if (socket_) ::unlinkat(directory_.get(), kSocketName, 0);
}

void SeccompNotifier::OnConnection() {
  for (;;) {
    UniqueFd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    if (peers_.size() >= kMaxPeers) continue;  // closed: that create fails, and says so
    const Id id = next_id_++;
    Peer& peer = peers_[id];
    peer.socket = std::move(socket);
    auto watch =
        env_->options.loop->Watch(peer.socket.get(), EPOLLIN, [this, id](uint32_t) { OnPeer(id); });
    if (!watch.ok()) {
      log::Warning("seccomp listener", {{"error", watch.status()}});
      peers_.erase(id);
      continue;
    }
    peer.watch = *watch;
    peer.timer = env_->options.loop->RunAt(MonoNow() + kPeerTime, [this, id] {
      log::Warning("a runtime connected to the seccomp notifier and said nothing");
      DropPeer(id);
    });
  }
}

void SeccompNotifier::OnPeer(Id id) {
  Peer& peer = peers_.at(id);
  char buffer[16384];
  iovec part{buffer, sizeof(buffer)};
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t n = ::recvmsg(peer.socket.get(), &message, MSG_CMSG_CLOEXEC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (UniqueFd fd = TakeDescriptor(&message); fd && !peer.listener) peer.listener = std::move(fd);
  if (n > 0) peer.text.append(buffer, static_cast<size_t>(n));
  auto data = oci::ParseListenerMessage(peer.text);
  const bool incomplete = data.status().code() == Code::kUnavailable;
  if (incomplete && n > 0 && peer.text.size() < kMaxMessage_bytes) return;
  if (data.ok() && peer.listener) {
    AddListener(std::move(peer.listener), std::move(data).value());
  } else {
    log::Warning("a runtime's message to the seccomp notifier is no use",
                 {{"error", data.ok() ? Status(DataLoss("no descriptor")) : data.status()}});
  }
  DropPeer(id);
}

void SeccompNotifier::DropPeer(Id id) {
  const auto at = peers_.find(id);
  if (at == peers_.end()) return;
  if (at->second.timer != 0) env_->options.loop->Cancel(at->second.timer);
  env_->options.loop->Unwatch(at->second.watch);
  peers_.erase(at);
}

void SeccompNotifier::AddListener(UniqueFd fd, oci::SeccompListenerData data) {
  const Id id = next_id_++;
  auto watch = env_->options.loop->Watch(fd.get(), EPOLLIN,
                                         [this, id](uint32_t events) { OnListener(id, events); });
  if (!watch.ok()) {
    log::Warning("seccomp listener", {{"error", watch.status()}});
    return;
  }
  log::Debug("seccomp listener", {{"container", data.container_id}});
  ++seen_[data.container_id].listeners;
  Listener& listener = listeners_[id];
  listener.fd = std::move(fd);
  listener.data = std::move(data);
  listener.watch = *watch;
}

void SeccompNotifier::OnListener(Id id, uint32_t events) {
  Listener& listener = listeners_.at(id);
  int answered = 0;
  while (answered < kBurst && AnswerOne(listener)) ++answered;
  // EPOLLHUP: no process has the filter any more.
  const bool ended = (events & (EPOLLHUP | EPOLLERR)) != 0;
  if (answered == 0 && (ended || listener.broken)) return DropListener(id);
  if (answered < kBurst) return;
  EpollLoop& loop = *env_->options.loop;
  if (!loop.Modify(listener.watch, 0).ok()) return;
  listener.rest = loop.RunAt(MonoNow() + kRest, [this, id] {
    const auto at = listeners_.find(id);
    if (at == listeners_.end()) return;
    at->second.rest = 0;
    (void)env_->options.loop->Modify(at->second.watch, EPOLLIN);
  });
}

void SeccompNotifier::DropListener(Id id) {
  const auto at = listeners_.find(id);
  EpollLoop& loop = *env_->options.loop;
  if (at->second.rest != 0) loop.Cancel(at->second.rest);
  loop.Unwatch(at->second.watch);
  const auto seen = seen_.find(at->second.data.container_id);
  // A stop that is due stays due: this filter may have been an exec's.
  if (seen != seen_.end() && --seen->second.listeners == 0 && seen->second.timer == 0) {
    seen_.erase(seen);
  }
  listeners_.erase(at);
}

// Only what poll(2) has announced is received: SECCOMP_IOCTL_NOTIF_RECV would wait otherwise, and
// it does not know O_NONBLOCK. What was announced can still be gone, and that is ENOENT.
bool SeccompNotifier::AnswerOne(Listener& listener) {
  pollfd announced{listener.fd.get(), POLLIN, 0};
  if (::poll(&announced, 1, 0) != 1 || (announced.revents & POLLIN) == 0) return false;
  // Newer kernels may know longer structures than these headers; they take the shorter ones.
  seccomp_notif request{};
  if (::ioctl(listener.fd.get(), SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
    listener.broken = errno != ENOENT && errno != EINTR;
    return errno == ENOENT;
  }
  const std::string call = oci::SyscallName(request.data.arch, request.data.nr);
  Record(listener.data.container_id, call);
  const auto own = listener.data.of_calls.find(call);
  seccomp_notif_resp answer{};
  answer.id = request.id;
  answer.error = -(own == listener.data.of_calls.end() ? listener.data.errno_ret : own->second);
  // ENOENT: the process died while it waited.
  (void)::ioctl(listener.fd.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
  return true;
}

void SeccompNotifier::Count(const Container& container, const std::string& call) {
  env_->options.telemetry
      ->GetCounter(
          "crisp_pod_seccomp_blocked_total",
          "System calls that containers' seccomp profiles blocked.",
          {{"container", series_ < kMaxSeries ? NameOf(container) : "others"}, {"syscall", call}})
      .Add();
}

void SeccompNotifier::Record(const std::string& container_id, const std::string& call) {
  const auto found = env_->registry.GetContainer(container_id);
  if (!found.ok()) return;
  const ContainerPtr& container = *found;
  Seen& seen = seen_[container_id];
  const bool first = !seen.calls.contains(call);
  if (first && seen.calls.size() >= kMaxCalls) return;
  if (first) {
    ++series_;
    log::Warning("seccomp blocked a system call",
                 {{"container", container->id()}, {"name", NameOf(*container)}, {"syscall", call}});
  }
  ++seen.calls[call];
  Count(*container, call);
  container->Update([&](ContainerRow& row) { row.blocked_syscalls = Listed(seen.calls); });
  if (seen.stopping || SeccompNotifierAction(container->sandbox()->config()) != "stop") return;
  seen.stopping = true;
  seen.timer = env_->options.loop->RunAt(MonoNow() + kStopAfter,
                                         [this, container_id] { Stop(container_id); });
}

void SeccompNotifier::Stop(const std::string& container_id) {
  if (const auto seen = seen_.find(container_id); seen != seen_.end()) {
    seen->second.timer = 0;
    if (seen->second.listeners == 0) seen_.erase(seen);
  }
  const auto found = env_->registry.GetContainer(container_id);
  if (!found.ok() || (*found)->state() != ContainerState::kRunning) return;
  const ContainerPtr container = *found;
  container->Update([](ContainerRow& row) { row.seccomp_killed = true; });
  log::Warning("container is stopped for blocked system calls", {{"container", container_id}});
  stopper_->Stop(container, Duration::zero(), CancelToken(), [container](Status stopped) {
    if (stopped.ok()) return;
    container->Update([](ContainerRow& row) { row.seccomp_killed = false; });
    log::Error("container not stopped", {{"container", container->id()}, {"error", stopped}});
  });
}

}  // namespace crisp::pod
