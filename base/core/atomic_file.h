// AtomicFile: a file that is either the old one or the new one, never half of it.
//
// Contract: writes go to an unnamed or temporary file in the same directory; Commit() renames it
//           over the target. With `durable` the data and the directory are fsynced, so that it
//           holds after a power cut; without, after a crash of the process only (files under /run).
// After a failure, or without Commit(): the target is as before and no temporary file remains
//           (a killed process may leave "<name>.tmp.<pid>.<tid>": who owns the directory sweeps
//           those at its start).
#ifndef CRISP_BASE_CORE_ATOMIC_FILE_H_
#define CRISP_BASE_CORE_ATOMIC_FILE_H_

#include <string>
#include <string_view>

#include "base/core/dir_fd.h"
#include "base/core/result.h"

namespace crisp {

class AtomicFile {
 public:
  AtomicFile(AtomicFile&&) noexcept = default;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  static Result<AtomicFile> Create(const std::string& path, mode_t mode = 0644,
                                   bool durable = false);
  Status Write(std::string_view data);
  Status Commit();

 private:
  AtomicFile(UniqueFd dir, std::string name, std::string temporary, UniqueFd fd, bool durable);

  UniqueFd dir_;
  std::string name_;
  std::string temporary_;
  UniqueFd fd_;
  bool durable_;
};

// Create + Write + Commit.
Status WriteFileAtomically(const std::string& path, std::string_view data, mode_t mode = 0644,
                           bool durable = false);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_ATOMIC_FILE_H_
