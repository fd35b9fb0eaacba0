// HungFilesystem: a directory in which whoever looks up a name sleeps, and after SIGKILL sleeps
// uninterruptibly, as with a file server that is gone.
//
// What:     a FUSE file system that is served here: its root can be seen and mounted, a lookup
// below
//           it is taken and never answered. The kernel lets nobody go whose request has been taken.
// Contract: linux/fuse.h, fuse(4).
// Threads:  one of its own; the functions from any.
// Abort ends the connection: all that sleep get an error, and the dead among them may die.
#ifndef CRISP_TESTS_FAULT_HUNG_FILESYSTEM_H_
#define CRISP_TESTS_FAULT_HUNG_FILESYSTEM_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "base/core/mount.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp::test {

class HungFilesystem {
 public:
  // Fails where there is no FUSE.
  static Result<std::unique_ptr<HungFilesystem>> Mount(const std::string& path);
  ~HungFilesystem();

  int sleepers() const { return sleepers_; }
  void Abort();

 private:
  HungFilesystem(UniqueFd device, UniqueFd stop);
  void Serve();
  void Answer(uint64_t request, int error, const void* body, size_t size);

  UniqueFd device_;
  UniqueFd stop_;  // an eventfd
  ScopedMount mount_;
  std::atomic<int> sleepers_ = 0;
  std::thread thread_;  // last: it uses the others
};

}  // namespace crisp::test

#endif  // CRISP_TESTS_FAULT_HUNG_FILESYSTEM_H_
