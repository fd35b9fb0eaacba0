// CdiCatalog: the devices that vendors describe in directories (Container Device Interface).
//
// What:     reads *.json and *.yaml of the directories when a container asks for a device and
//           something has changed since the last time. A device in a later directory replaces one
//           of the same name in an earlier one; twice in one directory is a conflict.
// Contract: CDI SPEC.md "Error Handling", cri-contract 8.3.
// Threads:  any; a mutex is held while files are read, for which Problems() does not wait.
// Errors:   a file with a mistake is left out, named in the log and by Problems(); the devices of
//           other files are there. Resolve: kInvalidArgument for what is no qualified name,
//           kNotFound names the device and the directories, kFailedPrecondition the two files of a
//           conflict.
#ifndef CRISP_OCI_CDI_H_
#define CRISP_OCI_CDI_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "oci/cdi_spec.h"
#include "oci/watched_directories.h"

namespace crisp::oci {

struct CdiOptions {
  std::vector<std::string> directories;  // absolute; later ones win
  // YAML text to JSON text; `file` is for messages. Without it *.yaml files are mistakes.
  std::function<Result<std::string>(const std::string& text, const std::string& file)> yaml_to_json;
};

// Something to be changed in a container's spec.
struct CdiChange {
  std::string origin;  // "CDI device 'vendor.com/gpu=0' (/etc/cdi/gpu.json)"
  std::shared_ptr<const CdiEdits> edits;
  std::string file;        // "/etc/cdi/gpu.json"
  bool of_device = false;  // else of all devices of the file
};

class CdiCatalog {
 public:
  explicit CdiCatalog(CdiOptions options);
  ~CdiCatalog();

  // In the order of the names, each device once; before the first device of a file what the file
  // changes for all of its devices.
  Result<std::vector<CdiChange>> Resolve(const std::vector<std::string>& names);
  // Reads what has changed. watch_fd() is readable when something may have; -1: that is not known.
  void Refresh() { (void)Fresh(); }
  int watch_fd() const { return watched_.fd(); }
  // Files with mistakes, conflicts, directories that cannot be read: "path: what". As they were
  // read last.
  std::vector<std::string> Problems() const;

  struct Snapshot;

 private:
  std::shared_ptr<const Snapshot> Fresh();

  const CdiOptions options_;
  WatchedDirectories<Snapshot> watched_;
};

}  // namespace crisp::oci

#endif  // CRISP_OCI_CDI_H_
