// LogFile: the container's CRI log on disk, and the only writer to it.
//
// Contract: cri-contract section 10. Opened O_APPEND, mode 0640, missing parents 0755. A write that
//           fails drops its data and counts it; the file never keeps half a record (it is cut back
//           to the last whole one). A file that cannot be written never blocks the container.
//           The file must be a regular one and no symlink, and so must be the directories between
//           `directory` and it; its directory is held by descriptor from the first Open on: a
//           container that can write to the log directory must not direct a root process's writes
//           elsewhere. A directory that was removed meanwhile is made again.
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
  // An empty path: no log, everything is discarded. `directory`: above the file, given by somebody
  // who is trusted; empty: the file's own.
  Status Open(std::string path, std::string directory = {});
  // Switches to a new file at the same path; made before this returns.
  Status Reopen();
  void WriteLines(std::string_view lines) override;

  bool enabled() const { return !path_.empty(); }
  uint64_t logged_bytes() const { return logged_bytes_; }
  uint64_t dropped_bytes() const { return dropped_bytes_; }
  int fd() const { return fd_.get(); }
  // After an upgrade: the same open file goes on, wherever it was renamed to meanwhile.
  void Restore(std::string path, std::string directory, UniqueFd fd, uint64_t logged,
               uint64_t dropped);

 private:
  Result<UniqueFd> OpenFileInDirectory();
  void CutBack(std::string_view written);

  std::string path_;
  std::string directory_;
  UniqueFd parent_;  // holds the file; O_PATH
  UniqueFd fd_;
  uint64_t logged_bytes_ = 0;
  uint64_t dropped_bytes_ = 0;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_LOG_FILE_H_
