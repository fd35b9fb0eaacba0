#include "server/daemon.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <thread>
#include <vector>

#include "base/cgroup_dir.h"
#include "base/core/epoll_loop.h"
#include "base/core/file.h"
#include "base/core/launch_cgroup.h"
#include "base/core/reaper.h"
#include "base/lane.h"
#include "base/telemetry.h"
#include "oci/apparmor.h"
#include "oci/cdi.h"
#include "oci/hooks.h"
#include "server/instance_lock.h"
#include "server/metrics/http_endpoint.h"
#include "server/metrics/prometheus_text.h"
#include "server/prerequisites.h"
#include "server/room_options.h"
#include "server/rpc/server.h"
#include "server/streaming/sessions.h"
#include "server/streaming/streaming_server.h"

namespace crisp {
namespace {

constexpr size_t kMaxQueuedCalls = 4096;
// No operation on a pod takes as long unless it waits for something that hangs.
constexpr auto kStuckAfter = std::chrono::seconds(5);
// Threads of the pull lane for each pull that may be at work: the others wait for a slow registry
// or for their turn.
constexpr int64_t kPullsForEachAtWork = 8;
constexpr auto kEmptyHelpers = std::chrono::seconds(10);
constexpr auto kHelperPatience = std::chrono::seconds(5);
constexpr auto kSessionsEnd = std::chrono::seconds(3);  // streaming clients at a stop
constexpr auto kCutOff = std::chrono::seconds(10);      // beyond timeouts.shutdown

// A cgroup for processes of crisp's own, held open for those who start them.
struct OwnedCgroup {
  CgroupDir group;
  std::vector<UniqueFd> dirs;
  std::unique_ptr<LaunchCgroup> place;

  std::vector<int> fds() const {
    std::vector<int> out;
    for (const UniqueFd& dir : dirs) out.push_back(dir.get());
    return out;
  }
  Status OpenPlace(const CgroupLayout& layout) {
    place = CRISP_TRY(LaunchCgroup::Open(CRISP_TRY(group.OpenDirs()), layout.v2));
    return OkStatus();
  }
  // Once nothing runs in it any more; the next daemon makes it anew.
  void Remove() {
    if (dirs.empty()) return;
    place.reset();
    dirs.clear();
    const Status removed = group.EnsureRemoved();
    if (!removed.ok()) log::Debug("cgroup stays", {{"cgroup", group.path()}, {"error", removed}});
  }
  // What an earlier daemon left in it gets `patience` to end by itself and is then killed. A CNI
  // DEL that is killed half way can leave rules that no later DEL knows of.
  static Result<OwnedCgroup> OpenEmpty(const CgroupLayout* layout, const std::string& path,
                                       Duration patience) {
    const CgroupDir dir(layout, path);
    CRISP_RETURN_IF_ERROR(dir.EnsureCreated());
    if (Status empty = dir.AwaitEmpty(MonoNow() + patience); !empty.ok()) {
      log::Warning("left processes are killed", {{"cgroup", path}, {"why", empty}});
    }
    Status killed = dir.KillAll(MonoNow() + kEmptyHelpers);
    // A SIGKILL waits for whom sleeps uninterruptibly; pods need not wait for him, too.
    if (killed.code() == Code::kDeadlineExceeded) {
      log::Error("left processes cannot be killed", {{"cgroup", path}, {"why", killed}});
    } else {
      CRISP_RETURN_IF_ERROR(std::move(killed).Wrap("empty cgroup ", path));
    }
    auto dirs = CRISP_TRY(dir.OpenDirs());  // not within the braces: g++ 12 would lose `dir`
    return OwnedCgroup{dir, std::move(dirs), nullptr};
  }
};

// Ends the process when taking the daemon down takes too long.
class Watchdog {
 public:
  explicit Watchdog(Duration patience)
      : thread_([this, patience] {
          std::unique_lock lock(mutex_);
          if (changed_.wait_for(lock, patience, [this] { return done_; })) return;
          log::Error("the daemon does not come to an end; exiting without it");
          ::_exit(1);
        }) {}
  ~Watchdog() {
    {
      std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;  // last: it uses the others
};

// cri-contract section 19.20. Nodes without CAP_SYS_RESOURCE refuse it (DESIGN section 6).
// The daemon is protected, what it runs is not: runtimes leave their own score to containers that
// are to have 0, and crun to every exec.
void LowerOomScore() {
  const Status written = WriteControlFile(AT_FDCWD, "/proc/self/oom_score_adj", "-999");
  if (!written.ok()) log::Info("oom_score_adj stays as it is", {{"error", written}});
  const auto score = ReadFile("/proc/self/oom_score_adj", 64);
  if (score.ok() && score->starts_with('-')) SetChildOomScore(0);
}

}  // namespace

// In order of building; destroyed in reverse.
struct Daemon::Parts {
  Parts(config::Config c, Logging* l) : config(std::move(c)), logging(l) {}
  ~Parts();

  Status Lock();
  Status StartLoop();
  Status MakeCgroups();
  Status OpenRuntimes();
  Status OpenRooms();
  template <typename Catalog>
  Status Follow(Catalog* catalog);
  Status OpenStreaming();
  Status Serve();
  void StopThreads();

  rpc::CurrentConfig config;
  Logging* logging;
  InstanceLock root_lock;
  InstanceLock state_lock;
  Telemetry telemetry;
  Reaper reaper;
  std::unique_ptr<EpollLoop> loop;
  UniqueFd child_signals;
  std::thread loop_thread;
  CgroupLayout cgroup_layout;
  CgroupDir own_parent;          // of the groups of crisp's own processes
  bool own_parent_made = false;  // by this daemon, which takes it away again
  OwnedCgroup helper_cgroup;
  OwnedCgroup pull_cgroup;
  std::map<std::string, std::unique_ptr<oci::Runtime>> runtimes;
  std::string default_handler;
  std::unique_ptr<oci::CdiCatalog> cdi;
  std::unique_ptr<oci::HookCatalog> hooks;
  std::unique_ptr<network::Network> network;
  std::unique_ptr<image::ImageService> images;
  std::unique_ptr<Lane> work_lane;
  std::unique_ptr<Lane> pull_lane;
  std::unique_ptr<Lane> exec_lane;
  std::unique_ptr<pod::PodService> pods;
  std::unique_ptr<streaming::StreamingServer> streaming;
  std::unique_ptr<metrics::HttpEndpoint> metrics;
  std::unique_ptr<rpc::Server> server;
};

Daemon::Parts::~Parts() {
  StopThreads();
  server.reset();
  metrics.reset();
  streaming.reset();
  // Execs that are still running hold their containers.
  if (loop != nullptr) loop->DropCallbacks();
  pods.reset();
  images.reset();
  network.reset();
  runtimes.clear();
  // Now nobody starts anything in them any more.
  helper_cgroup.Remove();
  pull_cgroup.Remove();
  if (own_parent_made) own_parent.RemoveIfEmpty();
}

Status Daemon::Parts::Lock() {
  const auto c = config.Get();
  root_lock = CRISP_TRY(InstanceLock::Acquire(c->root, 0711));
  state_lock = CRISP_TRY(InstanceLock::Acquire(c->state, 0711));
  return OkStatus();
}

Status Daemon::Parts::StartLoop() {
  CRISP_RETURN_IF_ERROR(Reaper::BecomeSubreaper());
  loop = CRISP_TRY(EpollLoop::Create());
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  child_signals = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!child_signals) return Errno("signalfd");
  const auto on_child = [this](uint32_t) {
    signalfd_siginfo info;
    while (::read(child_signals.get(), &info, sizeof(info)) == sizeof(info)) {
    }
    reaper.ReapAll();
  };
  CRISP_RETURN_IF_ERROR(loop->Watch(child_signals.get(), EPOLLIN, on_child).status());
  loop_thread = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "loop");
    loop->Run();
  });
  return OkStatus();
}

Status Daemon::Parts::MakeCgroups() {
  cgroup_layout = CRISP_TRY(CgroupLayout::Detect());
  const auto c = config.Get();
  own_parent = CgroupDir(&cgroup_layout, c->own_cgroup_parent);
  own_parent_made = c->own_cgroup_parent != "/" && !own_parent.Exists();
  helper_cgroup =
      CRISP_TRY(OwnedCgroup::OpenEmpty(&cgroup_layout, OwnCgroup(*c, "helpers"), kHelperPatience));
  CRISP_RETURN_IF_ERROR(helper_cgroup.OpenPlace(cgroup_layout));
  pull_cgroup =
      CRISP_TRY(OwnedCgroup::OpenEmpty(&cgroup_layout, OwnCgroup(*c, "pull"), Duration::zero()));
  return OkStatus();
}

Status Daemon::Parts::OpenRuntimes() {
  const auto c = config.Get();
  Status first_failure;
  for (const auto& [name, unused] : c->runtimes) {
    oci::RuntimeOptions options = ToRuntimeOptions(*c, name);
    CRISP_RETURN_IF_ERROR(EnsureDirectory(options.root, 0711));
    options.cgroup_layout = &cgroup_layout;
    options.helper_place = helper_cgroup.place.get();
    options.reaper = &reaper;
    options.telemetry = &telemetry;
    Result<std::unique_ptr<oci::Runtime>> opened = oci::Runtime::Open(std::move(options));
    if (opened.ok()) {
      log::Info("runtime", {{"handler", name},
                            {"kind", (*opened)->features().kind},
                            {"version", (*opened)->features().version}});
      runtimes[name] = std::move(*opened);
      continue;
    }
    Status failure = std::move(opened).status().Wrap("runtimes.", name);
    // One that was merely found in PATH, or that no pod needs by default, must not stop a node.
    const bool needed = name == c->default_runtime && !c->default_runtime_found;
    if (needed) return failure;
    log::Warning("runtime left out", {{"handler", name}, {"error", failure}});
    if (first_failure.ok()) first_failure = std::move(failure);
  }
  if (runtimes.empty()) return std::move(first_failure).Wrap("no runtime works here");
  default_handler =
      runtimes.contains(c->default_runtime) ? c->default_runtime : runtimes.begin()->first;
  config::Config effective = *c;
  effective.default_runtime = default_handler;
  config.Set(std::move(effective));
  return OkStatus();
}

// Reads the catalog now and, on a lane, when its files change: Status shows their mistakes. Without
// inotify it is as old as the last container that wanted it.
template <typename Catalog>
Status Daemon::Parts::Follow(Catalog* catalog) {
  catalog->Refresh();
  if (catalog->watch_fd() < 0) return OkStatus();
  // Edge-triggered: the queue is emptied on the lane, or by a container that is being made. One job
  // waits at a time, however often something changes.
  const auto pending = std::make_shared<std::atomic<bool>>(false);
  const auto changed = [this, catalog, pending](uint32_t) {
    if (pending->exchange(true)) return;
    const Status posted = work_lane->Submit([catalog, pending] {
      pending->store(false);  // first: what changes from now on may be missed by this reading
      catalog->Refresh();
    });
    if (posted.ok()) return;
    pending->store(false);
    log::Debug("changed files are read later", {{"why", posted}});
  };
  return loop->Watch(catalog->watch_fd(), EPOLLIN | EPOLLET, changed).status();
}

Status Daemon::Parts::OpenRooms() {
  const auto c = config.Get();
  network::Options network_options = ToNetworkOptions(*c);
  network_options.helper_place = helper_cgroup.place.get();
  network_options.reaper = &reaper;
  network_options.loop = loop.get();
  network_options.telemetry = &telemetry;
  network = CRISP_TRY(network::Network::Open(std::move(network_options)).Wrap("network"));

  const oci::SelinuxHost selinux = CRISP_TRY(oci::ReadSelinuxHost(ToSelinuxMode(*c)));
  image::Options image_options = ToImageOptions(*c);
  if (selinux.enabled) {
    image_options.prepare_layers = [label = selinux.ro_file](const std::string& layers) {
      return oci::LabelStore(layers, label);
    };
  }
  image_options.pull_cgroup_dirs = pull_cgroup.fds();
  image_options.reaper = &reaper;
  image_options.telemetry = &telemetry;
  images = CRISP_TRY(image::ImageService::Open(std::move(image_options)).Wrap("images"));

  const auto lane = [&](const char* name, int64_t threads, Duration stuck_after) {
    return std::make_unique<Lane>(name, static_cast<size_t>(threads), kMaxQueuedCalls, &telemetry,
                                  stuck_after);
  };
  work_lane = lane("work", c->lanes.work, kStuckAfter);
  // Pulls take long; who is stuck the image service knows.
  pull_lane = lane("pull", c->lanes.pull * kPullsForEachAtWork, Duration::max());
  exec_lane = lane("exec", c->lanes.exec, kStuckAfter);

  hooks = std::make_unique<oci::HookCatalog>(c->hooks_dirs);
  CRISP_RETURN_IF_ERROR(Follow(hooks.get()).Wrap("hooks_dirs"));
  if (!c->cdi.spec_dirs.empty()) {
    cdi = std::make_unique<oci::CdiCatalog>(ToCdiOptions(*c));
    CRISP_RETURN_IF_ERROR(Follow(cdi.get()).Wrap("cdi.spec_dirs"));
  }

  pod::Options pod_options = ToPodOptions(*c);
  pod_options.selinux = selinux;
  pod_options.cdi = cdi.get();
  pod_options.hooks = hooks.get();
  pod_options.cgroup_layout = &cgroup_layout;
  pod_options.loop = loop.get();
  pod_options.reaper = &reaper;
  pod_options.work_lane = work_lane.get();
  pod_options.exec_lane = exec_lane.get();
  pod_options.telemetry = &telemetry;
  pod_options.images = images.get();
  pod_options.network = network.get();
  for (const auto& [name, runtime] : runtimes) pod_options.runtimes[name] = runtime.get();
  pods = CRISP_TRY(pod::PodService::Open(std::move(pod_options)).Wrap("pods"));
  // Behind the start: a compiler runs for it. Whom the lane refuses, the next container serves.
  (void)work_lane->Submit([this] { oci::RefreshDefaultApparmor(oci::ReadHostFacts(), &reaper); });
  return OkStatus();
}

Status Daemon::Parts::OpenStreaming() {
  const auto c = config.Get();
  if (c->streaming.address.empty()) return OkStatus();
  streaming::Options options = ToStreamingOptions(*c);
  options.starters = {streaming::StartExecSession, streaming::StartAttachSession,
                      streaming::StartForward};
  options.pods = pods.get();
  options.telemetry = &telemetry;
  streaming = CRISP_TRY(streaming::StreamingServer::Open(std::move(options)).Wrap("streaming"));
  return OkStatus();
}

Status Daemon::Parts::Serve() {
  const auto c = config.Get();
  if (!c->metrics_address.empty()) {
    metrics = CRISP_TRY(metrics::HttpEndpoint::Open(c->metrics_address, loop.get(), [this] {
                          return metrics::PrometheusText(telemetry) + metrics::ProcessText();
                        }).Wrap("metrics.address"));
  }
  rpc::Backend backend;
  backend.config = &config;
  backend.pods = pods.get();
  backend.images = images.get();
  backend.network = network.get();
  backend.streaming = streaming.get();
  backend.work_lane = work_lane.get();
  backend.pull_lane = pull_lane.get();
  backend.default_handler = default_handler;
  backend.left_out = [this] {
    std::vector<std::string> out = hooks->Problems();
    if (cdi == nullptr) return out;
    for (std::string& problem : cdi->Problems()) out.push_back(std::move(problem));
    return out;
  };
  server = CRISP_TRY(rpc::Server::Open(c->socket, std::move(backend), &telemetry));
  return OkStatus();
}

// Calls first (their answers need lanes and loop), then the streaming sessions (what they open
// comes from the lanes), then the lanes (their jobs need the loop), then the loop; what is
// destroyed afterwards meets no other thread.
void Daemon::Parts::StopThreads() {
  if (server != nullptr) server->Shutdown(MonoNow() + config.Get()->timeouts.shutdown);
  if (streaming != nullptr) streaming->Shutdown(MonoNow() + kSessionsEnd);
  for (Lane* lane : {work_lane.get(), pull_lane.get(), exec_lane.get()}) {
    if (lane != nullptr) lane->Shutdown();
  }
  if (loop_thread.joinable()) {
    loop->Stop();
    loop_thread.join();
  }
}

Daemon::Daemon(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Daemon::~Daemon() { Stop(); }

Result<std::unique_ptr<Daemon>> Daemon::Open(config::Config config, Logging* logging) {
  std::vector<Status> missing = MissingPrerequisites(config);
  if (!missing.empty()) return std::move(missing.front());
  auto parts = std::make_unique<Parts>(std::move(config), logging);
  CRISP_RETURN_IF_ERROR(parts->Lock());
  LowerOomScore();
  CRISP_RETURN_IF_ERROR(parts->StartLoop());
  CRISP_RETURN_IF_ERROR(parts->MakeCgroups());
  CRISP_RETURN_IF_ERROR(parts->OpenRuntimes());
  CRISP_RETURN_IF_ERROR(parts->OpenRooms());
  CRISP_RETURN_IF_ERROR(parts->OpenStreaming());
  CRISP_RETURN_IF_ERROR(parts->Serve());
  return std::unique_ptr<Daemon>(new Daemon(std::move(parts)));
}

Status Daemon::Reload(const config::Config& next) {
  const auto now = parts_->config.Get();
  config::Config effective = *now;
  effective.log = next.log;
  effective.image.registries = next.image.registries;
  effective.image.pinned = next.image.pinned;
  effective.image.decryption_keys_path = next.image.decryption_keys_path;
  // Not a setting but the files behind it, which the next connection would read again as well:
  // first, because there is nothing to take back.
  if (parts_->streaming != nullptr) {
    CRISP_RETURN_IF_ERROR(parts_->streaming->ReloadCertificates().Wrap("streaming"));
  }
  // Log and images (they read registries.conf) can fail: all or nothing.
  CRISP_RETURN_IF_ERROR(parts_->logging->Apply(effective.log));
  if (Status images = parts_->images->Reload(ToReloadable(effective)); !images.ok()) {
    const Status back = parts_->logging->Apply(now->log);
    if (!back.ok()) log::Warning("the log stays at its new target", {{"error", back}});
    return images;
  }
  for (const std::string& key : config::Compare(effective, next).need_restart) {
    if (key == "default_runtime" && next.default_runtime_found) continue;  // chosen at start
    log::Warning("setting changed, but it needs a restart", {{"key", key}});
  }
  for (const std::string& key : config::Compare(*now, effective).reloadable) {
    log::Info("setting reloaded", {{"key", key}});
  }
  parts_->config.Set(std::move(effective));
  return OkStatus();
}

void Daemon::Stop() {
  if (parts_ == nullptr) return;
  const Watchdog watchdog(parts_->config.Get()->timeouts.shutdown + kCutOff);
  parts_.reset();
}

}  // namespace crisp
