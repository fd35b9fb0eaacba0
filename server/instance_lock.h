// InstanceLock: one daemon per directory.
//
// Contract: flock(2) on "<directory>/crispd.lock", which also holds the owner's pid for messages
//           (on a full disk perhaps not: the lock is what counts).
//           The kernel releases it when the process ends, however it ends.
// Errors:   kFailedPrecondition names the directory and the pid of the daemon that has it.
#ifndef CRISP_SERVER_INSTANCE_LOCK_H_
#define CRISP_SERVER_INSTANCE_LOCK_H_

#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

class InstanceLock {
 public:
  InstanceLock() = default;
  // Makes the directory when it is missing. `patience`: a killed predecessor holds the lock until
  // the kernel has taken it apart, so a restart waits for it a little.
  static Result<InstanceLock> Acquire(const std::string& directory, mode_t mode,
                                      Duration patience = std::chrono::seconds(2));

 private:
  explicit InstanceLock(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

// Makes `path` free for a listener: a socket that nobody answers on is removed; kAlreadyExists when
// a process listens there, kFailedPrecondition when it is no socket.
Status EnsureSocketFree(const std::string& path);

}  // namespace crisp

#endif  // CRISP_SERVER_INSTANCE_LOCK_H_
