#include "network/config_watch.h"

#include <sys/epoll.h>

#include <utility>

#include "base/log.h"

namespace crisp::network {
namespace {
constexpr auto kAskAgain = std::chrono::seconds(5);
}  // namespace

ConfigWatch::ConfigWatch(std::string dir, EpollLoop* loop)
    : dir_(std::move(dir)), loop_(loop), directory_({dir_}) {}

Result<std::shared_ptr<ConfigWatch>> ConfigWatch::Start(std::string dir, EpollLoop* loop) {
  if (!dir.starts_with('/')) {
    return InvalidArgument("CNI configuration directory '", dir, "': wanted an absolute path");
  }
  std::shared_ptr<ConfigWatch> watch(new ConfigWatch(std::move(dir), loop));
  if (watch->directory_.fd() < 0) return ResourceExhausted("watch ", watch->dir_, ": no inotify");
  (void)watch->directory_.TakeChanged();
  watch->Reload();
  // Weak: the callback must not keep alive what its owner has given up.
  watch->watch_id_ = CRISP_TRY(
      loop->Watch(watch->directory_.fd(), EPOLLIN, [weak = std::weak_ptr(watch)](uint32_t) {
        if (const auto self = weak.lock()) self->OnReadable();
      }));
  loop->Post([weak = std::weak_ptr(watch)] {
    if (const auto self = weak.lock()) self->AskAgainIfUnwatched();
  });
  return watch;
}

ConfigWatch::~ConfigWatch() {
  if (watch_id_ != 0) loop_->Unwatch(watch_id_);
}

std::shared_ptr<const ConfigSnapshot> ConfigWatch::snapshot() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
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

void ConfigWatch::OnReadable() {
  if (directory_.TakeChanged()) Reload();
  AskAgainIfUnwatched();
}

void ConfigWatch::AskAgainIfUnwatched() {
  if (directory_.reliable() || std::exchange(will_ask_, true)) return;
  loop_->RunAt(MonoNow() + kAskAgain, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->will_ask_ = false;
    self->OnReadable();
  });
}

}  // namespace crisp::network
