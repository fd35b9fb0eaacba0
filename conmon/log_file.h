// LogFile: the container's CRI log on disk, and the only writer to it.
//
// Contract: cri-contract section 10. Opened O_APPEND, mode 0640, missing parents 0755. A write that
//           fails drops its data and counts it; the file never keeps half a record (it is cut back
//           to the last whole one). A file that cannot be written never blocks the container.
//           The last component must be a regular file and no symlink: a container that can write to
//           the log directory must not direct a root process's writes elsewhere.
// Threads:  one.
// After a failed Reopen the old file stays in use.
#ifndef CRISP_CONMON_LOG_FILE_H_
#define CRISP_CONMON_LOG_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "conmon/log_batch.h"

namespace crisp::conmon {

class LogFile final : public LineSink {
 public:
  // An empty path: no log, everything is discarded.
  Status Open(std::string path);
  // Switches to a new file at the same path; made before this returns.
  Status Reopen();
  void WriteLines(std::string_view lines) override;

  bool enabled() const { return !path_.empty(); }
  uint64_t logged_bytes() const { return logged_bytes_; }
  uint64_t dropped_bytes() const { return dropped_bytes_; }
  int fd() const { return fd_.get(); }
  // After an upgrade: the same open file goes on, wherever it was renamed to meanwhile.
  void Restore(std::string path, UniqueFd fd, uint64_t logged, uint64_t dropped) {
    path_ = std::move(path);
    fd_ = std::move(fd);
    logged_bytes_ = logged;
    dropped_bytes_ = dropped;
  }

 private:
  void CutBack(std::string_view written);

  std::string path_;
  UniqueFd fd_;
  uint64_t logged_bytes_ = 0;
  uint64_t dropped_bytes_ = 0;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_LOG_FILE_H_
