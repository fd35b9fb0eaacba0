// ConfigWatch: keeps the snapshot of the configuration directory current, without polling.
//
// What:     a DirectoryWatch on the loop: it follows the directory when it does not exist yet, is
//           removed and made again, or is replaced by a rename anywhere along the path.
// Threads:  Start on any thread; reloads happen on the loop's thread; snapshot() from any thread
//           (a mutex is held for the copy of a pointer).
// Lifetime: the loop must outlive it. It may be released from any thread, also while an event is
//           being handled.
// Unwatched: where the kernel gives no watch for a directory of the path, the directory is read
//           again every five seconds until it does.
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

class ConfigWatch : public std::enable_shared_from_this<ConfigWatch> {
 public:
  // `dir` must be absolute. The first snapshot is there when it returns.
  static Result<std::shared_ptr<ConfigWatch>> Start(std::string dir, EpollLoop* loop);
  ~ConfigWatch();

  std::shared_ptr<const ConfigSnapshot> snapshot() const;

 private:
  ConfigWatch(std::string dir, EpollLoop* loop);
  void Reload();
  void OnReadable();
  void AskAgainIfUnwatched();

  const std::string dir_;
  EpollLoop* const loop_;
  // Loop thread only (and Start, before the loop knows us):
  DirectoryWatch directory_;
  bool will_ask_ = false;
  EpollLoop::WatchId watch_id_ = 0;

  mutable std::mutex mutex_;  // guards the pointer
  std::shared_ptr<const ConfigSnapshot> snapshot_;
};

}  // namespace crisp::network

#endif  // CRISP_NETWORK_CONFIG_WATCH_H_
