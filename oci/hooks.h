// HookCatalog: the hooks that administrators put into directories for containers that match.
//
// What:     reads *.json of the directories when a container is made and something has changed
//           since the last time. A file in a later directory takes the place of one of the same
//           name in an earlier one. Hooks are given in the order of the files' lower-cased names.
// Contract: oci-hooks(5).
// Threads:  any; a mutex is held while files are read, for which Problems() does not wait.
// Errors:   a file with a mistake is left out (and hides its namesake), named in the log and by
//           Problems(). HooksFor: a hook whose program is missing, with the file.
#ifndef CRISP_OCI_HOOKS_H_
#define CRISP_OCI_HOOKS_H_

#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "oci/hook_file.h"
#include "oci/watched_directories.h"

namespace crisp::oci {

class HookCatalog {
 public:
  // Absolute; later ones win.
  explicit HookCatalog(std::vector<std::string> directories);

  Result<Hooks> HooksFor(const HookSubject& subject);
  // Reads what has changed. watch_fd() is readable when something may have; -1: that is not known.
  void Refresh() { (void)Fresh(); }
  int watch_fd() const { return watched_.fd(); }
  // "path: what", as it was read last.
  std::vector<std::string> Problems() const { return watched_.Problems(); }

 private:
  struct Entry {
    std::string path;
    HookFile file;
  };
  struct Snapshot {
    std::vector<Entry> entries;  // in order
    std::vector<std::string> problems;
  };
  static Snapshot Read(const std::vector<std::string>& directories);
  std::shared_ptr<const Snapshot> Fresh();

  const std::vector<std::string> directories_;
  WatchedDirectories<Snapshot> watched_;
};

}  // namespace crisp::oci

#endif  // CRISP_OCI_HOOKS_H_
