// UniqueFd: the one owner of a file descriptor.
//
// Contract: closes exactly once; a moved-from UniqueFd is empty. Every descriptor in crisp is
//           opened close-on-exec; what a child gets is listed in SpawnOptions::fds.
// Threads:  like an int: one owner at a time.
#ifndef CRISP_BASE_CORE_UNIQUE_FD_H_
#define CRISP_BASE_CORE_UNIQUE_FD_H_

#include <string>
#include <utility>

#include "base/core/result.h"

namespace crisp {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  explicit operator bool() const { return valid(); }
  // Gives the descriptor away; the caller closes it.
  int Release() { return std::exchange(fd_, -1); }
  // Closes what is held and takes `fd` (-1: nothing). errno is kept.
  void Reset(int fd = -1);
  // Closes and reports what close(2) said: for files whose write errors surface late.
  Status Close();
  // A second descriptor for the same open file, close-on-exec.
  Result<UniqueFd> Duplicate() const;

 private:
  int fd_ = -1;
};

struct FdPair {
  UniqueFd first;
  UniqueFd second;
};
// pipe2(O_CLOEXEC | flags): first is the reading end.
Result<FdPair> MakePipe(int flags = 0);
// socketpair(AF_UNIX, type | SOCK_CLOEXEC).
Result<FdPair> MakeSocketPair(int type);
Status SetNonBlocking(int fd, bool on = true);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_UNIQUE_FD_H_
