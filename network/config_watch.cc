#include "network/config_watch.h"

#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "base/core/file.h"
#include "base/log.h"

namespace crisp::network {
namespace {

// IN_CLOSE_WRITE and not IN_MODIFY: a file that is being written is half a configuration.
// IN_ATTRIB: a chmod may make a file readable.
constexpr uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_TO | IN_MOVED_FROM |
                             IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

// "/etc/cni/net.d" -> {"/", "etc"}, {"/etc", "cni"}, {"/etc/cni", "net.d"}, {"/etc/cni/net.d", ""}
std::vector<std::pair<std::string, std::string>> Components(const std::string& path) {
  std::vector<std::pair<std::string, std::string>> out;
  std::string done = "/";
  std::string_view rest = path;
  for (;;) {
    rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
    const std::string name(rest.substr(0, rest.find('/')));
    out.emplace_back(done, name);
    if (name.empty()) return out;
    done = JoinPath(done, name);
    rest.remove_prefix(name.size());
  }
}

// A file that was just made by open(2) is still empty, and IN_CLOSE_WRITE will follow; a symbolic
// or hard link is complete and raises nothing else.
bool IsLink(const std::string& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return true;
  return !S_ISREG(st.st_mode) || st.st_nlink > 1;
}

}  // namespace

ConfigWatch::ConfigWatch(std::string dir, EpollLoop* loop, UniqueFd inotify)
    : dir_(std::move(dir)), loop_(loop), inotify_(std::move(inotify)) {}

Result<std::shared_ptr<ConfigWatch>> ConfigWatch::Start(std::string dir, EpollLoop* loop) {
  if (!dir.starts_with('/')) {
    return InvalidArgument("CNI configuration directory '", dir, "': wanted an absolute path");
  }
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return Errno("watch ", dir, ": inotify_init1");
  std::shared_ptr<ConfigWatch> watch(new ConfigWatch(std::move(dir), loop, std::move(inotify)));
  watch->EnsureWatches();
  watch->Reload();
  // Weak: the callback must not keep alive what its owner has given up.
  watch->watch_id_ = CRISP_TRY(
      loop->Watch(watch->inotify_.get(), EPOLLIN, [weak = std::weak_ptr(watch)](uint32_t) {
        if (const auto self = weak.lock()) self->OnReadable();
      }));
  return watch;
}

ConfigWatch::~ConfigWatch() {
  if (watch_id_ != 0) loop_->Unwatch(watch_id_);
}

std::shared_ptr<const ConfigSnapshot> ConfigWatch::snapshot() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
}

void ConfigWatch::EnsureWatches() {
  std::map<int, std::string> now;
  for (const auto& [path, next] : Components(dir_)) {
    // The same directory gives the same descriptor again, so nothing is doubled.
    const int wd = ::inotify_add_watch(inotify_.get(), path.c_str(), kEvents);
    if (wd < 0) {
      if (errno != ENOENT && errno != ENOTDIR) {
        log::Warning("cni configuration is not watched", {{"error", Errno("watch ", path)}});
      }
      break;
    }
    now[wd] = next;
  }
  for (const auto& [wd, next] : watched_) {
    if (!now.contains(wd)) ::inotify_rm_watch(inotify_.get(), wd);
  }
  watched_ = std::move(now);
}

void ConfigWatch::Reload() {
  auto fresh = std::make_shared<const ConfigSnapshot>(LoadConfigDir(dir_));
  std::shared_ptr<const ConfigSnapshot> old;
  {
    std::lock_guard lock(mutex_);
    old = std::exchange(snapshot_, fresh);
  }
  if (!fresh->skipped.empty() && (!old || old->skipped != fresh->skipped)) {
    log::Warning("cni configuration skipped", {{"dir", dir_}, {"why", fresh->skipped}});
  }
  const Readiness& readiness = fresh->readiness;
  if (old && old->readiness.ready == readiness.ready &&
      old->readiness.config_json == readiness.config_json) {
    return;
  }
  if (readiness.ready) {
    log::Info("cni configuration loaded", {{"file", readiness.config_file}});
  } else {
    log::Info("network is not ready", {{"why", readiness.message}});
  }
}

bool ConfigWatch::Matters(const inotify_event& event) const {
  if ((event.mask & IN_Q_OVERFLOW) != 0) return true;
  if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0) return true;
  const auto it = watched_.find(event.wd);
  if (it == watched_.end() || event.len == 0) return false;
  const std::string_view name = event.name;
  if (!it->second.empty()) {
    return name == it->second &&
           (event.mask & (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB)) != 0;
  }
  return (event.mask & IN_CREATE) == 0 || IsLink(JoinPath(dir_, name));
}

void ConfigWatch::OnReadable() {
  bool matters = false;
  alignas(inotify_event) char buffer[8192];
  for (;;) {
    const ssize_t n = ::read(inotify_.get(), buffer, sizeof(buffer));
    if (n <= 0) {
      if (n < 0 && errno == EINTR) continue;
      break;
    }
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      matters = matters || Matters(*event);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
  if (!matters) return;
  EnsureWatches();
  Reload();
}

}  // namespace crisp::network
