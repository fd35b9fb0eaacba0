// WatchedDirectories: what was read from some directories, read again when they have changed.
//
// What:     a Snapshot is whatever its user makes of the files. It has a member `problems`
//           (std::vector<std::string>): files with mistakes and directories that cannot be read,
//           "path: what". These are logged, once until they are others.
// Threads:  any; a mutex is held while files are read, for which Last() and Problems() do not wait.
//           Snapshots do not change and live as long as somebody has them.
// Errors:   none; without inotify each Fresh() reads anew (base/directory_watch.h).
#ifndef CRISP_OCI_WATCHED_DIRECTORIES_H_
#define CRISP_OCI_WATCHED_DIRECTORIES_H_

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/directory_watch.h"
#include "base/log.h"

namespace crisp::oci {

// Snapshot may be incomplete where no member is called.
template <typename Snapshot>
class WatchedDirectories {
 public:
  // Absolute paths. `left_out` is what the log says before a problem: "OCI hook left out".
  WatchedDirectories(std::vector<std::string> directories, std::string left_out)
      : left_out_(std::move(left_out)), watch_(std::move(directories)) {}

  // Readable when something may have changed; -1: that is not known.
  int fd() const { return watch_.fd(); }

  // What there is now: of read(), which returns a Snapshot, when something may have changed. What
  // changes while it reads is seen by the next call. Not null.
  template <typename Read>
  std::shared_ptr<const Snapshot> Fresh(const Read& read) {
    std::lock_guard lock(mutex_);
    const std::shared_ptr<const Snapshot> last = Last();
    if (!watch_.TakeChanged()) return last;
    auto fresh = std::make_shared<const Snapshot>(read());
    if (!last || last->problems != fresh->problems) {
      for (const std::string& problem : fresh->problems) {
        log::Warning(left_out_, {{"why", problem}});
      }
    }
    std::lock_guard set(snapshot_mutex_);
    snapshot_ = fresh;
    return fresh;
  }

  // As it was read last; null before the first Fresh().
  std::shared_ptr<const Snapshot> Last() const {
    std::lock_guard lock(snapshot_mutex_);
    return snapshot_;
  }
  // Of Last().
  std::vector<std::string> Problems() const {
    const std::shared_ptr<const Snapshot> last = Last();
    return last ? last->problems : std::vector<std::string>();
  }

 private:
  const std::string left_out_;
  std::mutex mutex_;  // guards watch_, and is held while files are read
  DirectoryWatch watch_;
  mutable std::mutex snapshot_mutex_;  // guards snapshot_, never for long
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace crisp::oci

#endif  // CRISP_OCI_WATCHED_DIRECTORIES_H_
