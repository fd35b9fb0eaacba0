// ConfigWatch: keeps the snapshot of the configuration directory current, without polling.
//
// What:     a DirectoryWatch on the loop: it follows the directory when it does not exist yet, is
//           removed and made again, or is replaced by a rename anywhere along the path.
// Threads:  Start on any thread; reloads happen on the loop's thread; snapshot() from any thread
//           (a mutex is held for the copy of a pointer).
// Lifetime: the loop must outlive it. It may be released from any thread, also while an event is
//           being handled.
// Errors:   Start fails when the kernel gives no inotify instance; a directory that cannot be read
//           is a snapshot that says so.
#ifndef CRISP_NETWORK_CONFIG_WATCH_H_
#define CRISP_NETWORK_CONFIG_WATCH_H_

#include <memory>
#include <mutex>
#include <string>

#include "base/core/epoll_loop.h"
#include "base/core/result.h"
#include "base/directory_watch.h"
#include "network/config_dir.h"

namespace crisp::network {

class ConfigWatch {
 public:
  // `dir` must be absolute. The first snapshot is there when it returns.
  static Result<std::shared_ptr<ConfigWatch>> Start(std::string dir, EpollLoop* loop);
  ~ConfigWatch();

  std::shared_ptr<const ConfigSnapshot> snapshot() const;

 private:
  ConfigWatch(std::string dir, EpollLoop* loop);
  void Reload();
  void OnReadable();

  const std::string dir_;
  EpollLoop* const loop_;
  DirectoryWatch directory_;  // loop thread only (and Start, before the loop knows us)
  EpollLoop::WatchId watch_id_ = 0;

  mutable std::mutex mutex_;  // guards the pointer
  std::shared_ptr<const ConfigSnapshot> snapshot_;
};

}  // namespace crisp::network

#endif  // CRISP_NETWORK_CONFIG_WATCH_H_
