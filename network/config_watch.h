// ConfigWatch: keeps the snapshot of the configuration directory current, without polling.
//
// What:     inotify watches on the directory and on every directory above it, so that it is
// followed
//           when it does not exist yet, is removed and made again, or is replaced by a rename
//           anywhere along the path.
// Contract: inotify(7).
// Threads:  Start on any thread; reloads happen on the loop's thread; snapshot() from any thread
//           (a mutex is held for the copy of a pointer).
// Lifetime: the loop must outlive it. It may be released from any thread, also while an event is
//           being handled.
// Errors:   Start fails when the kernel gives no inotify instance; a directory that cannot be read
//           is a snapshot that says so.
#ifndef CRISP_NETWORK_CONFIG_WATCH_H_
#define CRISP_NETWORK_CONFIG_WATCH_H_

#include <sys/inotify.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/core/epoll_loop.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "network/config_dir.h"

namespace crisp::network {

class ConfigWatch {
 public:
  // `dir` must be absolute. The first snapshot is there when it returns.
  static Result<std::shared_ptr<ConfigWatch>> Start(std::string dir, EpollLoop* loop);
  ~ConfigWatch();

  std::shared_ptr<const ConfigSnapshot> snapshot() const;

 private:
  ConfigWatch(std::string dir, EpollLoop* loop, UniqueFd inotify);
  // Watches what exists of the path, from the top, and forgets the rest. Because each directory is
  // watched before the next one is looked for, one that appears meanwhile raises an event.
  void EnsureWatches();
  void Reload();
  void OnReadable();
  // True when the event may have changed the configuration or the path to it.
  bool Matters(const inotify_event& event) const;

  const std::string dir_;
  EpollLoop* const loop_;
  const UniqueFd inotify_;
  EpollLoop::WatchId watch_id_ = 0;
  // Loop thread only (and Start, before the loop knows us): watch descriptor -> name of the next
  // component; empty for the directory itself.
  std::map<int, std::string> watched_;

  mutable std::mutex mutex_;  // guards the pointer
  std::shared_ptr<const ConfigSnapshot> snapshot_;
};

}  // namespace crisp::network

#endif  // CRISP_NETWORK_CONFIG_WATCH_H_
