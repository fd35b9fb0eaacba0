// DirectoryWatch: whether anything in some directories may have changed.
//
// What:     an inotify instance: what has happened since the last question lies in its queue. Who
//           wants to be told waits for fd() to be readable, others ask when it matters. Directories
//           that do not exist yet, are removed or are replaced anywhere along their path are
//           followed, because every directory above is watched too.
// Contract: inotify(7).
// Threads:  one at a time; the owner holds its lock.
// Errors:   without inotify (no instance left, a network file system) the answer is always "yes":
//           then reading anew each time is what works.
#ifndef CRISP_BASE_DIRECTORY_WATCH_H_
#define CRISP_BASE_DIRECTORY_WATCH_H_

#include <sys/inotify.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/core/unique_fd.h"

namespace crisp {

class DirectoryWatch {
 public:
  // Absolute paths.
  explicit DirectoryWatch(std::vector<std::string> directories);

  // For an event loop; -1 without inotify.
  int fd() const { return inotify_.get(); }
  // True at the first call. What changes after it returned makes the next call true.
  bool TakeChanged();
  // False: some of what there is could not be watched (fs.inotify.max_user_watches) when it was
  // last tried, which each question does again; fd() does not tell of all changes then.
  bool reliable() const { return reliable_; }

 private:
  // What of a watched directory is of interest: the names that lead on, or everything.
  struct Interest {
    std::string path;
    bool content = false;
    std::set<std::string> names;
  };
  // Watches what there is of each path, from the top; false when a directory that exists could not
  // be watched.
  bool EnsureWatches();
  bool DrainMatters();
  bool Matters(const inotify_event& event) const;

  const std::vector<std::string> directories_;
  const UniqueFd inotify_;
  bool reliable_ = false;
  bool warned_ = false;  // that they are not reliable
  std::map<int, Interest> watched_;
};

}  // namespace crisp

#endif  // CRISP_BASE_DIRECTORY_WATCH_H_
